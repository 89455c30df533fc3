"""NodeAffinity: ``nodeSelector`` and the node affinity of a pod, required and preferred."""

from __future__ import annotations

from typing import Any

import numpy as np

from kube_lite.resources.kinds.pod.view import NodeAffinity as PodNodeAffinity
from kube_lite.resources.kinds.pod.view import NodeSelectorRequirement, NodeSelectorTerm
from kube_lite.sched.framework import SKIP, EventKind, Plugin, Refusal, normalize_by_maximum
from kube_lite.sched.labels import LabelColumn
from kube_lite.sched.nodes import Ints, Mask, NodeTable, Rows, lookup, rows_mask
from kube_lite.sched.podinfo import PodInfo

REASON = "node(s) didn't match Pod's node affinity"


def _compares(operator: str, value: str, bound: str) -> bool:
    try:
        return int(value) > int(bound) if operator == "Gt" else int(value) < int(bound)
    except ValueError:
        return False


def _among(column: LabelColumn, codes: Any, values: list[str]) -> Mask:
    mask: Mask = np.zeros(len(codes), dtype=np.bool_)
    for value in values:
        code = column.code_of.get(value)
        if code is not None:
            mask |= codes == code
    return mask


def match_requirement(nodes: NodeTable, requirement: NodeSelectorRequirement) -> Mask:
    """Which nodes' labels meet one expression."""
    column, codes = nodes.label(requirement.key), nodes.label_codes(requirement.key)
    match requirement.operator:
        case "In":
            return _among(column, codes, requirement.values)
        case "NotIn":
            return ~_among(column, codes, requirement.values)
        case "Exists":
            present: Mask = codes >= 0
            return present
        case "DoesNotExist":
            absent: Mask = codes < 0
            return absent
        case "Gt" | "Lt" if len(requirement.values) == 1:
            verdicts = [_compares(requirement.operator, v, requirement.values[0]) for v in column.values]
            return lookup(codes, [*verdicts, False])
    return rows_mask(nodes.size, [])


def _match_field(nodes: NodeTable, requirement: NodeSelectorRequirement) -> Mask:
    """``matchFields``: only ``metadata.name`` with one value is possible."""
    rows = [nodes.rows[name] for name in requirement.values if name in nodes.rows]
    mask = rows_mask(nodes.size, rows if requirement.key == "metadata.name" else [])
    return ~mask if requirement.operator == "NotIn" else mask


def match_term(nodes: NodeTable, term: NodeSelectorTerm) -> Mask:
    """Which nodes meet all of a term; an empty term matches none."""
    mask = rows_mask(nodes.size, [])
    if not term.match_expressions and not term.match_fields:
        return mask
    mask[:] = True
    for requirement in term.match_expressions:
        mask &= match_requirement(nodes, requirement)
    for requirement in term.match_fields:
        mask &= _match_field(nodes, requirement)
    return mask


def _affinity(info: PodInfo) -> PodNodeAffinity | None:
    return info.pod.spec.affinity.node_affinity if info.pod.spec.affinity is not None else None


def required_nodes(info: PodInfo, nodes: NodeTable) -> Mask | None:
    """Which nodes the pod's selector and required affinity allow; None when it has neither."""
    affinity = _affinity(info)
    required = affinity.required_during_scheduling_ignored_during_execution if affinity is not None else None
    if not info.pod.spec.node_selector and required is None:
        return None
    mask = ~rows_mask(nodes.size, [])
    for key, value in info.pod.spec.node_selector.items():
        mask &= _among(nodes.label(key), nodes.label_codes(key), [value])
    if required is not None:
        either = rows_mask(nodes.size, [])
        for term in required.node_selector_terms:
            either |= match_term(nodes, term)
        mask &= either
    return mask


class NodeAffinity(Plugin):
    """Refuses nodes outside the required affinity; likes those that meet preferred terms."""

    name = "NodeAffinity"
    weight = 2
    wakes_on = frozenset({EventKind.NODE_ADD, EventKind.NODE_LABEL})

    def pre_filter(self, info: PodInfo, nodes: NodeTable) -> Any:
        """The nodes that are allowed; SKIP when all are."""
        allowed = required_nodes(info, nodes)
        return SKIP if allowed is None else allowed

    def filter(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        """All other nodes."""
        return [Refusal(~state[rows], REASON, unresolvable=True)]

    def pre_score(self, info: PodInfo, nodes: NodeTable, feasible: Mask) -> Any:
        """The weights of preferred terms that each node meets, added up; SKIP when nothing is preferred."""
        affinity = _affinity(info)
        preferred = affinity.preferred_during_scheduling_ignored_during_execution if affinity is not None else []
        if not preferred:
            return SKIP
        weights = np.zeros(nodes.size, dtype=np.int64)
        for wish in preferred:
            weights[match_term(nodes, wish.preference)] += wish.weight
        return weights

    def score(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        """Those weights."""
        weights: Ints = state[rows]
        return weights

    def normalize(self, scores: Ints) -> Ints:
        """Scaled to the highest."""
        return normalize_by_maximum(scores)


PLUGIN = NodeAffinity
