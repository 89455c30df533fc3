"""DefaultPreemption: a pod that fits nowhere may displace pods of lower priority.

For each node that could be helped, the pods of lower priority are taken away on trial; if the pod fits then, as
many of them as possible are let back, the most important first, and those left are the node's victims. Of the
nodes the one is taken where the victims matter least, by upstream's order of criteria. Disruption budgets are not
looked at.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kube_lite.sched.framework import Plugin, PostFilterResult
from kube_lite.sched.nodes import Mask, NodeTable
from kube_lite.sched.podinfo import PodInfo

MIN_CANDIDATES = 100
"""Nodes with victims after which no more are tried (upstream's minCandidateNodesAbsolute)."""

MIN_CANDIDATES_SHARE = 0.1
"""Share of all nodes that are tried at least (upstream's minCandidateNodesPercentage)."""

PRIORITY_OFFSET = 2**31
"""Added to each priority in sums, so that fewer victims are better even when priorities are negative."""


def _started(info: PodInfo) -> str:
    return info.pod.status.start_time or "9999"


def _importance(info: PodInfo) -> tuple[int, str]:
    """Sorts the most important pod first: by priority, then by who has run longest."""
    return (-info.priority, _started(info))


def _cost(victims: list[PodInfo]) -> tuple[int, int, int]:
    """How much it would hurt, less is better: highest priority, sum of priorities, number."""
    return (
        max(v.priority for v in victims),
        sum(v.priority + PRIORITY_OFFSET for v in victims),
        len(victims),
    )


def _youngest(victims: list[PodInfo]) -> str:
    """When the first of the most important victims started; later is better."""
    highest = max(v.priority for v in victims)
    return min(_started(v) for v in victims if v.priority == highest)


def select_victims(info: PodInfo, nodes: NodeTable, row: int, fits: Callable[[int], bool]) -> list[PodInfo]:
    """The pods that must leave ``row`` for ``info`` to fit; none when that would not help.

    The table is left as it was.
    """
    name = nodes.names[row]
    lower = sorted((p for p in nodes.pods[row].values() if p.priority < info.priority), key=_importance)
    victims: list[PodInfo] = []
    try:
        for pod in lower:
            nodes.remove_pod(pod.uid)
        if not lower or not fits(row):
            return []
        for pod in lower:
            nodes.add_pod(pod, name)
            if not fits(row):
                nodes.remove_pod(pod.uid)
                victims.append(pod)
    finally:
        for pod in lower:
            if nodes.row_of(pod.uid) is None:
                nodes.add_pod(pod, name)
    return victims


class DefaultPreemption(Plugin):
    """Names a node and the victims on it."""

    name = "DefaultPreemption"

    def post_filter(
        self, info: PodInfo, nodes: NodeTable, unresolvable: Mask, fits: Callable[[int], bool]
    ) -> PostFilterResult | None:
        """None when the pod may not preempt, or it would not help."""
        if info.pod.spec.preemption_policy == "Never" or not any(p < info.priority for p in nodes.priorities):
            return None
        enough = max(MIN_CANDIDATES, int(nodes.count * MIN_CANDIDATES_SHARE))
        candidates: list[tuple[int, list[PodInfo]]] = []
        for row in np.flatnonzero(nodes.present & ~unresolvable):
            victims = select_victims(info, nodes, int(row), fits)
            if victims:
                candidates.append((int(row), victims))
                if len(candidates) >= enough:
                    break
        if not candidates:
            return None
        cheapest = min(_cost(victims) for _, victims in candidates)
        equal = [(row, victims) for row, victims in candidates if _cost(victims) == cheapest]
        chosen, victims = max(equal, key=lambda candidate: (_youngest(candidate[1]), -candidate[0]))
        return PostFilterResult(nodes.names[chosen], victims)


PLUGIN = DefaultPreemption
