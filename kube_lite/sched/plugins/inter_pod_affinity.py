"""InterPodAffinity: pods that want to be near to, or away from, other pods.

Pods are looked at by group (same namespace and labels), so a term is matched once per group and not per pod, and
sums over topology domains are column operations. Required terms refuse nodes, preferred ones score them; the
terms of pods that run already count as well, as upstream's do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from kube_lite.resources.kinds.pod.view import Pod, PodAffinity, PodAffinityTerm
from kube_lite.resources.meta import LabelSelector
from kube_lite.resources.selectors import NOTHING, Matcher, SelectorError, from_object
from kube_lite.sched.framework import MAX_NODE_SCORE, SKIP, ClusterEvent, EventKind, Plugin, Refusal
from kube_lite.sched.nodes import Ints, Mask, NodeTable, PodGroup, Rows, rows_mask
from kube_lite.sched.podinfo import PodInfo
from kube_lite.sched.topology import of_domain, sum_by_domain

HARD_AFFINITY_WEIGHT = 1
"""What a running pod's required affinity counts for in scores (upstream's hardPodAffinityWeight)."""

AFFINITY_REASON = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY_REASON = "node(s) didn't match pod anti-affinity rules"
EXISTING_REASON = "node(s) didn't satisfy existing pods anti-affinity rules"
ANY_REASON = "node(s) didn't match pod affinity/anti-affinity"
"""Counted beside the reason in particular, as upstream did up to 1.20."""


class _Term(msgspec.Struct, frozen=True):
    """An affinity term made ready for matching."""

    key: str
    weight: int
    namespaces: frozenset[str]
    namespace_matches: Matcher | None
    matches: Matcher

    def takes(self, namespace: str, labels: Mapping[str, str], nodes: NodeTable) -> bool:
        """Whether the term is about a pod with ``labels`` in ``namespace``."""
        if not self.matches(labels):
            return False
        if namespace in self.namespaces:
            return True
        return self.namespace_matches is not None and self.namespace_matches(nodes.namespaces.get(namespace, {}))


def _matcher(selector: LabelSelector | None) -> Matcher:
    """A selector that validation should have refused selects nothing; it must not stop other pods."""
    try:
        return from_object(selector).matches
    except SelectorError:
        return NOTHING.matches


def _term(pod: Pod, term: PodAffinityTerm, weight: int = 0) -> _Term:
    selector = _matcher(term.label_selector)
    labels = pod.metadata.labels
    same = tuple((key, labels[key]) for key in term.match_label_keys if key in labels)
    other = tuple((key, labels[key]) for key in term.mismatch_label_keys if key in labels)

    def matches(candidate: Mapping[str, str]) -> bool:
        return (
            selector(candidate)
            and all(candidate.get(key) == value for key, value in same)
            and all(candidate.get(key) != value for key, value in other)
        )

    own = not term.namespaces and term.namespace_selector is None
    return _Term(
        key=term.topology_key,
        weight=weight,
        namespaces=frozenset([pod.metadata.namespace] if own else term.namespaces),
        namespace_matches=_matcher(term.namespace_selector) if term.namespace_selector is not None else None,
        matches=matches if same or other else selector,
    )


def _required(pod: Pod, affinity: PodAffinity | None) -> list[_Term]:
    terms = affinity.required_during_scheduling_ignored_during_execution if affinity is not None else []
    return [_term(pod, term) for term in terms]


def _preferred(pod: Pod, affinity: PodAffinity | None, sign: int) -> list[_Term]:
    wishes = affinity.preferred_during_scheduling_ignored_during_execution if affinity is not None else []
    return [_term(pod, wish.pod_affinity_term, sign * wish.weight) for wish in wishes]


class _Terms(msgspec.Struct, frozen=True):
    """The terms of one pod; weights of preferred anti-affinity are negative."""

    near: Sequence[_Term]
    away: Sequence[_Term]
    preferred: Sequence[_Term]


def _terms(pod: Pod) -> _Terms:
    affinity = pod.spec.affinity
    near = affinity.pod_affinity if affinity is not None else None
    away = affinity.pod_anti_affinity if affinity is not None else None
    preferred = [*_preferred(pod, near, 1), *_preferred(pod, away, -1)]
    return _Terms(_required(pod, near), _required(pod, away), preferred)


def _running_terms(nodes: NodeTable) -> list[tuple[_Terms, Ints]]:
    """The terms of running pods, with how many pods on each node have them."""
    return [(_terms(info.pod), nodes.spread_out(rows)) for info, rows in nodes.affinity_groups.values()]


def _by_domain(nodes: NodeTable, key: str, counts: Ints) -> Ints:
    """The sum of ``counts`` over the domain of each node."""
    return of_domain(*sum_by_domain(nodes, key, counts, nodes.present))


def _groups(nodes: NodeTable, terms: Sequence[_Term]) -> list[PodGroup]:
    """Groups of pods that all of ``terms`` are about."""
    return [g for g in nodes.groups.values() if all(t.takes(g.namespace, g.labels, nodes) for t in terms)]


class InterPodAffinity(Plugin):
    """Refuses nodes against required terms, likes nodes by preferred ones."""

    name = "InterPodAffinity"
    weight = 2
    cluster_wide = True
    wakes_on = frozenset(
        {
            EventKind.POD_ADD,
            EventKind.POD_UPDATE,
            EventKind.POD_DELETE,
            EventKind.NODE_ADD,
            EventKind.NODE_LABEL,
            EventKind.TARGET_UPDATE,
        }
    )

    def pre_filter(self, info: PodInfo, nodes: NodeTable) -> Any:
        """Masks of the nodes that each of the three rules refuses; SKIP when no pod has any terms."""
        own = _terms(info.pod)
        # Whether to skip must not depend on the pod's labels, which are no part of its class.
        if not own.near and not own.away and not nodes.affinity_groups:
            return SKIP
        away = rows_mask(nodes.size, [])
        for term in own.away:
            counts = nodes.count_pods(_groups(nodes, [term]))
            away |= _by_domain(nodes, term.key, counts) > 0
        return self._too_far(info, own.near, nodes), away, self._against_existing(info, nodes)

    def _too_far(self, info: PodInfo, near: Sequence[_Term], nodes: NodeTable) -> Mask:
        refused = rows_mask(nodes.size, [])
        if not near:
            return refused
        counts = nodes.count_pods(_groups(nodes, near))
        anybody = False
        lacking = refused.copy()
        for term in near:
            sums, codes = sum_by_domain(nodes, term.key, counts, nodes.present)
            anybody = anybody or bool(sums.any())
            lacking |= codes < 0
            refused |= of_domain(sums, codes) == 0
        meta = info.pod.metadata
        if not anybody and all(term.takes(meta.namespace, meta.labels, nodes) for term in near):
            return lacking  # the first of a group of pods that want to be together
        return refused | lacking

    def _against_existing(self, info: PodInfo, nodes: NodeTable) -> Mask:
        refused = rows_mask(nodes.size, [])
        meta = info.pod.metadata
        for terms, counts in _running_terms(nodes):
            for term in terms.away:
                if term.takes(meta.namespace, meta.labels, nodes):
                    refused |= _by_domain(nodes, term.key, counts) > 0
        return refused

    def filter(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        """In upstream's order: too far from some, too near to others, unwelcome to pods already there."""
        near, away, existing = state
        return [
            Refusal(near[rows], AFFINITY_REASON, unresolvable=True),
            Refusal(away[rows] & ~near[rows], ANTI_AFFINITY_REASON),
            Refusal(existing[rows] & ~near[rows] & ~away[rows], EXISTING_REASON),
            Refusal((near | away | existing)[rows], ANY_REASON),
        ]

    def pre_score(self, info: PodInfo, nodes: NodeTable, feasible: Mask) -> Any:
        """The sum of weights of each node; SKIP when nobody wishes anything."""
        meta = info.pod.metadata
        own = _terms(info.pod).preferred
        if not own and not nodes.affinity_groups:
            return SKIP
        total = np.zeros(nodes.size, dtype=np.int64)
        for term in own:
            counts = nodes.count_pods(_groups(nodes, [term]))
            total += term.weight * _by_domain(nodes, term.key, counts)
        for terms, counts in _running_terms(nodes):
            wishes = [(t, t.weight) for t in terms.preferred] + [(t, HARD_AFFINITY_WEIGHT) for t in terms.near]
            for term, weight in wishes:
                if term.takes(meta.namespace, meta.labels, nodes):
                    total += weight * _by_domain(nodes, term.key, counts)
        return total

    def score(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        """That sum; may be negative."""
        sums: Ints = state[rows]
        return sums

    def normalize(self, scores: Ints) -> Ints:
        """The span from the lowest to the highest becomes 0..100."""
        lowest, highest = int(scores.min()), int(scores.max())
        if lowest == highest:
            return np.zeros_like(scores)
        return (scores - lowest) * MAX_NODE_SCORE // (highest - lowest)

    def hint(self, event: ClusterEvent, info: PodInfo) -> bool:
        """A pod that none of the terms of either is about changes nothing."""
        if event.pod is None or event.kind is EventKind.TARGET_UPDATE:
            return True
        # Selectors of namespaces are not looked at here: being woken once too often does no harm.
        own, other = _terms(info.pod), _terms(event.pod)
        return any(t.matches(event.pod.metadata.labels) for t in (*own.near, *own.away)) or any(
            t.matches(info.pod.metadata.labels) for t in other.away
        )


PLUGIN = InterPodAffinity
