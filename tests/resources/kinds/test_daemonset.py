"""DaemonSets."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.errors import BadRequest
from kube_lite.resources.kinds.daemonset import GENERATION
from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    Cause,
    Change,
    assert_create,
    changed,
    create,
    resource,
    update,
)
from tests.resources.kinds.test_deployment import VALID

KIND = resource("apps", "daemonsets")


@pytest.mark.parametrize(("given", "kept"), [("7", "7"), ("0", "1"), ("-3", "1")])
def test_the_count_of_templates_starts_where_the_client_says(given: str, kept: str) -> None:
    made, errors = create(KIND, changed(VALID, {"metadata.annotations": {GENERATION: given}}))
    assert not errors
    assert made["metadata"]["annotations"][GENERATION] == kept


def test_a_count_that_is_no_number_cannot_be_read() -> None:
    with pytest.raises(BadRequest, match=r'as a DaemonSet: strconv\.ParseInt: parsing "x": invalid syntax'):
        create(KIND, changed(VALID, {"metadata.annotations": {GENERATION: "x"}}))


def test_only_a_changed_template_counts() -> None:
    made, _ = update(KIND, VALID, {"spec.minReadySeconds": 3})
    assert made["metadata"]["annotations"][GENERATION] == "1"
    made, _ = update(KIND, VALID, {"spec.template.spec.containers.0.image": "b"})
    assert made["metadata"]["annotations"][GENERATION] == "2"


def test_times_that_are_stored_as_null_do_not_count() -> None:
    old, _ = create(KIND, VALID)
    new = changed(old, {})
    old["spec"]["template"]["metadata"]["creationTimestamp"] = None
    KIND.prepare_update(new, old)
    assert new["metadata"]["annotations"][GENERATION] == "1"


@pytest.mark.parametrize(
    ("name", "rolling", "causes"),
    [
        ("nothing may go", {"maxUnavailable": 0}, [(BAD, "maxUnavailable", 'StrVal:""}: cannot be 0')]),
        (
            "neither way",
            {"maxUnavailable": 0, "maxSurge": 0},
            [(NEEDED, "maxUnavailable", "cannot be 0 when maxSurge is 0")],
        ),
        ("two ways", {"maxSurge": "5%"}, [(BAD, "maxSurge", 'StrVal:"5%"}: may not be set when maxUnavailable is')]),
        ("surge alone", {"maxUnavailable": 0, "maxSurge": 1}, []),
    ],
)
def test_a_rolling_update(name: str, rolling: dict[str, Any], causes: list[Cause]) -> None:
    change: Change = {"spec.updateStrategy": {"rollingUpdate": rolling}}
    wanted = [(reason, f"spec.updateStrategy.rollingUpdate.{field}", text) for reason, field, text in causes]
    assert_create(KIND, VALID, change, wanted)
