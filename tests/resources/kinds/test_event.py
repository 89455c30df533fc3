"""Events in both groups."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    Cause,
    Change,
    assert_create,
    assert_update,
    changed,
    create,
    resource,
)

CORE, NEW, BETA = (
    resource("", "events"),
    resource("events.k8s.io", "events"),
    resource("events.k8s.io", "events", "v1beta1"),
)
OLD: dict[str, Any] = {"metadata": {"name": "x"}, "involvedObject": {"namespace": "ns"}}
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "eventTime": "2020-01-01T00:00:00.000000Z",
    "reportingController": "example.com/c",
    "reportingInstance": "i",
    "action": "A",
    "reason": "R",
    "type": "Normal",
    "regarding": {"namespace": "ns"},
}
AT = "reportingController"


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("valid", {}, []),
        ("about another namespace", {"regarding.namespace": "other"}, []),
        ("about none", {"regarding": None}, [(BAD, "involvedObject.namespace", '"": does not match')]),
        ("type", {"type": "x"}, [(BAD, "type", 'Invalid value: "": has invalid value: x')]),
        (
            "no controller",
            {AT: None},
            [(NEEDED, AT, ""), (BAD, AT, "name part must be non-empty"), (BAD, AT, "must consist of")],
        ),
        ("no instance", {"reportingInstance": None}, [(NEEDED, "reportingInstance", "")]),
        ("long action", {"action": "a" * 129}, [(BAD, "action", 'Invalid value: "": can have at most 128')]),
        ("long note", {"note": "a" * 1025}, [(BAD, "message", "can have at most 1024 characters")]),
        (
            "short series",
            {"series": {"count": 1}},
            [(BAD, "series.count", "should be at least 2"), (NEEDED, "series.lastObservedTime", "")],
        ),
        ("counted", {"deprecatedCount": 2}, [(BAD, "count", "needs to be unset")]),
        ("no time", {"eventTime": None}, [(NEEDED, "eventTime", "")]),
    ],
)
def test_a_new_event(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(NEW, VALID, change, causes)


def test_old_clients_may_leave_more_out() -> None:
    assert not create(CORE, OLD)[1]
    assert not create(BETA, changed(VALID, {"type": "x"}))[1]
    assert not create(CORE, changed(OLD, {"metadata.name": "Any_Name!"}))[1]
    assert_create(
        CORE,
        OLD,
        {"involvedObject.namespace": "other"},
        [(BAD, "involvedObject.namespace", '"other": does not match event.namespace')],
    )


SERIES = {"count": 2, "lastObservedTime": "2020-01-01T00:00:01.000000Z"}


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("labels", {"metadata.labels": {"a": "b"}}, []),
        ("series", {"series": SERIES}, []),
        ("short series", {"series": {**SERIES, "count": 1}}, [(BAD, "series.count", "should be at least 2")]),
        (
            "controller",
            {AT: "Bad Value"},
            [(BAD, AT, "name part must consist of")],
        ),
        ("another controller", {AT: "n"}, [(BAD, AT, 'Invalid value: "n": field is immutable')]),
        ("note", {"note": "n"}, [(BAD, "message", "field is immutable")]),
        ("regarding", {"regarding.name": "n"}, [(BAD, "involvedObject", "core.ObjectReference{Kind:")]),
        ("type", {"type": "Warning"}, [(BAD, "type", "field is immutable")]),
        ("no type", {"type": ""}, [(BAD, "type", 'Invalid value: "": field is immutable')]),
        ("a bad label", {"metadata.labels": {"a": "b c"}}, [(BAD, "metadata.labels", "a valid label must")]),
        ("count", {"deprecatedCount": 2}, [(BAD, "count", "field is immutable")]),
    ],
)
def test_an_update(name: str, change: Change, causes: list[Cause]) -> None:
    assert_update(NEW, VALID, change, causes)


def test_updates_by_old_clients_are_not_held_to_that() -> None:
    assert_update(CORE, OLD, {"message": "n"}, [])
    assert_update(BETA, VALID, {"note": "n"}, [])
    assert NEW.invalid_group == ""


def test_every_group_names_who_reports_the_same_way() -> None:
    found = create(
        CORE, {**OLD, "eventTime": VALID["eventTime"], "reportingInstance": "i", "action": "A", "reason": "R"}
    )
    assert {cause[1] for cause in found[1]} == {"reportingController"}
