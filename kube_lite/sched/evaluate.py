"""Filter, score and select, over all nodes at once.

Pods of one Deployment are alike, and between two of them usually one node has changed: the one that got the
first. So what was worked out for a class of pods is kept, and for the next of its kind only the nodes whose pods
changed since are asked again. Anything that changes a node itself (labels, taints, capacity) makes the class
start afresh, as does a pod with affinity to other pods. ``cluster_wide`` scores are worked out anew for each pod, and
a class that a ``cluster_wide`` filter has something to say about is not kept.

Arrays of an :class:`Evaluation` are never changed once it is made, so that it can be kept as an explanation.
"""

from __future__ import annotations

import random
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kube_lite.sched.framework import SKIP, Framework, Plugin, Refused
from kube_lite.sched.nodes import ALL_ROWS, Ints, Mask, NodeTable, Rows, rows_mask
from kube_lite.sched.podinfo import PodInfo

MAX_CLASSES = 512
"""Classes of pods kept at a time; the one used longest ago makes room."""

NO_NODES = "no nodes available to schedule pods"


class Reason(msgspec.Struct, frozen=True):
    """Why a node was refused, and by which plugin."""

    plugin: str
    text: str


class Evaluation(msgspec.Struct):
    """What came of one pod against all nodes; arrays have an entry per row of the node table."""

    names: tuple[str, ...]
    feasible: Mask
    verdicts: NDArray[np.int16]
    """0 where no plugin refused, else 1 + the index into ``reasons`` of the first refusal."""
    reasons: list[Reason]
    scores: dict[str, Ints] = msgspec.field(default_factory=dict)
    """Per plugin: raw scores of all rows; meaningful where feasible."""
    total: Ints | None = None
    """Weighted sum of normalised scores; -1 where not feasible."""
    row: int = -1
    """The node that was selected, or -1."""

    @property
    def node(self) -> str:
        """The name of the selected node, or ''."""
        return self.names[self.row] if self.row >= 0 else ""


class Unschedulable(msgspec.Struct, frozen=True):
    """No node fits: upstream's message, the plugins to blame, and where preemption cannot help."""

    message: str
    plugins: frozenset[str]
    unresolvable: Mask


class _Class(msgspec.Struct):
    """What is kept for one class of pods."""

    static_version: int
    position: int
    filters: list[tuple[Plugin, Any]]
    scorers: list[tuple[Plugin, Any]]
    evaluation: Evaluation


def unschedulable_message(nodes: int, reasons: Counter[str], whole: str = "") -> str:
    """``0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.``, as upstream's FitError."""
    texts = [whole] if whole else sorted(f"{count} {text}" for text, count in reasons.items())
    return f"0/{nodes} nodes are available" + (f": {', '.join(texts)}." if texts else ":")


class Evaluator:
    """Runs the filter and score plugins. Ties are broken by ``rng``, so that runs repeat."""

    def __init__(self, framework: Framework, nodes: NodeTable, rng: random.Random) -> None:
        self._framework = framework
        self._nodes = nodes
        self._rng = rng
        self._classes: OrderedDict[bytes, _Class] = OrderedDict()
        self._names: tuple[str, ...] = ()
        self._names_version = -1

    def select(self, info: PodInfo) -> Evaluation:
        """The best node for ``info``; ``row`` is -1 when none fits, and :meth:`explain_refusal` tells why."""
        known = self._refresh(info)
        if known is None:
            known = self._evaluate(info)
        evaluation = known.evaluation
        total = evaluation.total
        if total is not None:
            best = int(total.max())
            ties = np.flatnonzero(total == best)
            choice = int(ties[0] if len(ties) == 1 else ties[self._rng.randrange(len(ties))])
            evaluation = known.evaluation = _with_row(evaluation, choice)
        return evaluation

    # -- from the start

    def _row_names(self) -> tuple[str, ...]:
        if self._names_version != self._nodes.static_version:
            self._names = tuple(self._nodes.names)
            self._names_version = self._nodes.static_version
        return self._names

    def _evaluate(self, info: PodInfo) -> _Class:
        nodes = self._nodes
        filters = self._pre_filter(info)
        if isinstance(filters, Reason):
            nothing = rows_mask(nodes.size, [])
            refused = Evaluation(self._row_names(), nothing, np.zeros(nodes.size, dtype=np.int16), [])
            return _Class(-1, 0, [], [], refused)
        verdicts = np.zeros(nodes.size, dtype=np.int16)
        reasons: list[Reason] = []
        feasible = self._filter(info, filters, ALL_ROWS, nodes.present, verdicts, reasons)
        evaluation = Evaluation(self._row_names(), feasible, verdicts, reasons)
        scorers = self._pre_score(info, feasible) if feasible.any() else []
        evaluation.scores = {p.name: p.score(state, info, nodes, ALL_ROWS) for p, state in scorers}
        evaluation.total = _total(scorers, evaluation)
        known = _Class(nodes.static_version, nodes.position, filters, scorers, evaluation)
        if evaluation.total is not None and not any(plugin.cluster_wide for plugin, _ in filters):
            self._classes[info.signature] = known
            if len(self._classes) > MAX_CLASSES:
                self._classes.popitem(last=False)
        return known

    def _pre_filter(self, info: PodInfo) -> list[tuple[Plugin, Any]] | Reason:
        filters: list[tuple[Plugin, Any]] = []
        for plugin in self._framework.filters:
            state = plugin.pre_filter(info, self._nodes)
            if isinstance(state, Refused):
                return Reason(plugin.name, state.reason)
            if state is not SKIP:
                filters.append((plugin, state))
        return filters

    def _pre_score(self, info: PodInfo, feasible: Mask) -> list[tuple[Plugin, Any]]:
        states = [(plugin, plugin.pre_score(info, self._nodes, feasible)) for plugin in self._framework.scores]
        return [(plugin, state) for plugin, state in states if state is not SKIP]

    def _filter(
        self,
        info: PodInfo,
        filters: Sequence[tuple[Plugin, Any]],
        rows: Rows,
        alive: Mask,
        verdicts: NDArray[np.int16],
        reasons: list[Reason],
    ) -> Mask:
        """Which of ``rows`` pass; ``verdicts`` of the others are set, adding to ``reasons``."""
        alive = alive.copy()
        for plugin, state in filters:
            refusals = plugin.filter(state, info, self._nodes, rows)
            before = alive
            for refusal in refusals:
                hit = alive & refusal.mask
                if hit.any():
                    verdicts[hit] = _reason_code(reasons, plugin.name, refusal.reason)
                    alive = alive & ~refusal.mask
            if alive is not before and not alive.any():
                break
        return alive

    # -- from what is known of the class

    def _refresh(self, info: PodInfo) -> _Class | None:
        """The kept class of ``info`` brought up to date, or None when it must start afresh."""
        nodes = self._nodes
        known = self._classes.get(info.signature)
        if known is None:
            return None
        rows = nodes.changed_since(known.position) if known.static_version == nodes.static_version else None
        if rows is None or len(rows) * 4 > nodes.size:
            del self._classes[info.signature]
            return None
        self._classes.move_to_end(info.signature)
        if rows or any(plugin.cluster_wide for plugin, _ in known.scorers):
            # A slice makes views, which for the usual single row is much cheaper than an index array.
            single = len(rows) == 1
            self._update(info, known, slice(rows[0], rows[0] + 1) if single else np.asarray(rows, dtype=np.intp))
            known.position = nodes.position
            if known.evaluation.total is None:
                del self._classes[info.signature]
        return known

    def _update(self, info: PodInfo, known: _Class, rows: Rows) -> None:
        old, nodes = known.evaluation, self._nodes
        present = nodes.present[rows]
        verdicts = np.zeros(len(present), dtype=np.int16)
        reasons = list(old.reasons)
        passed = self._filter(info, known.filters, rows, present, verdicts, reasons)
        new = Evaluation(old.names, old.feasible.copy(), old.verdicts.copy(), reasons)
        new.feasible[rows] = passed
        new.verdicts[rows] = verdicts
        for plugin, state in known.scorers:
            if plugin.cluster_wide:
                anew = plugin.pre_score(info, nodes, new.feasible)
                new.scores[plugin.name] = plugin.score(anew, info, nodes, ALL_ROWS)
                continue
            scores = old.scores[plugin.name].copy()
            scores[rows] = plugin.score(state, info, nodes, rows)
            new.scores[plugin.name] = scores
        new.total = _total(known.scorers, new)
        known.evaluation = new

    # -- when nothing fits

    def explain_refusal(self, info: PodInfo) -> Unschedulable:
        """Why no node fits, counted over all nodes; every reason of the first plugin that refuses a node."""
        nodes = self._nodes
        total = nodes.count
        unresolvable = rows_mask(nodes.size, [])
        if not total:
            everyone = frozenset(plugin.name for plugin in self._framework.filters)
            return Unschedulable(NO_NODES, everyone, unresolvable)
        filters = self._pre_filter(info)
        if isinstance(filters, Reason):
            unresolvable[:] = True
            message = unschedulable_message(total, Counter(), filters.text)
            return Unschedulable(message, frozenset({filters.plugin}), unresolvable)
        alive = nodes.present.copy()
        reasons: Counter[str] = Counter()
        blame = set()
        for plugin, state in filters:
            refused = rows_mask(nodes.size, [])
            for refusal in plugin.filter(state, info, nodes, ALL_ROWS):
                hit = alive & refusal.mask
                if count := int(np.count_nonzero(hit)):
                    reasons[refusal.reason] += count
                    blame.add(plugin.name)
                    refused |= hit
                    if refusal.unresolvable:
                        unresolvable |= hit
            alive &= ~refused
        return Unschedulable(unschedulable_message(total, reasons), frozenset(blame), unresolvable)

    def fits(self, info: PodInfo, row: int) -> bool:
        """Whether ``info`` fits the node at ``row`` as the table is now; asks every filter afresh."""
        filters = self._pre_filter(info)
        if isinstance(filters, Reason):
            return False
        rows = np.asarray([row], dtype=np.intp)
        alive = self._nodes.present[rows]
        return bool(self._filter(info, filters, rows, alive, np.zeros(1, dtype=np.int16), [])[0])


def _reason_code(reasons: list[Reason], plugin: str, text: str) -> int:
    reason = Reason(plugin, text)
    if reason not in reasons:
        reasons.append(reason)
    return reasons.index(reason) + 1


def _total(scorers: Sequence[tuple[Plugin, Any]], evaluation: Evaluation) -> Ints | None:
    """The weighted sum of normalised scores, -1 where not feasible; None when no node is."""
    feasible = evaluation.feasible
    if not feasible.any():
        return None
    total = np.zeros(len(feasible), dtype=np.int64)
    for plugin, _ in scorers:
        scores = evaluation.scores[plugin.name]
        if type(plugin).normalize is Plugin.normalize:
            total += scores * plugin.weight
        else:
            # Only the nodes that fit take part in normalisation, as upstream scores only these.
            total[feasible] += plugin.normalize(scores[feasible]) * plugin.weight
    total[~feasible] = -1
    return total


def _with_row(evaluation: Evaluation, row: int) -> Evaluation:
    return Evaluation(
        evaluation.names,
        evaluation.feasible,
        evaluation.verdicts,
        evaluation.reasons,
        evaluation.scores,
        evaluation.total,
        row,
    )
