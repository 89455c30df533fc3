"""Claims that a pod uses stay until the pod is gone (upstream: ``pkg/controller/volume/pvcprotection``)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.controllers.persistentvolumes import CLAIMS, PersistentVolumeClaim
from kube_lite.controllers.removal import lift_finalizer
from kube_lite.resources.kinds.pod.view import Pod

NAMES = ("pvc-protection", "persistentvolumeclaim-protection-controller")

FINALIZER = "kubernetes.io/pvc-protection"


def claims_of(pod: Pod) -> list[str]:
    """Names of the claims that a pod mounts, also those made for it alone."""
    found = []
    for volume in pod.spec.volumes:
        if (source := volume.get("persistentVolumeClaim")) is not None:
            found.append(str(source["claimName"]))
        elif volume.get("ephemeral") is not None:
            found.append(f"{pod.metadata.name}-{volume['name']}")
    return found


class PVCProtectionController(Controller):
    """Lifts the finalizer of deleted claims that nothing uses."""

    name = "pvc-protection"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("pvc-protection-controller")
        self._claims = self.source(ctx.informers.get(CLAIMS, PersistentVolumeClaim))
        self._pods = self.source(ctx.informers.get("pods", Pod), self._keys)
        self._pods.add_index("claims", self._keys)

    def _keys(self, pod: Pod) -> Collection[str]:
        return [f"{pod.metadata.namespace}/{name}" for name in claims_of(pod)]

    async def reconcile(self, key: str) -> Requeue | None:
        """Let a deleted claim go when no pod on a node mounts it."""
        claim = self._claims.get(key)
        if claim is None or claim.metadata.deletion_timestamp is None or FINALIZER not in claim.metadata.finalizers:
            return None
        if self._used(key, self._pods.by_index("claims", key)):
            return None
        # the cache may not know of a pod that has just been placed
        live = await self._client.list("pods", claim.metadata.namespace)
        if self._used(key, [_pod.decode(item) for item in live.items]):
            return None
        await lift_finalizer(self._client, CLAIMS, claim.metadata, FINALIZER)
        return None

    def _used(self, key: str, pods: Iterable[Pod]) -> bool:
        """Whether a pod has it; one without a node cannot get it any more."""
        return any(pod.spec.node_name and key in self._keys(pod) for pod in pods)


_pod = msgspec.json.Decoder(Pod)


def build(ctx: Context) -> Controller:
    """The controller."""
    return PVCProtectionController(ctx)
