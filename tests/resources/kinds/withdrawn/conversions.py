"""Pairs of an old object and the current one that means the same."""

from __future__ import annotations

import copy
from typing import Any

from tests.resources.kinds.cases import resource

Obj = dict[str, Any]


def stored_as(group: str, plural: str, version: str, old: Obj) -> Obj:
    """The stored form of an old object, which stays as it was; without the apiVersion."""
    kind = resource(group, plural, version)
    assert kind.convert_to_storage is not None
    before = copy.deepcopy(old)
    made = kind.convert_to_storage(old)
    assert old == before, "the conversion changed its argument"
    return {key: value for key, value in made.items() if key != "apiVersion"}


def shown_as(group: str, plural: str, version: str, stored: Obj) -> Obj:
    """A stored object as the old version shows it; without the apiVersion."""
    kind = resource(group, plural, version)
    assert kind.convert_from_storage is not None
    before = copy.deepcopy(stored)
    made = kind.convert_from_storage(stored)
    assert stored == before, "the conversion changed its argument"
    assert made["apiVersion"] == f"{group}/{version}"
    return {key: value for key, value in made.items() if key != "apiVersion"}


def assert_same(group: str, plural: str, version: str, old: Obj, stored: Obj) -> None:
    """Both conversions hold, so a round trip in either direction ends where it began."""
    assert stored_as(group, plural, version, old) == stored
    assert shown_as(group, plural, version, stored) == old
