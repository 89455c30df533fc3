"""PodDisruptionBudgets: how many more pods may be evicted now (upstream: ``pkg/controller/disruption``).

The status is what the eviction subresource decides by, so every write of it names the revision that was read: a
budget that an eviction has just lowered is not raised again on old knowledge.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kube_lite import clock
from kube_lite.client.events import WARNING
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.controllers.proportions import scaled
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import LabelSelector, Obj, ObjectView, View
from kube_lite.resources.selectors import matches
from kube_lite.resources.views import ReplicaSet

NAMES = ("disruption", "disruption-controller")

BUDGETS = "poddisruptionbudgets.policy"

DELETION_TIMEOUT = 120.0
"""Seconds after an eviction until a pod that is still there counts again (upstream: DeletionTimeout)."""


class BudgetSpec(View, frozen=True):
    """What a budget protects; numbers or percentages."""

    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    selector: LabelSelector | None = None


class BudgetCondition(View, frozen=True):
    """A condition of a budget."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    observed_generation: int = 0
    last_transition_time: str | None = None


class BudgetStatus(View, frozen=True):
    """What a budget allows; ``disrupted_pods`` are evicted ones by name, with the time."""

    observed_generation: int = 0
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    disrupted_pods: dict[str, str] = {}
    conditions: list[BudgetCondition] = []


class PodDisruptionBudget(ObjectView, frozen=True):
    """A PodDisruptionBudget."""

    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()


class _ScaleSpec(View, frozen=True):
    replicas: int = 1


class Scalable(ObjectView, frozen=True):
    """Any workload whose ``spec.replicas`` says how many pods it has."""

    spec: _ScaleSpec = _ScaleSpec()


class DisruptionController(Controller):
    """Keeps the status of budgets."""

    name = "disruption"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("disruption-controller")
        self._recorder = ctx.recorder("controllermanager")
        self._budgets = self.source(ctx.informers.get(BUDGETS, PodDisruptionBudget))
        self._pods = self.source(ctx.informers.get("pods", Pod), self._keys_of_pod)
        self._sets = self.source(ctx.informers.get("replicasets.apps", ReplicaSet), self._keys_in_namespace)
        self._scalables = {
            kind: self.source(ctx.informers.get(resource, Scalable), self._keys_in_namespace)
            for kind, resource in (
                ("Deployment", "deployments.apps"),
                ("StatefulSet", "statefulsets.apps"),
                ("ReplicationController", "replicationcontrollers"),
            )
        }

    def _selects(self, budget: PodDisruptionBudget, pod: Pod) -> bool:
        return budget.spec.selector is not None and matches(budget.spec.selector, pod.metadata.labels)

    def _keys_of_pod(self, pod: Pod) -> Iterable[str]:
        budgets = self._budgets.list(pod.metadata.namespace)
        return [budget.metadata.key for budget in budgets if self._selects(budget, pod)]

    def _keys_in_namespace(self, obj: ObjectView) -> Iterable[str]:
        """Sizes of workloads count; a budget too many looked at costs nothing."""
        return [budget.metadata.key for budget in self._budgets.list(obj.metadata.namespace)]

    async def reconcile(self, key: str) -> Requeue | None:
        """Count the healthy pods and write how many may go."""
        budget = self._budgets.get(key)
        if budget is None:
            return None
        pods = [pod for pod in self._pods.list(budget.metadata.namespace) if self._selects(budget, pod)]
        disrupted, wait = self._disrupted(budget, pods)
        expected, desired = self._expected(budget, pods)
        healthy = sum(pod.ready and not pod.terminating and pod.metadata.name not in disrupted for pod in pods)
        allowed = max(0, healthy - desired) if expected > 0 else 0
        await self._write(budget, disrupted, expected, desired, healthy, allowed)
        return Requeue(wait) if wait is not None else None

    def _disrupted(self, budget: PodDisruptionBudget, pods: list[Pod]) -> tuple[dict[str, str], float | None]:
        """Evicted pods that are about to go, and when to look again."""
        kept: dict[str, str] = {}
        waits = []
        for pod in pods:
            since = budget.status.disrupted_pods.get(pod.metadata.name)
            if since is None or pod.terminating:
                continue
            left = DELETION_TIMEOUT - (clock.now() - clock.parse_timestamp(since)).total_seconds()
            if left > 0:
                kept[pod.metadata.name] = since
                waits.append(left)
            else:
                message = f"Pod was expected by PDB {budget.metadata.key} to be deleted but it wasn't"
                self._recorder.event(pod, WARNING, "NotDeleted", message)
        return kept, min(waits, default=None)

    def _expected(self, budget: PodDisruptionBudget, pods: list[Pod]) -> tuple[int, int]:
        """How many pods there should be, and how many of them must stay healthy."""
        most, least = budget.spec.max_unavailable, budget.spec.min_available
        if most is not None:
            expected = self._scale(pods)
            return expected, max(0, expected - scaled(most, expected, round_up=True))
        if isinstance(least, int):
            return len(pods), least
        if least is not None:
            expected = self._scale(pods)
            return expected, scaled(least, expected, round_up=True)
        return len(pods), 0

    def _scale(self, pods: list[Pod]) -> int:
        """The sizes of the workloads that the pods belong to, each counted once."""
        sizes: dict[str, int] = {}
        for pod in pods:
            owner = pod.metadata.controller
            if owner is None:
                continue
            kind, name, uid = owner.kind, owner.name, owner.uid
            if kind == "ReplicaSet":
                rs = self._sets.get(f"{pod.metadata.namespace}/{name}")
                if rs is None or rs.metadata.uid != uid:
                    continue
                above = rs.metadata.controller
                if above is None or above.kind != "Deployment":
                    sizes[uid] = rs.spec.replicas
                    continue
                kind, name, uid = above.kind, above.name, above.uid
            informer = self._scalables.get(kind)
            found = informer.get(f"{pod.metadata.namespace}/{name}") if informer is not None else None
            if found is not None and found.metadata.uid == uid:
                sizes[uid] = found.spec.replicas
        return sum(sizes.values())

    async def _write(
        self,
        budget: PodDisruptionBudget,
        disrupted: dict[str, str],
        expected: int,
        desired: int,
        healthy: int,
        allowed: int,
    ) -> None:
        meta = budget.metadata
        condition = BudgetCondition(
            type="DisruptionAllowed",
            status="True" if allowed > 0 else "False",
            reason="SufficientPods" if allowed > 0 else "InsufficientPods",
            observed_generation=meta.generation,
        )
        known = next((c for c in budget.status.conditions if c.type == condition.type), None)
        since = known.last_transition_time if known is not None and known.status == condition.status else None
        condition = msgspec.structs.replace(condition, last_transition_time=since or clock.timestamp())
        others = [c for c in budget.status.conditions if c.type != condition.type]
        status = BudgetStatus(
            observed_generation=meta.generation,
            disruptions_allowed=allowed,
            current_healthy=healthy,
            desired_healthy=desired,
            expected_pods=expected,
            disrupted_pods=disrupted,
            conditions=[*others, condition],
        )
        if status == budget.status:
            return
        gone = dict.fromkeys(budget.status.disrupted_pods.keys() - disrupted.keys())
        body: Obj = msgspec.to_builtins(status)
        body["disruptedPods"] = {**disrupted, **gone} or None
        patch = {"metadata": {"resourceVersion": meta.resource_version}, "status": body}
        await self._client.patch(BUDGETS, meta.name, patch, meta.namespace, subresource="status")


def build(ctx: Context) -> Controller:
    """The controller."""
    return DisruptionController(ctx)
