"""ReplicationController: the older form of ReplicaSet, on the same core."""

from __future__ import annotations

from kube_lite.controllers.base import Context, Controller
from kube_lite.controllers.replicas import ReplicaController, ReplicationController

NAMES = ("replicationcontroller", "replicationcontroller-controller")


class ReplicationControllerController(ReplicaController[ReplicationController]):
    """Keeps the pods of ReplicationControllers."""

    name = "replicationcontroller"
    resource = "replicationcontrollers"
    kind = "ReplicationController"
    api_version = "v1"
    component = "replication-controller"

    def selects(self, owner: ReplicationController, labels: dict[str, str]) -> bool:
        """By equal labels; an empty selector selects nothing here."""
        return bool(owner.spec.selector) and owner.spec.selector.items() <= labels.items()


def build(ctx: Context) -> Controller:
    """The controller."""
    return ReplicationControllerController(ctx, ReplicationController)
