"""The shared core of ReplicaSet and ReplicationController: keep so many pods of one template.

Reconcile claims the pods that match, compares their number with what is asked for, creates or deletes the
difference, and writes the status. Pods are created in batches that double while they succeed, so that a refused
template costs one request and not five hundred. Nothing is created or deleted while earlier work of this kind is
not yet seen (``expectations``). Upstream: ``pkg/controller/replicaset/replica_set.go``.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from kube_lite import clock
from kube_lite.client.events import NORMAL, WARNING
from kube_lite.controllers.base import Context, Controller, Requeue, batch_delay, namespace_terminating, outcomes
from kube_lite.controllers.expectations import Expectations
from kube_lite.controllers.ownership import (
    CONTROLLER_INDEX,
    claim,
    controlled_by,
    controller_reference,
    dependants,
    orphans,
)
from kube_lite.controllers.pods import (
    available_in,
    deletion_order,
    is_active,
    pod_from_template,
    template_labels,
)
from kube_lite.errors import ApiError, NotFound, conflict
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import Obj, ObjectView, View
from kube_lite.resources.views import ReplicaSet, ReplicaSetStatus, WorkloadCondition

log = logging.getLogger(__name__)

REPLICA_FAILURE = "ReplicaFailure"


class ReplicationControllerSpec(View, frozen=True):
    """What a ReplicationController should run."""

    replicas: int = 1
    min_ready_seconds: int = 0
    selector: dict[str, str] = {}
    template: msgspec.Raw = msgspec.Raw(b"{}")


class ReplicationController(ObjectView, frozen=True):
    """A ReplicationController: a ReplicaSet whose selector is a plain map."""

    spec: ReplicationControllerSpec = ReplicationControllerSpec()
    status: ReplicaSetStatus = ReplicaSetStatus()


S = TypeVar("S", bound="ReplicaSet | ReplicationController")


class ReplicaController(Controller, Generic[S]):
    """Keeps the number of pods. Subclasses name the resource and read its selector."""

    resource: str
    kind: str
    api_version: str
    component: str

    def __init__(self, ctx: Context, view: type[S]) -> None:
        super().__init__()
        self.workers = ctx.settings.workers
        self._burst = ctx.settings.burst_replicas
        self._client = ctx.client_for(self.component)
        self._recorder = ctx.recorder(self.component)
        self._expectations = Expectations(ctx.settings.expectation_timeout)
        self._decoder: msgspec.json.Decoder[S] = msgspec.json.Decoder(view)
        self._sets = ctx.informers.get(self.resource, view)
        self._sets.add_index(CONTROLLER_INDEX, controlled_by)
        self._pods = ctx.informers.get("pods", Pod)
        self._pods.add_index(CONTROLLER_INDEX, controlled_by)
        self._pods.on_change(self._observe)
        self.source(self._sets)
        self.source(self._pods, self._keys_of_pod, self._delay)

    @abstractmethod
    def selects(self, owner: S, labels: dict[str, str]) -> bool:
        """Whether the owner's selector matches."""

    def _observe(self, old: Pod | None, new: Pod | None) -> None:
        """Take what the watch shows off the expectations."""
        pod = new or old
        controller = pod.metadata.controller if pod is not None else None
        if pod is None or controller is None or controller.kind != self.kind:
            return
        key = f"{pod.metadata.namespace}/{controller.name}"
        if new is None or (new.terminating and (old is None or not old.terminating)):
            self._expectations.deleted(key, pod.metadata.uid)
        if old is None and not pod.terminating:
            self._expectations.created(key)

    def _delay(self, key: str) -> float:
        owner = self._sets.get(key)
        return batch_delay(len(dependants(self._pods, owner))) if owner is not None else 0.0

    def _keys_of_pod(self, pod: Pod) -> Iterable[str]:
        controller = pod.metadata.controller
        if controller is not None:
            return (f"{pod.metadata.namespace}/{controller.name}",) if controller.kind == self.kind else ()
        if pod.terminating:
            return ()
        owners = self._sets.list(pod.metadata.namespace)
        return [owner.metadata.key for owner in owners if self.selects(owner, pod.metadata.labels)]

    async def reconcile(self, key: str) -> Requeue | None:
        """Bring the number of pods to what is asked for, and say so in the status."""
        owner = self._sets.get(key)
        if owner is None:
            self._expectations.forget(key)
            return None
        due = self._expectations.satisfied(key)
        claimed = await self._claim(owner)
        active = [pod for pod in claimed if is_active(pod)]
        failure: WorkloadCondition | None = None
        error: ApiError | None = None
        if due and owner.metadata.deletion_timestamp is None:
            difference = len(active) - owner.spec.replicas
            error = await self._scale(owner, active, difference)
            if error is not None:
                reason = "FailedCreate" if difference < 0 else "FailedDelete"
                failure = WorkloadCondition(type=REPLICA_FAILURE, status="True", reason=reason, message=error.message)
        conditions = self._conditions(owner, failure, acted=due)
        await self._write_status(owner, claimed, active, conditions)
        if error is not None:
            raise error
        waits = [available_in(pod, owner.spec.min_ready_seconds) for pod in active if pod.ready]
        if not due:
            waits.append(self._expectations.remaining(key))
        pending = [wait for wait in waits if wait > 0]
        return Requeue(min(pending)) if pending else None

    async def _claim(self, owner: S) -> list[Pod]:
        namespace = owner.metadata.namespace

        async def confirm() -> None:
            live = self._decoder.decode(await self._client.get(self.resource, owner.metadata.name, namespace))
            if live.metadata.uid != owner.metadata.uid or live.metadata.deletion_timestamp is not None:
                plural, _, group = self.resource.partition(".")
                raise conflict(plural, group, owner.metadata.name, "it is being deleted or was replaced")

        candidates = [pod for pod in orphans(self._pods, namespace) if not pod.finished]
        return await claim(
            self._client,
            "pods",
            owner,
            controller_reference(owner, self.api_version, self.kind),
            [*dependants(self._pods, owner), *candidates],
            lambda pod: self.selects(owner, pod.metadata.labels),
            confirm,
        )

    async def _scale(self, owner: S, active: Sequence[Pod], difference: int) -> ApiError | None:
        """Create or delete pods; the first refusal, if any."""
        if difference < 0:
            return await self._create(owner, min(-difference, self._burst))
        if difference > 0:
            return await self._delete(owner, active, min(difference, self._burst))
        return None

    async def _create(self, owner: S, count: int) -> ApiError | None:
        key = owner.metadata.key
        reference = controller_reference(owner, self.api_version, self.kind)
        pod = pod_from_template(owner.spec.template, f"{owner.metadata.name}-", reference)
        self._expectations.expect_creations(key, count)
        batch = 1
        while count > 0:
            batch = min(batch, count)
            results = await outcomes(partial(self._create_one, owner, pod) for _ in range(batch))
            count -= batch
            batch *= 2
            errors = [result for result in results if isinstance(result, ApiError)]
            if errors:
                self._expectations.created(key, count)
                # a namespace that goes away takes this set along: nothing to repeat
                return None if namespace_terminating(errors[0]) else errors[0]
        return None

    async def _create_one(self, owner: S, pod: Obj) -> None:
        try:
            created = await self._client.create("pods", pod, owner.metadata.namespace)
        except ApiError as error:
            self._expectations.created(owner.metadata.key)
            if not namespace_terminating(error):
                self._recorder.event(owner, WARNING, "FailedCreate", f"Error creating: {error.message}")
            raise
        name = _name.decode(created).metadata.name
        self._recorder.event(owner, NORMAL, "SuccessfulCreate", f"Created pod: {name}")

    async def _delete(self, owner: S, active: Sequence[Pod], count: int) -> ApiError | None:
        related = [pod for pod in self._related(owner) if is_active(pod)]
        on_node = Counter(pod.spec.node_name for pod in related if pod.spec.node_name)
        victims = list(active) if count >= len(active) else deletion_order(active, on_node)[:count]
        self._expectations.expect_deletions(owner.metadata.key, [pod.metadata.uid for pod in victims])
        results = await outcomes(partial(self._delete_one, owner, pod) for pod in victims)
        return next((result for result in results if isinstance(result, ApiError)), None)

    async def _delete_one(self, owner: S, pod: Pod) -> None:
        meta = pod.metadata
        try:
            await self._client.delete("pods", meta.name, meta.namespace, uid=meta.uid)
        except NotFound:
            self._expectations.deleted(owner.metadata.key, meta.uid)
        except ApiError as error:
            self._expectations.deleted(owner.metadata.key, meta.uid)
            self._recorder.event(owner, WARNING, "FailedDelete", f"Error deleting: {error.message}")
            raise
        else:
            self._recorder.event(owner, NORMAL, "SuccessfulDelete", f"Deleted pod: {meta.name}")

    def _related(self, owner: S) -> list[Pod]:
        """The pods of all sets that have the same controller as ``owner``, such as one Deployment's."""
        controller = owner.metadata.controller
        family = self._sets.by_index(CONTROLLER_INDEX, controller.uid) if controller is not None else [owner]
        return [pod for member in family for pod in dependants(self._pods, member)]

    def _conditions(self, owner: S, failure: WorkloadCondition | None, acted: bool) -> list[WorkloadCondition]:
        """The conditions after this reconcile: a failure stays as first reported until a try succeeds."""
        known = next((c for c in owner.status.conditions if c.type == REPLICA_FAILURE), None)
        others = [c for c in owner.status.conditions if c.type != REPLICA_FAILURE]
        if failure is not None and known is None:
            return [*others, msgspec.structs.replace(failure, last_transition_time=clock.timestamp())]
        if failure is None and acted:
            return others
        return list(owner.status.conditions)

    async def _write_status(
        self, owner: S, claimed: Sequence[Pod], active: Sequence[Pod], conditions: list[WorkloadCondition]
    ) -> None:
        labels = template_labels(owner.spec.template).items()
        status = ReplicaSetStatus(
            replicas=len(active),
            fully_labeled_replicas=sum(labels <= pod.metadata.labels.items() for pod in active),
            ready_replicas=sum(pod.ready for pod in active),
            available_replicas=sum(available_in(pod, owner.spec.min_ready_seconds) == 0 for pod in active),
            observed_generation=owner.metadata.generation,
            conditions=conditions,
        )
        if status == owner.status:
            return
        body: dict[str, Any] = {
            "replicas": status.replicas,
            "fullyLabeledReplicas": status.fully_labeled_replicas or None,
            "readyReplicas": status.ready_replicas or None,
            "availableReplicas": status.available_replicas or None,
            "observedGeneration": status.observed_generation or None,
            "conditions": [condition_as_json(c) for c in conditions] or None,
        }
        meta = owner.metadata
        patch = {"metadata": {"uid": meta.uid}, "status": body}
        await self._client.patch(self.resource, meta.name, patch, meta.namespace, subresource="status")


def condition_as_json(condition: WorkloadCondition) -> Obj:
    """A workload's condition as it stands in the API: what is empty is left out."""
    entry: Obj = {"type": condition.type, "status": condition.status}
    for field, value in (
        ("lastUpdateTime", condition.last_update_time),
        ("lastTransitionTime", condition.last_transition_time),
        ("reason", condition.reason),
        ("message", condition.message),
    ):
        if value:
            entry[field] = value
    return entry


_name = msgspec.json.Decoder(ObjectView)
