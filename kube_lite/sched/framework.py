"""The extension points of scheduling, and the plugins that are there.

A plugin is one file in ``plugins/`` naming its class ``PLUGIN``; being there registers it. It overrides the
extension points it has something to say at. Expected refusals are values: a :class:`Refusal` (a mask over nodes
with a reason), :data:`SKIP`, or a text. Points and their meaning are upstream's scheduling framework; what a
plugin works out early travels as its own typed state, not in a bag of strings, and it sees only the pod and the
node table, not the whole scheduler.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, ClassVar, Final

import msgspec
import numpy as np

from kube_lite.client.protocol import Client
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.views import Node
from kube_lite.sched.nodes import Ints, Mask, NodeTable, Rows
from kube_lite.sched.podinfo import PodInfo

MAX_NODE_SCORE = 100
"""Scores are normalised to 0..100 before they are weighted (upstream's MaxNodeScore)."""

ORDER = (
    "SchedulingGates",
    "PrioritySort",
    "NodeUnschedulable",
    "NodeName",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "PodTopologySpread",
    "InterPodAffinity",
    "DefaultPreemption",
    "NodeResourcesBalancedAllocation",
    "ImageLocality",
    "DefaultBinder",
)
"""In which order plugins are asked (upstream's default plugins). A node's refusal is that of the first plugin
that refuses it, so the order decides messages. Plugins not named here come last, by name."""


class EventKind(StrEnum):
    """Changes of the cluster that may make a refused pod fit."""

    NODE_ADD = "Node/Add"
    NODE_ALLOCATABLE = "Node/UpdateNodeAllocatable"
    NODE_LABEL = "Node/UpdateNodeLabel"
    NODE_TAINT = "Node/UpdateNodeTaint"
    POD_ADD = "AssignedPod/Add"
    POD_UPDATE = "AssignedPod/Update"
    POD_DELETE = "AssignedPod/Delete"
    TARGET_UPDATE = "UnscheduledPod/Update"
    TIMEOUT = "UnschedulableTimeout"


class ClusterEvent(msgspec.Struct, frozen=True):
    """One such change; ``node`` or ``pod`` is what it is about, as it is now (as it was, for deletions)."""

    kind: EventKind
    node: Node | None = None
    pod: Pod | None = None


class _Skip:
    """Marks that a plugin has nothing to say about this pod."""


SKIP: Final = _Skip()


class Refused(msgspec.Struct, frozen=True):
    """The whole pod is refused, whatever the node, for ``reason``."""

    reason: str


class Refusal(msgspec.Struct, frozen=True):
    """The nodes in ``mask`` (one entry per row asked about) are refused for ``reason``.

    ``unresolvable``: removing pods from the node would not help, so preemption need not try.
    """

    mask: Mask
    reason: str
    unresolvable: bool = False


class Plugin:
    """Base of plugins: every extension point, doing nothing.

    ``filter_state`` is what ``pre_filter`` returned, ``score_state`` what ``pre_score`` returned.
    """

    name: ClassVar[str]
    weight: ClassVar[int] = 1
    """What its score counts for."""
    wakes_on: ClassVar[frozenset[EventKind]] = frozenset()
    """Events that may turn its refusal; ``hint`` looks closer."""
    cluster_wide: ClassVar[bool] = False
    """Whether what it says of one node depends on pods on others, so that it cannot be kept per class. Whether it
    SKIPs must then depend only on what makes the class, and on ``NodeTable.static_version``."""

    def sort_key(self, info: PodInfo, queued_at: float) -> tuple[float, ...]:
        """QueueSort: the smaller key is scheduled first."""
        return (queued_at,)

    def pre_enqueue(self, info: PodInfo) -> str | None:
        """PreEnqueue: why the pod may not even enter the queue."""
        return None

    def pre_filter(self, info: PodInfo, nodes: NodeTable) -> Any:
        """PreFilter: the state for ``filter``, or SKIP, or Refused."""
        return None

    def filter(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> Sequence[Refusal]:
        """Filter: which of ``rows`` cannot take the pod, and why."""
        return ()

    def post_filter(
        self, info: PodInfo, nodes: NodeTable, unresolvable: Mask, fits: Callable[[int], bool]
    ) -> PostFilterResult | None:
        """PostFilter: called when no node fits; may name pods that must go to make room.

        ``fits`` runs all filters for one row. The table may be changed for a trial, and must be put back.
        """
        return None

    def pre_score(self, info: PodInfo, nodes: NodeTable, feasible: Mask) -> Any:
        """PreScore: the state for ``score``, or SKIP; ``feasible`` are the nodes that passed all filters."""
        return None

    def score(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        """Score: how good each of ``rows`` is, before normalisation."""
        return np.zeros_like(nodes.requested(0)[rows])

    def normalize(self, scores: Ints) -> Ints:
        """NormalizeScore: the scores of the nodes that fit, brought to 0..100."""
        return scores

    def reserve(self, info: PodInfo, node: str) -> str | None:
        """Reserve: take what the pod needs on ``node``; a reason refuses it."""
        return None

    def unreserve(self, info: PodInfo, node: str) -> None:
        """Give back what ``reserve`` took; called also when it took nothing."""

    async def permit(self, info: PodInfo, node: str) -> str | None:
        """Permit: wait for, or refuse with a reason, the binding."""
        return None

    async def pre_bind(self, client: Client, info: PodInfo, node: str) -> str | None:
        """PreBind: what must be done before the pod is bound; a reason refuses it."""
        return None

    async def bind(self, client: Client, info: PodInfo, node: str) -> bool:
        """Bind: bind the pod; whether this plugin did. :raises ApiError: the API refused"""
        return False

    def post_bind(self, info: PodInfo, node: str) -> None:
        """PostBind: told after the pod was bound."""

    def hint(self, event: ClusterEvent, info: PodInfo) -> bool:
        """Whether ``event``, one of ``wakes_on``, may have made a pod fit that this plugin refused."""
        return True


class PostFilterResult(msgspec.Struct, frozen=True):
    """A node nominated by preemption, and the pods to delete there."""

    node: str
    victims: Sequence[PodInfo]


def normalize_by_maximum(scores: Ints, reverse: bool = False) -> Ints:
    """Scale so that the largest is 100; ``reverse`` makes the largest 0 (upstream's DefaultNormalizeScore)."""
    highest = int(scores.max(initial=0))
    if highest == 0:
        return np.full_like(scores, MAX_NODE_SCORE) if reverse else scores
    scaled = scores * MAX_NODE_SCORE // highest
    return MAX_NODE_SCORE - scaled if reverse else scaled


def _overrides(plugin: Plugin, point: str) -> bool:
    return getattr(type(plugin), point) is not getattr(Plugin, point)


class Framework:
    """The plugins in order, sorted by the extension points they have."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        rank = {name: i for i, name in enumerate(ORDER)}
        self.plugins = sorted(plugins, key=lambda p: (rank.get(p.name, len(rank)), p.name))
        self.by_name = {plugin.name: plugin for plugin in self.plugins}
        self.filters = self._with("filter")
        self.scores = self._with("score")
        self.pre_enqueues = self._with("pre_enqueue")
        self.post_filters = self._with("post_filter")
        self.reserves = self._with("reserve")
        self.permits = self._with("permit")
        self.pre_binds = self._with("pre_bind")
        self.binds = self._with("bind")
        self.post_binds = self._with("post_bind")
        self.queue_sort = self._with("sort_key")[0]

    def _with(self, point: str) -> list[Plugin]:
        return [plugin for plugin in self.plugins if _overrides(plugin, point)]

    def gate(self, info: PodInfo) -> tuple[str, str] | None:
        """The plugin and reason that keep a pod out of the queue, if any."""
        for plugin in self.pre_enqueues:
            reason = plugin.pre_enqueue(info)
            if reason is not None:
                return plugin.name, reason
        return None

    def wakes(self, refused_by: frozenset[str], event: ClusterEvent, info: PodInfo) -> bool:
        """Whether ``event`` may have made a pod fit that the plugins in ``refused_by`` refused."""
        for name in refused_by:
            plugin = self.by_name[name]
            if event.kind in plugin.wakes_on and plugin.hint(event, info):
                return True
        return False


def default_plugins() -> list[Plugin]:
    """One of each plugin in ``plugins/``."""
    package = importlib.import_module("kube_lite.sched.plugins")
    found: list[Plugin] = []
    for module_info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        found.append(module.PLUGIN())
    return found
