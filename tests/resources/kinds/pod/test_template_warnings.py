"""Workloads: what is legal and told of all the same."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.resources.kinds.cases import Change, changed, create, resource

TEMPLATE = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i"}], "nodeSelector": {"beta.kubernetes.io/os": "x"}},
}
WORKLOAD: dict[str, Any] = {
    "metadata": {"name": "a.b"},
    "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE},
}
JOBS: dict[str, Any] = {
    "metadata": {"name": "a.b"},
    "spec": {
        "schedule": "* * * * *",
        "jobTemplate": {"spec": {"template": changed(TEMPLATE, {"spec.restartPolicy": "Never"})}},
    },
}
NAME = "metadata.name: this is used in Pod names and hostnames"
OS = "nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14"


@pytest.mark.parametrize(
    ("group", "plural", "obj", "texts"),
    [
        ("apps", "deployments", WORKLOAD, [NAME, f"spec.template.spec.{OS}"]),
        ("apps", "replicasets", WORKLOAD, [NAME, f"spec.template.spec.{OS}"]),
        ("apps", "daemonsets", WORKLOAD, [f"spec.template.spec.{OS}"]),
        ("apps", "statefulsets", WORKLOAD, [f"spec.template.spec.{OS}"]),
        (
            "",
            "replicationcontrollers",
            changed(WORKLOAD, {"spec.selector": {"a": "b"}}),
            [NAME, f"spec.template.spec.{OS}"],
        ),
        ("batch", "cronjobs", JOBS, [NAME, f"spec.jobTemplate.spec.template.spec.{OS}"]),
        ("", "podtemplates", {"metadata": {"name": "a.b"}, "template": TEMPLATE}, [f"template.spec.{OS}"]),
    ],
)
def test_workloads_are_warned_of(group: str, plural: str, obj: dict[str, Any], texts: list[str]) -> None:
    kind = resource(group, plural)
    made, causes = create(kind, obj)
    assert causes == []
    _begin(kind.warnings(made, None), texts)
    assert list(kind.warnings(changed(made, {"metadata.labels": {"x": "y"}}), made)) == []
    template = next(text for text in texts if OS in text)
    steps = template.partition(".spec.nodeSelector")[0]
    other = changed(made, {f"{steps}.spec.nodeSelector": {"beta.kubernetes.io/os": "z"}})
    _begin(kind.warnings(other, made), [template])


def _begin(got: object, starts: list[str]) -> None:
    assert isinstance(got, list)
    assert len(got) == len(starts)
    assert all(text.startswith(start) for text, start in zip(got, starts, strict=True))


FRACTION = 'resources.requests[storage]: fractional byte value "100m" is invalid, must be an integer'


def test_a_statefulset_is_warned_of_its_claims_and_history() -> None:
    kind = resource("apps", "statefulsets")
    claim = {"metadata": {"name": "v"}, "spec": {"resources": {"requests": {"storage": "100m"}}}}
    made, _ = create(kind, changed(WORKLOAD, {"spec.volumeClaimTemplates": [claim], "spec.revisionHistoryLimit": -1}))
    history = "spec.revisionHistoryLimit: a negative value"
    _begin(kind.warnings(made, None)[1:], [f"spec.volumeClaimTemplates[0].{FRACTION}", history])
    change: Change = {"spec.replicas": 3}
    _begin(kind.warnings(changed(made, change), made)[1:], [f"spec.volumeClaimTemplates[0].Spec.{FRACTION}", history])


def test_an_old_schedule_may_keep_its_zone() -> None:
    kind = resource("batch", "cronjobs")
    made, _ = create(kind, copy.deepcopy(JOBS))
    zoned = changed(made, {"spec.schedule": "TZ=UTC * * * * *"})
    assert kind.warnings(zoned, made)[-1].startswith("cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone")
