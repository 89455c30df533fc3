"""Events in both groups."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.kinds.event import to_core
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


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({"series": {"count": 2, "lastObservedTime": "2020-01-01T00:00:01.000000Z"}}, []),
        ({"series": {"count": 2}}, [(NEEDED, "series.lastObservedTime", "")]),
        ({"reason": "S"}, [(BAD, "reason", '"S": field is immutable')] * 2),
        ({"note": "n"}, [(BAD, "message", '"n": field is immutable')]),
        (
            {"regarding.name": "x"},
            [(BAD, "involvedObject", 'core.ObjectReference{Kind:"", Namespace:"ns", Name:"x", UID:"", APIVersion:""')],
        ),
        ({"deprecatedSource": {"host": "h"}}, [(BAD, "source", 'core.EventSource{Component:"", Host:"h"}: field')]),
    ],
)
def test_only_the_series_of_an_event_goes_on(change: Change, causes: list[Cause]) -> None:
    assert_update(NEW, VALID, change, causes)


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


def test_an_update_keeps_who_reports() -> None:
    causes = [(BAD, AT, "name part must consist of"), (BAD, AT, '"Bad Value": field is immutable')]
    assert_update(NEW, VALID, {AT: "Bad Value"}, causes)
    assert_update(BETA, VALID, {AT: "Bad Value"}, causes[:1])
    assert_update(
        CORE, to_core(VALID), {"reportingComponent": "!", "message": "other"}, [(BAD, "reportingComponent", "")]
    )
    assert NEW.invalid_group == ""
