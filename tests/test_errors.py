"""Errors: to a Status and back, and the message forms that clients match on."""

from __future__ import annotations

import json

import pytest

from kube_lite import errors
from kube_lite.errors import ApiError, FieldError, from_status

ALL = [cls for cls in errors._subclasses(ApiError)[1:] if cls.__module__ == errors.__name__]


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: str(cls.__name__))
def test_an_error_survives_the_wire(cls: type[ApiError]) -> None:
    error = cls("why", {"name": "n", "retryAfterSeconds": 7})
    read = from_status(json.loads(json.dumps(error.to_status())), 599)
    assert type(read) is cls
    assert (read.message, read.details, read.code, read.reason) == ("why", error.details, cls.code, cls.reason)
    assert read.retry_after == 7


def test_the_code_decides_where_there_is_no_reason() -> None:
    assert isinstance(from_status({"message": "x"}, 404), errors.NotFound)
    unknown = from_status({"message": "x", "reason": "Teapot", "code": 418})
    assert (type(unknown), unknown.code) == (ApiError, 418)
    assert ApiError.code == 500
    assert from_status({}, 503).message == "the server answered 503"
    assert from_status({"details": "nonsense"}, 500).details == {}


def test_details_are_shown_where_there_are_any() -> None:
    assert "details" not in errors.BadRequest("x").to_status()
    assert errors.BadRequest("x", {}).to_status()["details"] == {}
    assert errors.BadRequest("x").retry_after is None


def test_messages_have_upstreams_forms() -> None:
    assert errors.not_found("pods", "", "x").message == 'pods "x" not found'
    assert errors.not_found("deployments", "apps", "x").message == 'deployments.apps "x" not found'
    assert errors.already_exists("pods", "", "x").message == 'pods "x" already exists'
    assert errors.conflict("pods", "", "x", "why").message == 'Operation cannot be fulfilled on pods "x": why'
    assert errors.forbidden("pods", "", "", "why").message == "pods is forbidden: why"
    assert errors.no_such_path().message == "the server could not find the requested resource"


def test_an_invalid_object_names_every_field_once() -> None:
    one = FieldError("FieldValueRequired", "spec.a", "Required value")
    two = FieldError("FieldValueInvalid", "spec.b", "Invalid value: 1: no")
    single = errors.invalid("Pod", "", "p", [one])
    assert single.message == 'Pod "p" is invalid: spec.a: Required value'
    several = errors.invalid("Deployment", "apps", "d", [one, two, two])
    assert several.message == ('Deployment.apps "d" is invalid: [spec.a: Required value, spec.b: Invalid value: 1: no]')
    assert several.details["causes"][1] == {
        "reason": "FieldValueInvalid",
        "message": "Invalid value: 1: no",
        "field": "spec.b",
    }
    assert (several.details["group"], several.details["kind"]) == ("apps", "Deployment")


def test_special_refusals_are_read_back_as_the_plain_ones() -> None:
    from kube_lite.api import patch  # has subclasses of its own

    assert patch
    for cls in errors._subclasses(ApiError)[1:]:
        assert from_status({"reason": cls.reason, "message": "x"}).message == "x"
