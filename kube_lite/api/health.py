"""The health checks of ``/healthz``, ``/livez`` and ``/readyz``, by the names that upstream's server gives them.

Monitoring asks for single checks (``/readyz/poststarthook/rbac/bootstrap-roles``), so their names are part of the API.
What upstream does in hooks after its start is done here before the first request is answered: those checks all turn
well together, when the store is loaded and the cluster's own objects are in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

Check = Callable[[], str]
"""A health check: '' when well, else what is wrong."""

READY_ONLY: Final = frozenset({"informer-sync", "shutdown"})
"""Checks of /readyz alone: a server that is not ready, or about to stop, is alive and well."""

START_STEPS: Final = (
    "poststarthook/start-kube-apiserver-admission-initializer",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/priority-and-fairness-config-consumer",
    "poststarthook/priority-and-fairness-filter",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/bootstrap-controller",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/priority-and-fairness-config-producer",
    "poststarthook/start-cluster-authentication-info-controller",
    "poststarthook/start-kube-aggregator-informers",
    "poststarthook/apiservice-registration-controller",
    "poststarthook/apiservice-status-available-controller",
    "poststarthook/kube-apiserver-autoregistration",
    "autoregister-completion",
    "poststarthook/apiservice-openapi-controller",
)
"""What has to be done before a server is well, in upstream's order."""


def checks(started: Callable[[], bool], stopping: Callable[[], bool]) -> dict[str, Check]:
    """Every check by name, in the order in which they are told."""

    def when_started(wrong: str) -> Check:
        return lambda: "" if started() else wrong

    return {
        "ping": lambda: "",
        "log": lambda: "",
        "etcd": when_started("the store is still loading"),
        "informer-sync": when_started("not synced yet"),
        **dict.fromkeys(START_STEPS, when_started("not finished")),
        "shutdown": lambda: "process is shutting down" if stopping() else "",
    }
