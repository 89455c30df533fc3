"""What a StatefulSet is made of: its numbered pods, and the claims that keep each number's storage.

A pod's name is its identity: ``web-2`` is pod number 2 of ``web``, whatever instance of it runs, and its claims are
named after it. Names, labels and volumes are upstream's (``pkg/controller/statefulset/stateful_set_utils.go``).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from kube_lite.controllers.ownership import controller_reference, reference_as_json
from kube_lite.controllers.pods import pod_from_template
from kube_lite.controllers.template_history import HASH_LABEL
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import LabelSelector, Obj, ObjectMeta, ObjectView, View
from kube_lite.resources.views import WorkloadCondition

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"

DELETE = "Delete"

_NAME = re.compile(r"(.*)-([0-9]+)")


class RollingUpdate(View, frozen=True):
    """Pods with a number below ``partition`` keep the former template."""

    partition: int = 0
    max_unavailable: int | str | None = None


class UpdateStrategy(View, frozen=True):
    """RollingUpdate or OnDelete."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate = RollingUpdate()


class Retention(View, frozen=True):
    """Retain or Delete the claims of pods that are scaled away, and of a set that is deleted."""

    when_scaled: str = "Retain"
    when_deleted: str = "Retain"


class Ordinals(View, frozen=True):
    """The number of the first pod."""

    start: int = 0


class ClaimTemplate(View, frozen=True):
    """A claim of each pod; ``spec`` is copied, not read."""

    metadata: ObjectMeta = ObjectMeta()
    spec: msgspec.Raw = msgspec.Raw(b"{}")


class StatefulSetSpec(View, frozen=True):
    """What a StatefulSet should run."""

    replicas: int = 1
    selector: LabelSelector = LabelSelector()
    template: msgspec.Raw = msgspec.Raw(b"{}")
    volume_claim_templates: list[ClaimTemplate] = []
    service_name: str = ""
    pod_management_policy: str = "OrderedReady"
    update_strategy: UpdateStrategy = UpdateStrategy()
    revision_history_limit: int | None = 10
    min_ready_seconds: int = 0
    persistent_volume_claim_retention_policy: Retention = Retention()
    ordinals: Ordinals = Ordinals()


class StatefulSetStatus(View, frozen=True):
    """What a StatefulSet runs."""

    observed_generation: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    current_replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    current_revision: str = ""
    update_revision: str = ""
    collision_count: int | None = None
    conditions: list[WorkloadCondition] = []


class StatefulSet(ObjectView, frozen=True):
    """A StatefulSet."""

    spec: StatefulSetSpec = StatefulSetSpec()
    status: StatefulSetStatus = StatefulSetStatus()

    @property
    def numbers(self) -> range:
        """The numbers of the pods that there should be."""
        start = self.spec.ordinals.start
        return range(start, start + self.spec.replicas)


class Claim(ObjectView, frozen=True):
    """A PersistentVolumeClaim, of which only the owners are read."""


def reference_to(owner: StatefulSet) -> Obj:
    """The controller reference of what a StatefulSet owns."""
    return controller_reference(owner, "apps/v1", "StatefulSet")


def number_of(owner: StatefulSet, name: str) -> int | None:
    """The number in the name of a pod of ``owner``; None for the name of another's."""
    found = _NAME.fullmatch(name)
    return int(found[2]) if found is not None and found[1] == owner.metadata.name else None


def pod_name(owner: StatefulSet, number: int) -> str:
    """The name of a pod."""
    return f"{owner.metadata.name}-{number}"


def claim_names(owner: StatefulSet, number: int) -> dict[str, str]:
    """Claims of a pod by the name of their template."""
    own = [template.metadata.name for template in owner.spec.volume_claim_templates]
    return {name: f"{name}-{pod_name(owner, number)}" for name in own}


def identity_labels(owner: StatefulSet, number: int) -> dict[str, str]:
    """Labels by which one single pod can be selected."""
    return {POD_NAME_LABEL: pod_name(owner, number), POD_INDEX_LABEL: str(number)}


def new_pod(owner: StatefulSet, template: msgspec.Raw, revision: str, number: int) -> Obj:
    """Pod ``number`` after ``template``, whose ControllerRevision is named ``revision``."""
    name = pod_name(owner, number)
    pod = pod_from_template(template, f"{owner.metadata.name}-", reference_to(owner))
    meta, spec = pod["metadata"], pod["spec"]
    meta["name"] = name
    meta["labels"] = {**meta.get("labels", {}), **identity_labels(owner, number), HASH_LABEL: revision}
    spec["hostname"] = name
    if owner.spec.service_name:
        spec["subdomain"] = owner.spec.service_name
    claims = claim_names(owner, number)
    own: list[Obj] = [{"name": v, "persistentVolumeClaim": {"claimName": claim}} for v, claim in claims.items()]
    volumes = [*own, *(volume for volume in spec.get("volumes") or () if volume["name"] not in claims)]
    if volumes:
        spec["volumes"] = volumes
    return pod


def new_claim(owner: StatefulSet, template: ClaimTemplate, number: int, references: list[Obj]) -> Obj:
    """The claim of pod ``number`` after ``template``."""
    meta: Obj = {"name": claim_names(owner, number)[template.metadata.name]}
    meta["labels"] = {**template.metadata.labels, **owner.spec.selector.match_labels}
    if template.metadata.annotations:
        meta["annotations"] = dict(template.metadata.annotations)
    if references:
        meta["ownerReferences"] = references
    spec: dict[str, Any] = msgspec.json.decode(template.spec)
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def claim_owners(owner: StatefulSet, claim: Claim | None, pod: Pod | None, leaving: bool) -> list[Obj]:
    """The owners that a claim should have: it is collected when the last of them goes.

    A claim that goes with its pod belongs to the pod only once that pod is being scaled away; before, a deleted
    pod is to find its storage again.

    :param leaving: whether the pod's number is no longer asked for
    """
    policy = owner.spec.persistent_volume_claim_retention_policy
    references = claim.metadata.owner_references if claim is not None else []
    kept = [r for r in references if r.uid != owner.metadata.uid and not (r.kind == "Pod" and _is_of(owner, r.name))]
    wanted = [reference_as_json(r) for r in kept]
    if any(r.controller for r in kept):
        return [reference_as_json(r) for r in references]  # somebody else's affair
    if leaving and policy.when_scaled == DELETE:
        return wanted + ([controller_reference(pod, "v1", "Pod")] if pod is not None else [])
    return wanted + ([reference_to(owner)] if policy.when_deleted == DELETE else [])


def is_stale(claim: Claim, name: str, pod: Pod | None) -> bool:
    """Whether a claim is on its way out with a former instance of the pod of that name."""
    uid = pod.metadata.uid if pod is not None else ""
    former = any(r.kind == "Pod" and r.name == name and r.uid != uid for r in claim.metadata.owner_references)
    return claim.metadata.deletion_timestamp is not None or former


def _is_of(owner: StatefulSet, name: str) -> bool:
    return number_of(owner, name) is not None
