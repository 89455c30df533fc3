"""TaintToleration: taints keep pods away unless they tolerate them.

Nodes share few distinct sets of taints, so each set is judged once and the verdicts are looked up by code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kube_lite.resources.kinds.pod.view import Toleration
from kube_lite.sched.framework import SKIP, ClusterEvent, EventKind, Plugin, Refusal, normalize_by_maximum
from kube_lite.sched.nodes import Ints, Mask, NodeTable, Rows, TaintSet, lookup
from kube_lite.sched.podinfo import PodInfo

NO_SCHEDULE, NO_EXECUTE, PREFER_NO_SCHEDULE = "NoSchedule", "NoExecute", "PreferNoSchedule"


def _tolerates(toleration: Toleration, taint: tuple[str, str, str]) -> bool:
    key, value, effect = taint
    if toleration.effect and toleration.effect != effect:
        return False
    if toleration.key and toleration.key != key:
        return False
    match toleration.operator:
        case "" | "Equal":
            return toleration.value == value
        case "Exists":
            return True
        case "Lt" | "Gt":
            return _compares(toleration, value)
    return False


def _compares(toleration: Toleration, value: str) -> bool:
    try:
        bound, number = int(toleration.value), int(value)
    except ValueError:
        return False
    return number < bound if toleration.operator == "Lt" else number > bound


def tolerates(tolerations: Sequence[Toleration], taint: tuple[str, str, str]) -> bool:
    """Whether one of ``tolerations`` covers ``taint`` (key, value, effect)."""
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def untolerated(tolerations: Sequence[Toleration], taints: TaintSet) -> tuple[str, str, str] | None:
    """The first of ``taints`` that keeps the pod away for good (NoSchedule or NoExecute); None when none does."""
    keeping = (t for t in taints if t[2] in (NO_SCHEDULE, NO_EXECUTE) and not tolerates(tolerations, t))
    return next(keeping, None)


def reason(taint: tuple[str, str, str]) -> str:
    """What a refusal for ``taint`` says (upstream's words before 1.36, which name the taint)."""
    return f"node(s) had taint {{{taint[0]}: {taint[1]}}}, that the pod didn't tolerate"


class TaintToleration(Plugin):
    """Refuses nodes with untolerated taints, and likes nodes with few untolerated PreferNoSchedule ones."""

    name = "TaintToleration"
    weight = 3
    wakes_on = frozenset({EventKind.NODE_ADD, EventKind.NODE_TAINT, EventKind.TARGET_UPDATE})

    def pre_filter(self, info: PodInfo, nodes: NodeTable) -> Any:
        """For each reason, which sets of taints keep the pod away by it; SKIP when none in use does."""
        found = [untolerated(info.pod.spec.tolerations, taints) for taints in nodes.taint_sets]
        texts = [reason(taint) if taint is not None else "" for taint in found]
        distinct = dict.fromkeys(text for text in texts if text)
        return {wanted: [text == wanted for text in texts] for wanted in distinct} or SKIP

    def filter(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        """Nodes whose set of taints keeps the pod away."""
        codes = nodes.taints[rows]
        return [Refusal(lookup(codes, verdicts), text, unresolvable=True) for text, verdicts in state.items()]

    def pre_score(self, info: PodInfo, nodes: NodeTable, feasible: Mask) -> Any:
        """How many soft taints of each set the pod does not tolerate; SKIP when there are none."""
        soft = [t for t in info.pod.spec.tolerations if t.effect in ("", PREFER_NO_SCHEDULE)]
        counts = [
            sum(taint[2] == PREFER_NO_SCHEDULE and not tolerates(soft, taint) for taint in taints)
            for taints in nodes.taint_sets
        ]
        return np.asarray(counts, dtype=np.int64) if any(counts) else SKIP

    def score(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        """Untolerated soft taints."""
        counts: Ints = state[nodes.taints[rows]]
        return counts

    def normalize(self, scores: Ints) -> Ints:
        """Fewer is better."""
        return normalize_by_maximum(scores, reverse=True)

    def hint(self, event: ClusterEvent, info: PodInfo) -> bool:
        """A node whose taints the pod now stands."""
        if event.node is None:
            return True
        taints = tuple((t.key, t.value, t.effect) for t in event.node.spec.taints)
        return untolerated(info.pod.spec.tolerations, taints) is None


PLUGIN = TaintToleration
