"""Workloads of apps and extensions before v1, CronJobs and PodDisruptionBudgets: the fields are those of v1 but for
some that were never kept; the defaults are not."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.kinds import (
    controllerrevision,
    cronjob,
    daemonset,
    deployment,
    networkpolicy,
    poddisruptionbudget,
    replicaset,
    statefulset,
)
from kube_lite.resources.kinds.withdrawn import shown
from kube_lite.resources.kinds.withdrawn.legacy import Release, legacy
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Cells

NO_DEADLINE = 2**31 - 1
"""How extensions/v1beta1 says that there is no progress deadline, or no limit of revisions."""


def _selector_from_template(spec: Obj) -> None:
    """Before v1 the selector could be left out: it was the labels of the template."""
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels and not spec.get("selector"):
        spec["selector"] = {"matchLabels": dict(labels)}


def _default_extensions(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _selector_from_template(spec)
    strategy = spec.setdefault("strategy", {})
    if strategy.get("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 1)
    spec.setdefault("progressDeadlineSeconds", NO_DEADLINE)
    spec.setdefault("revisionHistoryLimit", NO_DEADLINE)
    spec.pop("rollbackTo", None)


def _default_selector(obj: Obj) -> None:
    _selector_from_template(obj.setdefault("spec", {}))


def _default_daemon_set(obj: Obj) -> None:
    """Pods of old were replaced only when somebody deleted them."""
    spec = obj.setdefault("spec", {})
    _selector_from_template(spec)
    spec.pop("templateGeneration", None)
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "OnDelete"


def _default_stateful_set(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _selector_from_template(spec)
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "OnDelete"


def _default_apps_beta1(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _selector_from_template(spec)
    spec.setdefault("revisionHistoryLimit", 2)
    spec.pop("rollbackTo", None)


_CRONJOB = cronjob.RESOURCES[0]

_ZONE = next(i for i, column in enumerate(_CRONJOB.columns) if column.name == "Timezone")


def _row_without_zone(obj: Obj, now: datetime) -> Cells:
    """CronJobs had no time zone then."""
    assert _CRONJOB.row is not None
    cells = _CRONJOB.row(obj, now)
    return [*cells[:_ZONE], *cells[_ZONE + 1 :]]


_BETA1, _BETA2 = Release("v1.8", "v1.16"), Release("v1.9", "v1.16")
_ORPHANING = "Orphan"
"""What betas of workloads do with dependants when DELETE does not say."""

RESOURCES = (
    *(
        legacy(module.RESOURCES[0], "v1beta2", _BETA2, short_names=(), categories=(), default_propagation=_ORPHANING)
        for module in (deployment, statefulset, daemonset, replicaset)
    ),
    legacy(controllerrevision.RESOURCES[0], "v1beta2", _BETA2, short_names=(), categories=()),
    *(
        legacy(
            module.RESOURCES[0],
            "v1beta1",
            _BETA1,
            default=default,
            short_names=(),
            categories=(),
            default_propagation=_ORPHANING,
        )
        for module, default in ((deployment, _default_apps_beta1), (statefulset, _default_stateful_set))
    ),
    legacy(controllerrevision.RESOURCES[0], "v1beta1", _BETA1),
    *(
        legacy(
            module.RESOURCES[0],
            "v1beta1",
            _BETA1,
            group="extensions",
            default=default,
            default_propagation=_ORPHANING,
        )
        for module, default in (
            (deployment, _default_extensions),
            (daemonset, _default_daemon_set),
            (replicaset, _default_selector),
        )
    ),
    legacy(networkpolicy.RESOURCES[0], "v1beta1", Release("v1.9", "v1.16"), group="extensions"),
    legacy(
        _CRONJOB,
        "v1beta1",
        Release("v1.21", "v1.25"),
        generation=False,
        default_propagation=_ORPHANING,
        columns=tuple(column for column in _CRONJOB.columns if column.name != "Timezone"),
        row=_row_without_zone,
        selectable=lambda obj: {"status.successful": ""},
        selectable_names=("status.successful",),
    ),
    legacy(poddisruptionbudget.RESOURCES[0], "v1beta1", Release("v1.21", "v1.25"), shown=shown.budget),
)
