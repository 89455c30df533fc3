"""PodTopologySpread: pods spread evenly over zones, racks or hosts, as their constraints say.

``DoNotSchedule`` constraints refuse nodes that would make the skew too large, ``ScheduleAnyway`` ones score
nodes. Pods of a ReplicaSet, ReplicationController or StatefulSet that name no constraints get upstream's default
ones, soft over hosts and zones, counting the pods of the same workload; that Services select them as well does not
count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kube_lite.resources.kinds.pod.view import TopologySpreadConstraint
from kube_lite.resources.selectors import Matcher, from_object
from kube_lite.sched.framework import MAX_NODE_SCORE, SKIP, ClusterEvent, EventKind, Plugin, Refusal
from kube_lite.sched.nodes import Ints, Mask, NodeTable, Rows, lookup, rows_mask
from kube_lite.sched.plugins.node_affinity import required_nodes
from kube_lite.sched.plugins.taint_toleration import untolerated
from kube_lite.sched.podinfo import PodInfo
from kube_lite.sched.topology import of_domain, sum_by_domain

REASON = "node(s) didn't match pod topology spread constraints"
LABEL_REASON = f"{REASON} (missing required label)"

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"

DEFAULTS = ((HOSTNAME, 3), (ZONE, 5))
"""Key and maxSkew of the default constraints (upstream's system defaults)."""


class _State(msgspec.Struct, frozen=True):
    """Nodes refused for a missing label, and for too large a skew."""

    missing: Mask
    skewed: Mask


def _constraints(info: PodInfo, when_unsatisfiable: str) -> list[TopologySpreadConstraint]:
    return [c for c in info.pod.spec.topology_spread_constraints if c.when_unsatisfiable == when_unsatisfiable]


def _matcher(info: PodInfo, constraint: TopologySpreadConstraint) -> Matcher:
    selector = from_object(constraint.label_selector).matches
    labels = info.pod.metadata.labels
    same = tuple((key, labels[key]) for key in constraint.match_label_keys if key in labels)
    if not same:
        return selector

    def matches(candidate: Mapping[str, str]) -> bool:
        return selector(candidate) and all(candidate.get(key) == value for key, value in same)

    return matches


def _counts(info: PodInfo, nodes: NodeTable, matches: Matcher) -> Ints:
    """Pods of the same namespace that ``matches`` selects and that are not on their way out, per node."""
    namespace = info.pod.metadata.namespace
    return nodes.count_pods(
        g for g in nodes.groups.values() if g.namespace == namespace and not g.terminating and matches(g.labels)
    )


def _with_labels(nodes: NodeTable, constraints: list[TopologySpreadConstraint]) -> Mask:
    """Nodes that have the labels of all ``constraints``."""
    mask = nodes.present.copy()
    for constraint in constraints:
        mask &= nodes.label_codes(constraint.topology_key) >= 0
    return mask


def _counted(info: PodInfo, nodes: NodeTable, constraint: TopologySpreadConstraint, labelled: Mask) -> Mask:
    """Nodes that take part in a constraint, by its node affinity and taints policies."""
    mask = labelled
    if constraint.node_affinity_policy == "Honor" and (allowed := required_nodes(info, nodes)) is not None:
        mask = mask & allowed
    if constraint.node_taints_policy == "Honor":
        verdicts = [untolerated(info.pod.spec.tolerations, taints) is not None for taints in nodes.taint_sets]
        mask = mask & ~lookup(nodes.taints, verdicts)
    return mask


def _crowding(
    nodes: NodeTable, key: str, skew: int, counts: Ints, where: Mask, candidates: Mask
) -> NDArray[np.float64]:
    """What one constraint says of each node: pods in its domain, weighted by how many domains there are."""
    sums, codes = sum_by_domain(nodes, key, counts, where)
    domains = codes[candidates]
    size = len(domains) if key == HOSTNAME else np.count_nonzero(np.bincount(domains[domains >= 0]))
    crowding: NDArray[np.float64] = of_domain(sums, codes) * np.log(size + 2) + (skew - 1)
    return np.where(codes >= 0, crowding, 0.0)


def _default_crowding(info: PodInfo, nodes: NodeTable, feasible: Mask) -> Ints:
    """The default constraints; the pods of the same workload over hosts and zones."""
    counts = nodes.spread_out(nodes.workloads.get(info.workload, {}))
    (_, host_skew), (_, zone_skew) = DEFAULTS
    # Each node is its own host, so its count needs no sum; a node without zone is judged by its host alone.
    hosts = counts * np.log(np.count_nonzero(feasible) + 2) + (host_skew - 1)
    zones = _crowding(nodes, ZONE, zone_skew, counts, nodes.present, feasible)
    crowding: Ints = np.rint(hosts + zones).astype(np.int64)
    return crowding


class PodTopologySpread(Plugin):
    """Refuses nodes that would be ahead of the emptiest domain by more than ``maxSkew``."""

    name = "PodTopologySpread"
    weight = 2
    cluster_wide = True
    wakes_on = frozenset(
        {
            EventKind.POD_ADD,
            EventKind.POD_UPDATE,
            EventKind.POD_DELETE,
            EventKind.NODE_ADD,
            EventKind.NODE_LABEL,
            EventKind.NODE_TAINT,
            EventKind.TARGET_UPDATE,
        }
    )

    def pre_filter(self, info: PodInfo, nodes: NodeTable) -> Any:
        """Which nodes are refused; SKIP without hard constraints."""
        hard = _constraints(info, "DoNotSchedule")
        if not hard:
            return SKIP
        labelled = _with_labels(nodes, hard)
        skewed = rows_mask(nodes.size, [])
        for constraint in hard:
            matches = _matcher(info, constraint)
            where = _counted(info, nodes, constraint, labelled)
            counts = _counts(info, nodes, matches)
            sums, codes = sum_by_domain(nodes, constraint.topology_key, counts, where)
            domains = np.unique(codes[where])
            least = int(sums[domains].min()) if len(domains) else 0
            if constraint.min_domains is not None and len(domains) < constraint.min_domains:
                least = 0
            itself = int(matches(info.pod.metadata.labels))
            skewed |= of_domain(sums, codes) + itself - least > constraint.max_skew
        return _State(~labelled, skewed & labelled)

    def filter(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        """Nodes without the labels, and nodes that are ahead."""
        return [
            Refusal(state.missing[rows], LABEL_REASON, unresolvable=True),
            Refusal(state.skewed[rows], REASON),
        ]

    def pre_score(self, info: PodInfo, nodes: NodeTable, feasible: Mask) -> Any:
        """How full the domains of each node are, more so where there are many; -1 for nodes without the labels.

        The formula is upstream's ``scoreForCount``: pods in the domain x ln(domains + 2), plus maxSkew - 1.
        """
        if not info.pod.spec.topology_spread_constraints and info.workload:
            return _default_crowding(info, nodes, feasible)
        soft = _constraints(info, "ScheduleAnyway")
        if not soft:
            return SKIP
        labelled = _with_labels(nodes, soft)
        total = np.zeros(nodes.size, dtype=np.float64)
        for constraint in soft:
            where = _counted(info, nodes, constraint, labelled)
            counts = _counts(info, nodes, _matcher(info, constraint))
            key, skew = constraint.topology_key, constraint.max_skew
            total += _crowding(nodes, key, skew, counts, where, feasible & labelled)
        return np.where(labelled, np.rint(total).astype(np.int64), -1)

    def score(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        """That number."""
        scores: Ints = state[rows]
        return scores

    def normalize(self, scores: Ints) -> Ints:
        """The emptiest become 100; nodes without the labels 0."""
        valid = scores >= 0
        if not valid.any():
            return np.zeros_like(scores)
        lowest, highest = int(scores[valid].min()), int(scores[valid].max())
        if highest == 0:
            return np.where(valid, MAX_NODE_SCORE, 0)
        return np.where(valid, MAX_NODE_SCORE * (highest + lowest - scores) // highest, 0)

    def hint(self, event: ClusterEvent, info: PodInfo) -> bool:
        """A pod that none of the constraints counts changes nothing."""
        if event.pod is None or event.kind is EventKind.TARGET_UPDATE:
            return True
        labels = event.pod.metadata.labels
        same = event.pod.metadata.namespace == info.pod.metadata.namespace
        return same and any(_matcher(info, c)(labels) for c in _constraints(info, "DoNotSchedule"))


PLUGIN = PodTopologySpread
