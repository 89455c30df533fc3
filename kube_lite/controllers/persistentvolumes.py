"""Volumes and claims: how they look, and which volume fits a claim.

Rules are upstream's (``component-helpers/storage/volume``): of the volumes that offer enough, in all access modes
asked for, of the same class and mode, and selected by the claim's labels, the smallest.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_lite.resources import quantity
from kube_lite.resources.meta import LabelSelector, ObjectView, View
from kube_lite.resources.selectors import matches

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
"""On a claim: it has been bound once, and is lost rather than pending without its volume."""
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
"""The reference that carries it was not chosen by the user, and may be taken back."""
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
STORAGE_PROVISIONER_BETA = "volume.beta.kubernetes.io/storage-provisioner"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"

VOLUMES = "persistentvolumes"
CLAIMS = "persistentvolumeclaims"
CLASSES = "storageclasses.storage.k8s.io"


class ClaimReference(View, frozen=True):
    """The claim that a volume is for; without a uid, whichever comes under that name."""

    namespace: str = ""
    name: str = ""
    uid: str = ""


class VolumeSpec(View, frozen=True):
    """What a volume offers."""

    capacity: dict[str, str] = {}
    access_modes: list[str] = []
    claim_ref: ClaimReference | None = None
    storage_class_name: str = ""
    volume_mode: str = "Filesystem"
    volume_attributes_class_name: str | None = None
    persistent_volume_reclaim_policy: str = "Retain"


class VolumeStatus(View, frozen=True):
    """Pending, Available, Bound, Released or Failed."""

    phase: str = "Pending"
    message: str = ""
    reason: str = ""


class PersistentVolume(ObjectView, frozen=True):
    """A PersistentVolume."""

    spec: VolumeSpec = VolumeSpec()
    status: VolumeStatus = VolumeStatus()

    @property
    def storage_class(self) -> str:
        """The name of its class, '' for none."""
        return self.metadata.annotations.get(CLASS_ANNOTATION) or self.spec.storage_class_name

    def is_for(self, claim: PersistentVolumeClaim) -> bool:
        """Whether it is bound to the claim, or kept for one of that name."""
        reference = self.spec.claim_ref
        if reference is None:
            return False
        named = (reference.namespace, reference.name) == (claim.metadata.namespace, claim.metadata.name)
        return named and reference.uid in ("", claim.metadata.uid)


class ClaimResources(View, frozen=True):
    """Quantities as text."""

    requests: dict[str, str] = {}


class ClaimSpec(View, frozen=True):
    """What a claim asks for."""

    access_modes: list[str] = []
    resources: ClaimResources = ClaimResources()
    selector: LabelSelector | None = None
    storage_class_name: str | None = None
    volume_name: str = ""
    volume_mode: str = "Filesystem"
    volume_attributes_class_name: str | None = None


class ClaimStatus(View, frozen=True):
    """Pending, Bound or Lost, and what was given."""

    phase: str = "Pending"
    access_modes: list[str] = []
    capacity: dict[str, str] = {}


class PersistentVolumeClaim(ObjectView, frozen=True):
    """A PersistentVolumeClaim."""

    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()

    @property
    def storage_class(self) -> str:
        """The name of its class, '' for none."""
        return self.metadata.annotations.get(CLASS_ANNOTATION) or self.spec.storage_class_name or ""

    @property
    def size(self) -> quantity.Quantity:
        """The storage asked for."""
        return quantity.parse(self.spec.resources.requests.get("storage", "0"))


class StorageClass(ObjectView, frozen=True):
    """How volumes of a class come about."""

    provisioner: str = ""
    volume_binding_mode: str = "Immediate"


def capacity_of(volume: PersistentVolume) -> quantity.Quantity:
    """The storage that a volume offers."""
    return quantity.parse(volume.spec.capacity.get("storage", "0"))


def mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim) -> str:
    """Why a volume that the claim names cannot be given to it; '' when it can."""
    if capacity_of(volume) < claim.size:
        return "requested PV is too small"
    if volume.storage_class != claim.storage_class:
        return "storageClassName does not match"
    if (volume.spec.volume_attributes_class_name or "") != (claim.spec.volume_attributes_class_name or ""):
        return "volumeAttributesClassName does not match"
    if volume.spec.volume_mode != claim.spec.volume_mode:
        return "incompatible volumeMode"
    if not set(claim.spec.access_modes) <= set(volume.spec.access_modes):
        return "incompatible accessMode"
    return ""


def best_match(
    claim: PersistentVolumeClaim, volumes: Iterable[PersistentVolume], delayed: bool
) -> PersistentVolume | None:
    """The volume for a claim: one kept for it, else the smallest free one that fits.

    :param delayed: only one that is kept for it, as the free ones wait for a pod to be placed
    """
    fitting: list[PersistentVolume] = []
    for volume in volumes:
        if volume.spec.volume_mode != claim.spec.volume_mode or volume.metadata.deletion_timestamp is not None:
            continue
        if volume.is_for(claim):
            if capacity_of(volume) >= claim.size:
                return volume
            continue
        free = volume.spec.claim_ref is None and volume.status.phase == "Available"
        chosen = claim.spec.selector is None or matches(claim.spec.selector, volume.metadata.labels)
        if free and chosen and not delayed and not mismatch(volume, claim):
            fitting.append(volume)
    return min(fitting, key=lambda volume: (capacity_of(volume), volume.metadata.name), default=None)
