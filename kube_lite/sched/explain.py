"""Why a pod is where it is: the last decisions of the scheduler, kept and turned into plain data when asked.

A decision keeps the arrays of its evaluation, which nobody changes any more; nothing is formatted until somebody
looks. The log is bounded: the oldest decision makes room.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
import numpy as np

from kube_lite.sched.evaluate import Evaluation

MAX_DECISIONS = 256
"""Pods whose last decision is kept."""

MAX_SCORED = 100
"""Scored nodes told per decision, best first."""


class RefusedNodes(msgspec.Struct, frozen=True):
    """The nodes that one plugin refused for one reason."""

    plugin: str
    reason: str
    nodes: Sequence[str]


class ScoredNode(msgspec.Struct, frozen=True):
    """A node that fits: its total, and what each plugin gave before normalisation and weight."""

    node: str
    total: int
    scores: Mapping[str, int]


class Explanation(msgspec.Struct, frozen=True):
    """One scheduling decision about ``pod`` (``namespace/name``); ``node`` is '' when none fitted."""

    pod: str
    uid: str
    time: datetime
    node: str
    message: str
    refused: Sequence[RefusedNodes]
    scored: Sequence[ScoredNode]


class _Decision(msgspec.Struct, frozen=True):
    uid: str
    time: datetime
    evaluation: Evaluation
    message: str


class Explanations:
    """The last decision about each of the last pods."""

    def __init__(self, limit: int = MAX_DECISIONS) -> None:
        self._limit = limit
        self._decisions: OrderedDict[str, _Decision] = OrderedDict()

    def note(self, pod: str, uid: str, time: datetime, evaluation: Evaluation, message: str = "") -> None:
        """Keep a decision, in place of an earlier one about the same pod."""
        self._decisions.pop(pod, None)
        self._decisions[pod] = _Decision(uid, time, evaluation, message)
        if len(self._decisions) > self._limit:
            self._decisions.popitem(last=False)

    def pods(self) -> list[str]:
        """Pods that can be explained, the latest last."""
        return list(self._decisions)

    def get(self, pod: str) -> Explanation | None:
        """The last decision about ``namespace/name``, if it is still kept."""
        decision = self._decisions.get(pod)
        if decision is None:
            return None
        evaluation = decision.evaluation
        return Explanation(
            pod=pod,
            uid=decision.uid,
            time=decision.time,
            node=evaluation.node,
            message=decision.message,
            refused=_refused(evaluation),
            scored=_scored(evaluation),
        )


def _refused(evaluation: Evaluation) -> list[RefusedNodes]:
    groups = []
    for code, reason in enumerate(evaluation.reasons, start=1):
        rows = np.flatnonzero(evaluation.verdicts == code)
        if len(rows):
            groups.append(RefusedNodes(reason.plugin, reason.text, [evaluation.names[row] for row in rows]))
    return groups


def _scored(evaluation: Evaluation) -> list[ScoredNode]:
    total = evaluation.total
    if total is None:
        return []
    order = np.argsort(-total, kind="stable")[:MAX_SCORED]
    return [
        ScoredNode(
            evaluation.names[row],
            int(total[row]),
            {plugin: int(scores[row]) for plugin, scores in evaluation.scores.items()},
        )
        for row in order
        if total[row] >= 0
    ]
