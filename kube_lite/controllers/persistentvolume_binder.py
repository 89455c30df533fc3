"""Binding claims to volumes, and taking volumes back (upstream: ``pkg/controller/volume/persistentvolume``).

A binding is two references, written one after the other: the volume's to the claim, then the claim's to the volume.
The first decides: it is written only if the volume is as it was read, so no volume is given to two claims, and
whoever finds half a binding completes it. Claims of a class that waits for its first consumer are left to the
scheduler, those without a fitting volume to the provisioner of their class; storage itself is not touched here.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kube_lite.client.events import NORMAL, WARNING
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.controllers.persistentvolumes import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    CLAIMS,
    CLASSES,
    DEFAULT_CLASS,
    PROVISIONED_BY,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    STORAGE_PROVISIONER_BETA,
    VOLUMES,
    ClaimStatus,
    PersistentVolume,
    PersistentVolumeClaim,
    StorageClass,
    best_match,
    mismatch,
)
from kube_lite.errors import NotFound
from kube_lite.resources.meta import Obj

NAMES = ("persistentvolume-binder", "persistentvolume-binder-controller")

NO_PROVISIONER = "kubernetes.io/no-provisioner"

_CLAIM, _VOLUME = "claim ", "volume "


class PersistentVolumeBinder(Controller):
    """Works on claims (keys ``claim NAMESPACE/NAME``) and on volumes (``volume NAME``)."""

    name = "persistentvolume-binder"
    workers = 1  # so that claims of one moment do not all reach for the same volume

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("persistent-volume-binder")
        self._recorder = ctx.recorder("persistentvolume-controller")
        self._volumes = ctx.informers.get(VOLUMES, PersistentVolume)
        self._claims = ctx.informers.get(CLAIMS, PersistentVolumeClaim)
        self._classes = ctx.informers.get(CLASSES, StorageClass)
        self.source(self._volumes, self._keys_of_volume)
        self.source(self._claims, self._keys_of_claim)
        self.source(self._classes, lambda _: self._waiting())

    def _waiting(self) -> list[str]:
        """Keys of the claims that have no volume yet."""
        return [f"{_CLAIM}{claim.metadata.key}" for claim in self._claims.list() if not claim.spec.volume_name]

    def _keys_of_volume(self, volume: PersistentVolume) -> Iterable[str]:
        yield f"{_VOLUME}{volume.metadata.key}"
        reference = volume.spec.claim_ref
        if reference is not None:
            yield f"{_CLAIM}{reference.namespace}/{reference.name}"
        else:
            yield from self._waiting()

    def _keys_of_claim(self, claim: PersistentVolumeClaim) -> Iterable[str]:
        yield f"{_CLAIM}{claim.metadata.key}"
        if claim.spec.volume_name:
            yield f"{_VOLUME}{claim.spec.volume_name}"
        for volume in self._volumes.list():
            if volume.is_for(claim):
                yield f"{_VOLUME}{volume.metadata.key}"

    async def reconcile(self, key: str) -> Requeue | None:
        """Bring one claim or one volume a step further."""
        if key.startswith(_VOLUME):
            volume = self._volumes.get(key.removeprefix(_VOLUME))
            if volume is not None:
                await self._sync_volume(volume)
        else:
            claim = self._claims.get(key.removeprefix(_CLAIM))
            if claim is not None:
                await self._sync_claim(claim)
        return None

    # --- claims ---

    async def _sync_claim(self, claim: PersistentVolumeClaim) -> None:
        name = claim.spec.volume_name
        if BIND_COMPLETED in claim.metadata.annotations:
            await self._keep_bound(claim)
        elif not name:
            await self._find_volume(claim)
        else:
            volume = self._volumes.get(name)
            if volume is None:
                await self._set_claim_phase(claim, "Pending")
            elif volume.is_for(claim):
                await self._bind(volume, claim)
            elif volume.spec.claim_ref is not None:
                message = f'volume "{name}" already bound to a different claim.'
                self._recorder.event(claim, WARNING, "FailedBinding", message)
                await self._set_claim_phase(claim, "Pending")
            elif problem := mismatch(volume, claim):
                message = f'Cannot bind to requested volume "{name}": {problem}'
                self._recorder.event(claim, WARNING, "VolumeMismatch", message)
                await self._set_claim_phase(claim, "Pending")
            else:
                await self._bind(volume, claim)

    async def _keep_bound(self, claim: PersistentVolumeClaim) -> None:
        name = claim.spec.volume_name
        volume = self._volumes.get(name) if name else None
        if volume is not None and (volume.spec.claim_ref is None or volume.is_for(claim)):
            await self._bind(volume, claim)
            return
        if claim.status.phase == "Lost":
            return
        reason, message = "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        if not name:
            message = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
        elif volume is not None:
            reason = "ClaimMisbound"
            message = "Two claims are bound to the same volume, this one is bound incorrectly"
        self._recorder.event(claim, WARNING, reason, message)
        await self._set_claim_phase(claim, "Lost")

    async def _find_volume(self, claim: PersistentVolumeClaim) -> None:
        if await self._given_default_class(claim):
            return
        kind = self._classes.get(claim.storage_class) if claim.storage_class else None
        waits = kind is not None and kind.volume_binding_mode == "WaitForFirstConsumer"
        delayed = waits and SELECTED_NODE not in claim.metadata.annotations
        volume = best_match(claim, self._volumes.list(), delayed)
        if volume is not None:
            await self._bind(volume, claim)
            return
        if delayed:
            message = "waiting for first consumer to be created before binding"
            self._recorder.event(claim, NORMAL, "WaitForFirstConsumer", message)
        elif claim.storage_class:
            await self._ask_provisioner(claim, kind)
        else:
            message = "no persistent volumes available for this claim and no storage class is set"
            self._recorder.event(claim, NORMAL, "FailedBinding", message)
        await self._set_claim_phase(claim, "Pending")

    async def _given_default_class(self, claim: PersistentVolumeClaim) -> bool:
        """Give a claim made before there was a default class the newest of them; whether it was."""
        if claim.storage_class or claim.spec.storage_class_name is not None:
            return False
        defaults = [each for each in self._classes.list() if each.metadata.annotations.get(DEFAULT_CLASS) == "true"]
        if not defaults:
            return False
        defaults.sort(key=lambda each: each.metadata.name)
        newest = max(defaults, key=lambda each: each.metadata.creation_timestamp or "")
        await self._patch_claim(claim, {"spec": {"storageClassName": newest.metadata.name}})
        return True

    async def _ask_provisioner(self, claim: PersistentVolumeClaim, kind: StorageClass | None) -> None:
        if kind is None:
            message = f'storageclass.storage.k8s.io "{claim.storage_class}" not found'
            self._recorder.event(claim, WARNING, "ProvisioningFailed", message)
            return
        if kind.provisioner == NO_PROVISIONER:
            return  # volumes of this class are made by hand
        wanted = {STORAGE_PROVISIONER: kind.provisioner, STORAGE_PROVISIONER_BETA: kind.provisioner}
        if not wanted.items() <= claim.metadata.annotations.items():
            await self._patch_claim(claim, {"metadata": {"annotations": wanted}})
        message = (
            f"Waiting for a volume to be created either by the external provisioner '{kind.provisioner}' or manually "
            "by the system administrator. If volume creation is delayed, please verify that the provisioner is "
            "running and correctly registered."
        )
        self._recorder.event(claim, NORMAL, "ExternalProvisioning", message)

    async def _bind(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> None:
        """Write what is missing of the binding, the volume's side first."""
        volume = await self._bind_volume(volume, claim)
        await self._set_volume_phase(volume, "Bound")
        annotations = {BIND_COMPLETED: "yes"}
        if not claim.spec.volume_name:
            annotations[BOUND_BY_CONTROLLER] = "yes"
        named = claim.spec.volume_name == volume.metadata.name
        if not named or not annotations.items() <= claim.metadata.annotations.items():
            change = {"metadata": {"annotations": annotations}, "spec": {"volumeName": volume.metadata.name}}
            claim = await self._patch_claim(claim, change)
        await self._set_claim_phase(claim, "Bound", volume)

    async def _bind_volume(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume:
        before = volume.spec.claim_ref
        if before is not None and before.uid == claim.metadata.uid:
            return volume
        meta = claim.metadata
        reference = {
            "kind": "PersistentVolumeClaim",
            "apiVersion": "v1",
            "namespace": meta.namespace,
            "name": meta.name,
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
        }
        change: Obj = {"metadata": {"resourceVersion": volume.metadata.resource_version}}
        if before is None:
            change["metadata"]["annotations"] = {BOUND_BY_CONTROLLER: "yes"}
        change["spec"] = {"claimRef": reference}
        return _volume.decode(await self._client.patch(VOLUMES, volume.metadata.name, change))

    async def _patch_claim(self, claim: PersistentVolumeClaim, change: Obj) -> PersistentVolumeClaim:
        meta = claim.metadata
        change.setdefault("metadata", {})["resourceVersion"] = meta.resource_version
        return _claim.decode(await self._client.patch(CLAIMS, meta.name, change, meta.namespace))

    async def _set_claim_phase(
        self, claim: PersistentVolumeClaim, phase: str, volume: PersistentVolume | None = None
    ) -> None:
        status = ClaimStatus(phase=phase)
        if volume is not None:
            # a volume that grows is not a claim that has grown: keep what was given
            capacity = claim.status.capacity or volume.spec.capacity
            status = ClaimStatus(phase=phase, access_modes=volume.spec.access_modes, capacity=capacity)
        if status == claim.status:
            return
        body: Obj = {"phase": phase, "accessModes": status.access_modes or None, "capacity": status.capacity or None}
        meta = claim.metadata
        patch = {"metadata": {"uid": meta.uid}, "status": body}
        await self._client.patch(CLAIMS, meta.name, patch, meta.namespace, subresource="status")

    # --- volumes ---

    async def _sync_volume(self, volume: PersistentVolume) -> None:
        reference = volume.spec.claim_ref
        if reference is None or not reference.uid:
            await self._set_volume_phase(volume, "Available")
            return
        claim = await self._claim_of(volume)
        if claim is None:
            await self._release(volume)
        elif claim.spec.volume_name == volume.metadata.name:
            await self._set_volume_phase(volume, "Bound")
        elif claim.spec.volume_name:
            await self._unbind(volume)

    async def _claim_of(self, volume: PersistentVolume) -> PersistentVolumeClaim | None:
        """The claim that the volume is bound to, if it still exists."""
        reference = volume.spec.claim_ref
        if reference is None:
            return None
        claim = self._claims.get(f"{reference.namespace}/{reference.name}")
        if claim is None or claim.metadata.uid != reference.uid:
            try:
                # data may hang on it: ask before letting go
                claim = _claim.decode(await self._client.get(CLAIMS, reference.name, reference.namespace))
            except NotFound:
                return None
        return claim if claim.metadata.uid == reference.uid else None

    async def _release(self, volume: PersistentVolume) -> None:
        if volume.status.phase == "Failed":
            return
        policy = volume.spec.persistent_volume_reclaim_policy
        name = volume.metadata.name
        if policy == "Retain" or PROVISIONED_BY in volume.metadata.annotations:
            # who made it deletes it
            await self._set_volume_phase(volume, "Released")
            return
        if policy == "Delete":
            reason = "VolumeFailedDelete"
            message = f'error getting deleter volume plugin for volume "{name}": no deletable volume plugin matched'
        else:
            reason, message = "VolumeFailedRecycle", "No recycler plugin found for the volume!"
        self._recorder.event(volume, WARNING, reason, message)
        await self._set_volume_phase(volume, "Failed", message)

    async def _unbind(self, volume: PersistentVolume) -> None:
        """Let go of a claim that went with another volume; what the user wrote stays."""
        controlled = BOUND_BY_CONTROLLER in volume.metadata.annotations
        change: Obj = {"metadata": {"resourceVersion": volume.metadata.resource_version}}
        if controlled:
            change["metadata"]["annotations"] = {BOUND_BY_CONTROLLER: None}
        change["spec"] = {"claimRef": None if controlled else {"uid": None, "resourceVersion": None}}
        await self._client.patch(VOLUMES, volume.metadata.name, change)

    async def _set_volume_phase(self, volume: PersistentVolume, phase: str, message: str = "") -> None:
        if (volume.status.phase, volume.status.message) == (phase, message):
            return
        meta = volume.metadata
        body = {"phase": phase, "message": message or None, "reason": None}
        patch = {"metadata": {"uid": meta.uid}, "status": body}
        await self._client.patch(VOLUMES, meta.name, patch, subresource="status")


_volume = msgspec.json.Decoder(PersistentVolume)
_claim = msgspec.json.Decoder(PersistentVolumeClaim)


def build(ctx: Context) -> Controller:
    """The controller."""
    return PersistentVolumeBinder(ctx)
