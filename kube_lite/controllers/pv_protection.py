"""Volumes that are bound stay until they are not (upstream: ``pkg/controller/volume/pvprotection``)."""

from __future__ import annotations

from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.controllers.persistentvolumes import VOLUMES, PersistentVolume
from kube_lite.controllers.removal import lift_finalizer

NAMES = ("pv-protection", "persistentvolume-protection-controller")

FINALIZER = "kubernetes.io/pv-protection"


class PVProtectionController(Controller):
    """Lifts the finalizer of deleted volumes that no claim holds."""

    name = "pv-protection"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("pv-protection-controller")
        self._volumes = self.source(ctx.informers.get(VOLUMES, PersistentVolume))

    async def reconcile(self, key: str) -> Requeue | None:
        """Let a deleted volume go unless it is bound."""
        volume = self._volumes.get(key)
        if volume is None or volume.metadata.deletion_timestamp is None or volume.status.phase == "Bound":
            return None
        if FINALIZER in volume.metadata.finalizers:
            await lift_finalizer(self._client, VOLUMES, volume.metadata, FINALIZER)
        return None


def build(ctx: Context) -> Controller:
    """The controller."""
    return PVProtectionController(ctx)
