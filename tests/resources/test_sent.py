"""Empty maps and lists in refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kube_lite.resources import decode, schema
from kube_lite.resources.field import Errors, go_map, invalid
from kube_lite.resources.sent import as_sent

POD = schema.type_for("", "v1", "Pod")


def _told(obj: dict[str, Any], value: Callable[[], Any]) -> Errors:
    def check() -> Errors:
        return [invalid("f", go_map(value()), "bad")]

    return as_sent(POD, obj, check(), check)


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        ({"labels": {}}, "map[string]string{}"),
        ({"labels": None}, "map[string]string(nil)"),
        ({}, "map[string]string(nil)"),
    ],
)
def test_a_refusal_shows_the_map_as_it_was_sent(labels: dict[str, Any], shown: str) -> None:
    obj = decode.decode(POD, {"metadata": {"name": "x", **labels}}).obj
    assert shown in _told(obj, lambda: obj["metadata"].get("labels"))[0].message
    assert "labels" not in obj["metadata"]


def test_what_took_the_place_of_an_empty_map_is_shown() -> None:
    obj = decode.decode(POD, {"metadata": {"labels": {}}}).obj
    obj["metadata"]["labels"] = {"a": "b"}
    assert 'map[string]string{"a":"b"}' in _told(obj, lambda: obj["metadata"]["labels"])[0].message


def test_parts_of_lists_are_found_again() -> None:
    obj = decode.decode(POD, {"spec": {"containers": [{"name": "a"}, {"name": "b", "args": []}]}}).obj
    seen: list[Any] = []

    def check() -> Errors:
        seen.append(obj["spec"]["containers"][1].get("args"))
        return [invalid("f", "", "")]

    as_sent(POD, obj, check(), check)
    assert seen == [None, []]


def test_other_problems_than_those_of_the_object_are_not_told() -> None:
    obj = decode.decode(POD, {"metadata": {"labels": {}}}).obj
    found = [invalid("f", "", "")]
    assert as_sent(POD, obj, found, lambda: [*found, invalid("g", "", "")]) is found


def test_nothing_is_kept_of_an_earlier_object() -> None:
    decode.decode(POD, {"metadata": {"labels": {}}})
    obj = decode.decode(POD, {"metadata": {}}).obj
    assert "(nil)" in _told(obj, lambda: obj["metadata"].get("labels"))[0].message


def test_another_kind_is_not_taken_for_what_was_decoded() -> None:
    decode.decode(schema.type_for("", "v1", "Secret"), {"metadata": {"labels": {}}})
    obj: dict[str, Any] = {"metadata": {}}
    assert "(nil)" in _told(obj, lambda: obj["metadata"].get("labels"))[0].message
