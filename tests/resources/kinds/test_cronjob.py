"""CronJobs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    Cause,
    Change,
    assert_create,
    changed,
    create,
    resource,
)

KIND = resource("batch", "cronjobs")
POD: dict[str, Any] = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": {"spec": POD}}}},
}
ZONE, SCHEDULE = "spec.timeZone", "spec.schedule"
NOT_IN_SCHEDULE = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({ZONE: "Europe/Berlin"}, []),
        ({ZONE: ""}, [(BAD, ZONE, "must be nil or non-empty string")]),
        ({ZONE: "Local"}, [(BAD, ZONE, "must be an explicit time zone")]),
        ({ZONE: "local"}, [(BAD, ZONE, "must be an explicit time zone"), (BAD, ZONE, "unknown time zone local")]),
        ({ZONE: "Europe/../UTC"}, [(BAD, ZONE, "unknown time zone Europe/../UTC")]),
        ({ZONE: "Europe//Berlin"}, [(BAD, ZONE, "unknown time zone Europe//Berlin")]),
        ({SCHEDULE: "CRON_TZ=UTC 0 * * * *"}, [(BAD, SCHEDULE, NOT_IN_SCHEDULE)]),
        ({SCHEDULE: "TZ=UTC 0 * *"}, [(BAD, SCHEDULE, "found 3"), (BAD, SCHEDULE, NOT_IN_SCHEDULE)]),
    ],
)
def test_a_time_zone_stands_in_its_own_field(change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


def test_conditions_of_its_jobs_are_met_unless_said_otherwise() -> None:
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    made, causes = create(KIND, changed(VALID, {"spec.jobTemplate.spec.podFailurePolicy": {"rules": [rule]}}))
    assert causes == []
    (kept,) = made["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert kept["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
