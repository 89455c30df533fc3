"""DaemonSet: one pod on every node that fits (upstream: ``pkg/controller/daemon``).

Each pod is bound to its node by a required affinity, and placed by the scheduler. A new template replaces pods
node by node, within maxUnavailable, or next to the old pod within maxSurge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from kube_lite.client.events import NORMAL, WARNING
from kube_lite.controllers.base import Context, Controller, Requeue, key_of_controller, outcomes
from kube_lite.controllers.expectations import Expectations
from kube_lite.controllers.node_fit import belongs, daemon_tolerations
from kube_lite.controllers.ownership import CONTROLLER_INDEX, controlled_by, controller_reference, dependants
from kube_lite.controllers.pods import available_in, is_active, pod_from_template
from kube_lite.controllers.proportions import scaled
from kube_lite.controllers.template_history import HASH_LABEL, RESOURCE, ControllerRevision, clean_up, record, watched
from kube_lite.errors import ApiError, NotFound
from kube_lite.resources.kinds.pod.view import Pod, PodSpec
from kube_lite.resources.meta import Obj, ObjectView, View
from kube_lite.resources.views import Node

NAMES = ("daemonset", "daemonset-controller")

DAEMON_SETS = "daemonsets.apps"


class RollingUpdate(View, frozen=True):
    """Numbers or percentages of the nodes."""

    max_unavailable: int | str | None = 1
    max_surge: int | str | None = 0


class UpdateStrategy(View, frozen=True):
    """RollingUpdate or OnDelete."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate | None = None


class DaemonSetSpec(View, frozen=True):
    """What should run on every node."""

    template: msgspec.Raw = msgspec.Raw(b"{}")
    update_strategy: UpdateStrategy = UpdateStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int | None = 10


class DaemonSetStatus(View, frozen=True):
    """What runs."""

    current_number_scheduled: int = 0
    number_misscheduled: int = 0
    desired_number_scheduled: int = 0
    number_ready: int = 0
    observed_generation: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0
    number_unavailable: int = 0


class DaemonSet(ObjectView, frozen=True):
    """A DaemonSet."""

    spec: DaemonSetSpec = DaemonSetSpec()
    status: DaemonSetStatus = DaemonSetStatus()


class _Template(View, frozen=True):
    spec: PodSpec = PodSpec()


_template = msgspec.json.Decoder(_Template)
_object = msgspec.json.Decoder(ObjectView)


def target_of(pod: Pod) -> str:
    """The node that a daemon's pod is on, or is meant for."""
    if pod.spec.node_name or pod.spec.affinity is None or pod.spec.affinity.node_affinity is None:
        return pod.spec.node_name
    required = pod.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution
    for term in required.node_selector_terms if required is not None else ():
        for field in term.match_fields:
            if field.key == "metadata.name" and field.operator == "In" and field.values:
                return field.values[0]
    return ""


class DaemonSetController(Controller):
    """Keeps one pod on every node that fits."""

    name = "daemonset"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("daemon-set-controller")
        self._recorder = ctx.recorder("daemonset-controller")
        self._expectations = Expectations(ctx.settings.expectation_timeout)
        self._sets = self.source(ctx.informers.get(DAEMON_SETS, DaemonSet))
        self._revisions = self.reads(watched(ctx.informers.get(RESOURCE, ControllerRevision)))
        self._pods = ctx.informers.get("pods", Pod)
        self._pods.add_index(CONTROLLER_INDEX, controlled_by)
        self._pods.on_change(self._observe)
        self.source(self._pods, key_of_controller("DaemonSet"))
        self._nodes = self.reads(ctx.informers.get("nodes", Node))
        self._nodes.on_change(self._node_changed)

    def _observe(self, old: Pod | None, new: Pod | None) -> None:
        pod = new or old
        for key in key_of_controller("DaemonSet")(pod) if pod is not None else ():
            if old is None:
                self._expectations.created(key)
            if pod is not None and (new is None or new.terminating):
                self._expectations.deleted(key, pod.metadata.uid)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        """Heartbeats move nothing; labels and taints do."""
        if old is not None and new is not None:
            same = old.metadata.labels == new.metadata.labels and old.spec.taints == new.spec.taints
            if same:
                return
        for owner in self._sets.list():
            self.queue.add(owner.metadata.key)

    async def reconcile(self, key: str) -> Requeue | None:
        """Start and stop pods, roll them on, and write the status."""
        owner = self._sets.get(key)
        if owner is None:
            self._expectations.forget(key)
            return None
        pods = dependants(self._pods, owner)
        by_node: dict[str, list[Pod]] = {}
        for pod in pods:
            by_node.setdefault(target_of(pod), []).append(pod)
        spec = _template.decode(owner.spec.template).spec
        fits = {node.metadata.name: belongs(spec, node) for node in self._nodes.list()}
        digest = ""
        if owner.metadata.deletion_timestamp is None:
            reference = controller_reference(owner, "apps/v1", "DaemonSet")
            digest = await record(self._client, self._revisions, owner, reference, owner.spec.template)
            if self._expectations.satisfied(key):
                await self._act(owner, by_node, fits, digest)
                hashes = {digest, *(pod.metadata.labels.get(HASH_LABEL, "") for pod in pods)}
                live = {f"{owner.metadata.name}-{each}" for each in hashes}
                await clean_up(self._client, self._revisions, owner, live, owner.spec.revision_history_limit)
        await self._write(owner, by_node, fits, digest)
        waits = [wait for pod in pods if 0 < (wait := available_in(pod, owner.spec.min_ready_seconds)) < 1e9]
        return Requeue(min(waits)) if waits else None

    async def _act(
        self, owner: DaemonSet, by_node: dict[str, list[Pod]], fits: dict[str, tuple[bool, bool]], digest: str
    ) -> None:
        create: list[str] = []
        delete: list[Pod] = []
        for node, (start, stay) in fits.items():
            present = [pod for pod in by_node.get(node, ()) if not pod.terminating]
            failed = [pod for pod in present if pod.finished]
            running = [pod for pod in present if not pod.finished]
            if not stay:
                delete += present
                continue
            delete += failed
            if start and not running and not failed and not by_node.get(node):
                create.append(node)
            fresh = [pod for pod in running if pod.metadata.labels.get(HASH_LABEL) == digest]
            delete += _surplus(fresh) + _surplus([pod for pod in running if pod not in fresh])
        if not create and not delete:
            create, delete = self._roll(owner, by_node, fits, digest)
        for name, members in by_node.items():
            if name not in fits:
                # nobody will ever place these; those on a node that is gone are the pod collector's
                delete += [pod for pod in members if not pod.terminating and not pod.spec.node_name]
        await self._delete(owner, delete)
        await self._create(owner, create, digest)

    def _roll(
        self, owner: DaemonSet, by_node: dict[str, list[Pod]], fits: dict[str, tuple[bool, bool]], digest: str
    ) -> tuple[list[str], list[Pod]]:
        """The next step to the new template: nodes that get a second pod, and pods that go."""
        strategy = owner.spec.update_strategy
        if strategy.type != "RollingUpdate":
            return [], []
        rolling = strategy.rolling_update or RollingUpdate()
        wanted = sum(start for start, _ in fits.values())
        surge = scaled(rolling.max_surge, wanted, round_up=True)
        unavailable = scaled(rolling.max_unavailable, wanted, round_up=True)
        if not surge and not unavailable:
            unavailable = 1
        missing = surging = 0
        create: list[str] = []
        broken: list[Pod] = []
        working: list[Pod] = []
        delete: list[Pod] = []
        for node, (start, _) in fits.items():
            pods = [pod for pod in by_node.get(node, ()) if is_active(pod)]
            new = [pod for pod in pods if pod.metadata.labels.get(HASH_LABEL) == digest]
            old = [pod for pod in pods if pod not in new]
            new_works = any(self._works(owner, pod) for pod in new)
            if start and not new_works and not any(self._works(owner, pod) for pod in old):
                missing += 1
            if old and new:
                surging += 1
                delete += old if new_works else []
            elif old:
                (working if self._works(owner, old[0]) else broken).extend(old)
        if surge:
            # what does not work is replaced at once, the rest as far as there is room beside it
            create = [target_of(pod) for pod in [*broken, *working][: max(0, surge - surging)]]
            return create, delete
        return [], delete + broken + working[: max(0, unavailable - missing)]

    def _works(self, owner: DaemonSet, pod: Pod) -> bool:
        return available_in(pod, owner.spec.min_ready_seconds) == 0

    def _pod(self, owner: DaemonSet, node: str, digest: str) -> Obj:
        reference = controller_reference(owner, "apps/v1", "DaemonSet")
        pod = pod_from_template(owner.spec.template, f"{owner.metadata.name}-", reference)
        meta, spec = pod["metadata"], pod["spec"]
        meta["labels"] = {**meta.get("labels", {}), HASH_LABEL: digest}
        generation = owner.metadata.annotations.get("deprecated.daemonset.template.generation")
        if generation:
            meta["labels"]["pod-template-generation"] = generation
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
        required = affinity.setdefault("requiredDuringSchedulingIgnoredDuringExecution", {})
        terms = required.get("nodeSelectorTerms") or [{}]
        required["nodeSelectorTerms"] = [{**term, "matchFields": [field]} for term in terms]
        own = spec.get("tolerations") or []
        added = [
            {"key": t.key, "operator": t.operator, "effect": t.effect}
            for t in daemon_tolerations(_template.decode(owner.spec.template).spec)
        ]
        spec["tolerations"] = own + [toleration for toleration in added if toleration not in own]
        return pod

    async def _create(self, owner: DaemonSet, nodes: Sequence[str], digest: str) -> None:
        if nodes:
            self._expectations.expect_more_creations(owner.metadata.key, len(nodes))
        for result in await outcomes(partial(self._create_one, owner, self._pod(owner, n, digest)) for n in nodes):
            if isinstance(result, ApiError):
                raise result

    async def _create_one(self, owner: DaemonSet, pod: Obj) -> None:
        try:
            created = await self._client.create("pods", pod, owner.metadata.namespace)
        except ApiError as error:
            self._expectations.created(owner.metadata.key)
            self._recorder.event(owner, WARNING, "FailedCreate", f"Error creating: {error.message}")
            raise
        name = _object.decode(created).metadata.name
        self._recorder.event(owner, NORMAL, "SuccessfulCreate", f"Created pod: {name}")

    async def _delete(self, owner: DaemonSet, pods: Iterable[Pod]) -> None:
        async def one(pod: Pod) -> None:
            meta = pod.metadata
            try:
                await self._client.delete("pods", meta.name, meta.namespace, uid=meta.uid)
            except NotFound:
                return
            self._recorder.event(owner, NORMAL, "SuccessfulDelete", f"Deleted pod: {meta.name}")

        for result in await outcomes(partial(one, pod) for pod in pods):
            if isinstance(result, ApiError):
                raise result

    async def _write(
        self, owner: DaemonSet, by_node: dict[str, list[Pod]], fits: dict[str, tuple[bool, bool]], digest: str
    ) -> None:
        wanted = [node for node, (start, _) in fits.items() if start]
        active = {node: [pod for pod in by_node.get(node, ()) if is_active(pod)] for node in fits}
        available = sum(any(self._works(owner, pod) for pod in active[node]) for node in wanted)
        status = DaemonSetStatus(
            current_number_scheduled=sum(bool(active[node]) for node in wanted),
            number_misscheduled=sum(bool(active[node]) for node, (start, _) in fits.items() if not start),
            desired_number_scheduled=len(wanted),
            number_ready=sum(any(pod.ready for pod in active[node]) for node in wanted),
            observed_generation=owner.metadata.generation,
            updated_number_scheduled=sum(
                any(pod.metadata.labels.get(HASH_LABEL) == digest for pod in active[node]) for node in wanted
            ),
            number_available=available,
            number_unavailable=len(wanted) - available,
        )
        if status == owner.status:
            return
        body: Obj = msgspec.to_builtins(status)
        for optional in ("updatedNumberScheduled", "numberAvailable", "numberUnavailable"):
            body[optional] = body[optional] or None
        meta = owner.metadata
        patch = {"metadata": {"uid": meta.uid}, "status": body}
        await self._client.patch(DAEMON_SETS, meta.name, patch, meta.namespace, subresource="status")


def _surplus(pods: Sequence[Pod]) -> list[Pod]:
    """All but the one that has been ready, or there, the longest."""
    ordered = sorted(pods, key=lambda p: (not p.ready, p.metadata.creation_timestamp or "", p.metadata.name))
    return ordered[1:]


def build(ctx: Context) -> Controller:
    """The controller."""
    return DaemonSetController(ctx)
