"""Embedded resources say what they are."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.structural.embedded import validate_resource


@pytest.mark.parametrize(
    ("obj", "told"),
    [
        ({"apiVersion": "v1", "kind": "Pod"}, []),
        ({"apiVersion": "foo/v1", "kind": "Foo", "metadata": {"name": "A_b:c", "namespace": "n"}}, []),
        ({}, ["p.apiVersion: Required value", "p.kind: Required value"]),
        ({"apiVersion": "", "kind": 1}, ["p.apiVersion: Invalid value", "p.kind: Invalid value"]),
        ({"apiVersion": "a/b/c", "kind": "%"}, ["p.apiVersion: Invalid value", "p.kind: Invalid value"]),
        ({"apiVersion": "v1", "kind": "A", "metadata": {"name": ".."}}, ["p.metadata.name: Invalid value"]),
        ({"apiVersion": "v1", "kind": "A", "metadata": {"labels": {"a": "x y"}}}, ["p.metadata.labels: Invalid value"]),
    ],
)
def test_what_a_resource_says_of_itself_is_checked(obj: dict[str, Any], told: list[str]) -> None:
    found = [str(error) for error in validate_resource(obj, "p")]
    assert [text[: len(start)] for text, start in zip(found, told, strict=True)] == told
