"""LimitRanges."""

from __future__ import annotations

import pytest

from tests.resources.kinds.cases import BAD, NOT_HERE, Cause, assert_causes, create, resource

KIND = resource("", "limitranges")


def test_one_without_a_name_gets_a_unique_one() -> None:
    made, errors = create(KIND, {"metadata": {}, "spec": {"limits": []}})
    assert not errors
    assert made["metadata"]["name"] == made["metadata"]["uid"]


@pytest.mark.parametrize(
    ("type_", "causes"),
    [
        ("Container", []),
        ("a.io/x", []),
        ("Node", [(BAD, "spec.limits[0].type", "must be a standard limit type or fully qualified")]),
        ("B_d!", [(BAD, "spec.limits[0].type", "name part must consist of")]),
    ],
)
def test_a_type_is_known_or_qualified(type_: str, causes: list[Cause]) -> None:
    assert_causes(create(KIND, {"metadata": {"name": "x"}, "spec": {"limits": [{"type": type_}]}})[1], causes)


def test_defaults_of_pods_are_refused_and_not_compared() -> None:
    item = {"type": "Pod", "max": {"cpu": "1"}, "default": {"cpu": "2"}, "defaultRequest": {"cpu": "3"}}
    found = create(KIND, {"metadata": {"name": "x"}, "spec": {"limits": [item]}})[1]
    never = "may not be specified when `type` is 'Pod'"
    wanted = [(NOT_HERE, f"spec.limits[0].{part}", never) for part in ("default", "defaultRequest")]
    assert_causes(found, wanted)
