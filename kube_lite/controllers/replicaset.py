"""ReplicaSet: keep so many pods of one template; everything else is in ``replicas``."""

from __future__ import annotations

from kube_lite.controllers.base import Context, Controller
from kube_lite.controllers.replicas import ReplicaController
from kube_lite.resources.selectors import matches
from kube_lite.resources.views import ReplicaSet

NAMES = ("replicaset", "replicaset-controller")


class ReplicaSetController(ReplicaController[ReplicaSet]):
    """Keeps the pods of ReplicaSets."""

    name = "replicaset"
    resource = "replicasets.apps"
    kind = "ReplicaSet"
    api_version = "apps/v1"
    component = "replicaset-controller"

    def selects(self, owner: ReplicaSet, labels: dict[str, str]) -> bool:
        """By label selector."""
        return matches(owner.spec.selector, labels)


def build(ctx: Context) -> Controller:
    """The controller."""
    return ReplicaSetController(ctx, ReplicaSet)
