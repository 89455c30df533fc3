"""StatefulSet: numbered pods with a storage of their own, one after the other.

Of one number there is never more than one pod: the name is taken until the API has let go of the former pod, which
it does when its node says that nothing of it runs any more; nothing here ever deletes by force.

With OrderedReady each step waits until all pods before it are available: pods start from the first to the last and
stop from the last to the first. A new template goes from the last pod down to the partition. What pods below the
partition are made of is the current revision; both revisions' names stand in the status. Upstream:
``pkg/controller/statefulset``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import msgspec

from kube_lite.client.events import NORMAL, WARNING
from kube_lite.controllers.base import Context, Controller, Requeue, namespace_terminating, outcomes
from kube_lite.controllers.ownership import (
    CONTROLLER_INDEX,
    claim,
    controlled_by,
    dependants,
    orphans,
    reference_as_json,
    set_references,
)
from kube_lite.controllers.pods import available_in
from kube_lite.controllers.proportions import scaled
from kube_lite.controllers.replicas import condition_as_json
from kube_lite.controllers.statefulset_pods import (
    Claim,
    StatefulSet,
    StatefulSetStatus,
    claim_names,
    claim_owners,
    identity_labels,
    is_stale,
    new_claim,
    new_pod,
    number_of,
    pod_name,
    reference_to,
)
from kube_lite.controllers.template_history import (
    HASH_LABEL,
    RESOURCE,
    REVISION_HASH_LABEL,
    ControllerRevision,
    clean_up,
    record,
    watched,
)
from kube_lite.errors import AlreadyExists, ApiError, NotFound, conflict
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import Obj
from kube_lite.resources.selectors import matches

NAMES = ("statefulset", "statefulset-controller")

SETS = "statefulsets.apps"
CLAIMS = "persistentvolumeclaims"


@dataclass(slots=True)
class _State:
    """What a reconcile has found."""

    owner: StatefulSet
    pods: dict[int, Pod]
    current: ControllerRevision
    """What pods below the partition are made of."""
    update: str
    """Name of the newest revision."""
    leaving: list[int] = field(default_factory=list)
    """Numbers that are no longer asked for, highest first."""

    @property
    def ordered(self) -> bool:
        """Whether one pod waits for another."""
        return self.owner.spec.pod_management_policy != "Parallel"

    def works(self, pod: Pod | None) -> bool:
        """Whether the pod runs, is ready, and has been for long enough."""
        if pod is None or pod.terminating or pod.status.phase != "Running":
            return False
        return available_in(pod, self.owner.spec.min_ready_seconds) == 0

    def pod(self, number: int) -> Obj:
        """A new pod of that number, of the current or the newest template."""
        strategy = self.owner.spec.update_strategy
        below = number < self.owner.spec.ordinals.start + strategy.rolling_update.partition
        if strategy.type == "RollingUpdate" and below:
            return new_pod(self.owner, self.current.template, self.current.metadata.name, number)
        return new_pod(self.owner, self.owner.spec.template, self.update, number)


class StatefulSetController(Controller):
    """Keeps the numbered pods of StatefulSets."""

    name = "statefulset"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.workers = ctx.settings.workers
        self._client = ctx.client_for("statefulset-controller")
        self._recorder = ctx.recorder("statefulset-controller")
        self._sets = self.source(ctx.informers.get(SETS, StatefulSet))
        self._revisions = self.reads(watched(ctx.informers.get(RESOURCE, ControllerRevision)))
        self._claims = self.reads(ctx.informers.get(CLAIMS, Claim))
        self._pods = ctx.informers.get("pods", Pod)
        self._pods.add_index(CONTROLLER_INDEX, controlled_by)
        self.source(self._pods, self._keys_of_pod)

    def _keys_of_pod(self, pod: Pod) -> Iterable[str]:
        controller = pod.metadata.controller
        if controller is not None:
            return (f"{pod.metadata.namespace}/{controller.name}",) if controller.kind == "StatefulSet" else ()
        owners = self._sets.list(pod.metadata.namespace)
        return [owner.metadata.key for owner in owners if _is_member(owner, pod)]

    async def reconcile(self, key: str) -> Requeue | None:
        """Make the next steps that may be made, and write the status."""
        owner = self._sets.get(key)
        if owner is None:
            return None
        pods = await self._claim(owner)
        if owner.metadata.deletion_timestamp is not None:
            return None  # its pods are the garbage collector's
        reference = reference_to(owner)
        digest = await record(self._client, self._revisions, owner, reference, owner.spec.template, REVISION_HASH_LABEL)
        update = f"{owner.metadata.name}-{digest}"
        current = await self._current(owner, update)
        state = _State(owner, pods, current, update)
        state.leaving = sorted((number for number in pods if number not in owner.numbers), reverse=True)
        refusal: ApiError | None = None
        try:
            await self._act(state)
        except ApiError as error:
            refusal = error
        await self._write(state)
        if refusal is not None:
            raise refusal
        live = {current.metadata.name, update, *(_revision_of(pod) for pod in pods.values())}
        await clean_up(self._client, self._revisions, owner, live, owner.spec.revision_history_limit)
        waits = [available_in(pod, owner.spec.min_ready_seconds) for pod in pods.values() if pod.ready]
        pending = [wait for wait in waits if 0 < wait < 1e9]
        return Requeue(min(pending)) if pending else None

    async def _claim(self, owner: StatefulSet) -> dict[int, Pod]:
        """The pods of the set by number."""
        namespace = owner.metadata.namespace

        async def confirm() -> None:
            live = _set.decode(await self._client.get(SETS, owner.metadata.name, namespace))
            if live.metadata.uid != owner.metadata.uid or live.metadata.deletion_timestamp is not None:
                raise conflict("statefulsets", "apps", owner.metadata.name, "it is being deleted or was replaced")

        candidates = [*dependants(self._pods, owner), *orphans(self._pods, namespace)]
        owned = await claim(
            self._client, "pods", owner, reference_to(owner), candidates, partial(_is_member, owner), confirm
        )
        numbered = ((number_of(owner, pod.metadata.name), pod) for pod in owned)
        return {number: pod for number, pod in numbered if number is not None}

    async def _current(self, owner: StatefulSet, update: str) -> ControllerRevision:
        """The current revision; without one, or when it is lost, the newest."""
        name = owner.status.current_revision
        newest = msgspec.convert(
            {"metadata": {"name": update}, "data": {"spec": {"template": owner.spec.template}}}, ControllerRevision
        )
        if name in ("", update):
            return newest
        known = self._revisions.get(f"{owner.metadata.namespace}/{name}")
        if known is not None:
            return known
        try:
            return _revision.decode(await self._client.get(RESOURCE, name, owner.metadata.namespace))
        except NotFound:
            return newest

    async def _act(self, state: _State) -> None:
        await self._keep_claims(state)
        if await self._fill(state) and await self._shrink(state):
            await self._roll(state)

    async def _fill(self, state: _State) -> bool:
        """Create the pods that are missing; whether what comes after may go on."""
        calls: list[Callable[[], Awaitable[None]]] = []
        for number in state.owner.numbers:
            pod = state.pods.get(number)
            if pod is not None and pod.finished:
                calls.append(partial(self._replace, state, pod))
            elif pod is None:
                calls.append(partial(self._create, state, number))
            elif not pod.terminating:
                await self._identify(state.owner, pod, number)
            if state.ordered and not state.works(pod):
                break
        # in order there is only one call, for the first pod that is not there yet
        results = await outcomes(calls)
        for result in results:
            if isinstance(result, ApiError):
                raise result
        working = all(state.works(state.pods.get(number)) for number in state.owner.numbers)
        return working if state.ordered else not calls

    async def _replace(self, state: _State, pod: Pod) -> None:
        """Delete a pod that has ended; the next one is made when its name is free."""
        if pod.terminating:
            return
        failed = pod.status.phase == "Failed"
        kind, reason = (WARNING, "RecreatingFailedPod") if failed else (NORMAL, "RecreatingTerminatedPod")
        namespace, name = state.owner.metadata.namespace, state.owner.metadata.name
        word = "failed" if failed else "terminated"
        message = f"StatefulSet {namespace}/{name} is recreating {word} Pod {pod.metadata.name}"
        self._recorder.event(state.owner, kind, reason, message)
        await self._delete(state.owner, pod)

    async def _shrink(self, state: _State) -> bool:
        """Delete pods that are no longer asked for, the last first; whether none is left to wait for."""
        first_broken = next((n for n in sorted(state.pods) if not state.works(state.pods[n])), None)
        for number in state.leaving:
            pod = state.pods[number]
            if pod.terminating:
                if state.ordered:
                    return False
                continue
            if state.ordered and not state.works(pod) and number != first_broken:
                return False
            await self._delete(state.owner, pod)
            if state.ordered:
                return False
        return True

    async def _roll(self, state: _State) -> None:
        """Delete pods of a former template, from the last down to the partition."""
        strategy = state.owner.spec.update_strategy
        if strategy.type != "RollingUpdate":
            return
        numbers = state.owner.numbers
        partition = numbers.start + strategy.rolling_update.partition
        most = max(1, scaled(strategy.rolling_update.max_unavailable, len(numbers), round_up=False) or 1)
        down = 0 if most == 1 else sum(not state.works(state.pods.get(number)) for number in numbers)
        for number in reversed(numbers):
            if number < partition or (down >= most and most == 1):
                return
            pod = state.pods.get(number)
            works = state.works(pod)
            if pod is not None and _revision_of(pod) != state.update and not pod.terminating:
                # one that does not work is down already
                if down < most or not works:
                    await self._delete(state.owner, pod)
                    down += works or most == 1
            elif most == 1:
                down += not works

    async def _identify(self, owner: StatefulSet, pod: Pod, number: int) -> None:
        """Give an adopted pod the labels of its number."""
        wanted = identity_labels(owner, number)
        if wanted.items() <= pod.metadata.labels.items():
            return
        patch = {"metadata": {"uid": pod.metadata.uid, "labels": wanted}}
        await self._client.patch("pods", pod.metadata.name, patch, owner.metadata.namespace)

    async def _create(self, state: _State, number: int) -> None:
        owner, name = state.owner, pod_name(state.owner, number)
        namespace = owner.metadata.namespace
        claims = [self._claims.get(f"{namespace}/{each}") for each in claim_names(owner, number).values()]
        if any(found is not None and is_stale(found, name, None) for found in claims):
            raise conflict(CLAIMS, "", name, "a claim of the pod's former instance is still going away")
        try:
            await self._create_claims(owner, number)
            await self._client.create("pods", state.pod(number), namespace)
        except AlreadyExists:
            raise
        except ApiError as error:
            if namespace_terminating(error):
                raise
            message = f"create Pod {name} in StatefulSet {owner.metadata.name} failed error: {error.message}"
            self._recorder.event(owner, WARNING, "FailedCreate", message)
            raise
        message = f"create Pod {name} in StatefulSet {owner.metadata.name} successful"
        self._recorder.event(owner, NORMAL, "SuccessfulCreate", message)

    async def _create_claims(self, owner: StatefulSet, number: int) -> None:
        namespace = owner.metadata.namespace
        for template in owner.spec.volume_claim_templates:
            body = new_claim(owner, template, number, claim_owners(owner, None, None, leaving=False))
            name = body["metadata"]["name"]
            if self._claims.get(f"{namespace}/{name}") is not None:
                continue
            try:
                await self._client.create(CLAIMS, body, namespace)
            except AlreadyExists:
                continue
            message = f"create Claim {name} Pod {pod_name(owner, number)} in StatefulSet {owner.metadata.name} success"
            self._recorder.event(owner, NORMAL, "SuccessfulCreate", message)

    async def _keep_claims(self, state: _State) -> None:
        """See to it that claims go when the retention policy says so, and no earlier."""
        owner = state.owner
        for number, pod in state.pods.items():
            for name in claim_names(owner, number).values():
                known = self._claims.get(f"{owner.metadata.namespace}/{name}")
                if known is None:
                    if number in owner.numbers and pod.status.phase == "Pending" and not pod.terminating:
                        await self._create_claims(owner, number)
                    continue
                if known.metadata.deletion_timestamp is not None:
                    continue
                wanted = claim_owners(owner, known, pod, leaving=number not in owner.numbers)
                if wanted != [reference_as_json(r) for r in known.metadata.owner_references]:
                    await set_references(self._client, CLAIMS, known, wanted)

    async def _delete(self, owner: StatefulSet, pod: Pod) -> None:
        meta = pod.metadata
        try:
            await self._client.delete("pods", meta.name, meta.namespace, uid=meta.uid)
        except NotFound:
            return
        except ApiError as error:
            message = f"delete Pod {meta.name} in StatefulSet {owner.metadata.name} failed error: {error.message}"
            self._recorder.event(owner, WARNING, "FailedDelete", message)
            raise
        message = f"delete Pod {meta.name} in StatefulSet {owner.metadata.name} successful"
        self._recorder.event(owner, NORMAL, "SuccessfulDelete", message)

    def _status(self, state: _State) -> StatefulSetStatus:
        owner, pods = state.owner, list(state.pods.values())
        ready = [pod for pod in pods if pod.status.phase == "Running" and pod.ready]
        staying = [pod for pod in pods if not pod.terminating]
        # with nothing to wait for they are the ready ones, and v1.20 had no number of their own
        least = owner.spec.min_ready_seconds
        available = [pod for pod in ready if available_in(pod, least) == 0] if least else []
        status = StatefulSetStatus(
            observed_generation=owner.metadata.generation,
            replicas=len(pods),
            ready_replicas=len(ready),
            available_replicas=len(available),
            current_replicas=sum(_revision_of(pod) == state.current.metadata.name for pod in staying),
            updated_replicas=sum(_revision_of(pod) == state.update for pod in staying),
            current_revision=state.current.metadata.name,
            update_revision=state.update,
            collision_count=owner.status.collision_count or 0,
            conditions=owner.status.conditions,
        )
        counts = {status.updated_replicas, status.ready_replicas, status.replicas}
        if owner.spec.update_strategy.type == "RollingUpdate" and counts == {owner.spec.replicas}:
            # the rollout is through: what was new is now current
            return msgspec.structs.replace(
                status, current_replicas=status.updated_replicas, current_revision=state.update
            )
        return status

    async def _write(self, state: _State) -> None:
        status = self._status(state)
        if status == state.owner.status:
            return
        body: Obj = msgspec.to_builtins(status)
        for optional in ("readyReplicas", "currentReplicas", "updatedReplicas"):
            body[optional] = body[optional] or None
        body["conditions"] = [condition_as_json(condition) for condition in status.conditions] or None
        meta = state.owner.metadata
        # a current revision that was judged by an old state must not come back
        patch = {"metadata": {"resourceVersion": meta.resource_version}, "status": body}
        await self._client.patch(SETS, meta.name, patch, meta.namespace, subresource="status")


_set = msgspec.json.Decoder(StatefulSet)
_revision = msgspec.json.Decoder(ControllerRevision)


def _is_member(owner: StatefulSet, pod: Pod) -> bool:
    return number_of(owner, pod.metadata.name) is not None and matches(owner.spec.selector, pod.metadata.labels)


def _revision_of(pod: Pod) -> str:
    """The name of the revision that the pod was made of."""
    return pod.metadata.labels.get(HASH_LABEL, "")


def build(ctx: Context) -> Controller:
    """The controller."""
    return StatefulSetController(ctx)
