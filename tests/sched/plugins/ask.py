"""Asks one plugin about a pod, the way the evaluator does."""

from __future__ import annotations

import numpy as np

from kube_lite.sched.framework import SKIP, Plugin, Refused
from kube_lite.sched.nodes import ALL_ROWS, NodeTable
from kube_lite.sched.podinfo import PodInfo


def refusals(plugin: Plugin, info: PodInfo, nodes: NodeTable) -> dict[str, list[str]]:
    """Reasons by the name of the node they were given for; each row asked alone must answer the same."""
    state = plugin.pre_filter(info, nodes)
    if state is SKIP:
        return {}
    assert not isinstance(state, Refused)
    reasons: dict[str, list[str]] = {}
    for refusal in plugin.filter(state, info, nodes, ALL_ROWS):
        for row in np.flatnonzero(refusal.mask & nodes.present):
            reasons.setdefault(nodes.names[row], []).append(refusal.reason)
    for row in np.flatnonzero(nodes.present):
        alone = [r.reason for r in plugin.filter(state, info, nodes, np.asarray([row])) if r.mask[0]]
        assert alone == reasons.get(nodes.names[row], [])
    return reasons


def refused(plugin: Plugin, info: PodInfo, nodes: NodeTable) -> str:
    """The names of refused nodes, joined by spaces."""
    return " ".join(sorted(refusals(plugin, info, nodes)))


def scores(plugin: Plugin, info: PodInfo, nodes: NodeTable) -> dict[str, int] | None:
    """Normalised scores by node, None when the plugin has nothing to say."""
    state = plugin.pre_score(info, nodes, nodes.present)
    if state is SKIP:
        return None
    rows = np.flatnonzero(nodes.present)
    raw = plugin.score(state, info, nodes, rows)
    everywhere = plugin.score(state, info, nodes, ALL_ROWS)
    assert (everywhere[rows] == raw).all()
    return {nodes.names[row]: int(score) for row, score in zip(rows, plugin.normalize(raw), strict=True)}
