"""How fast failed nodes may be emptied, by the state of their zone.

A few failed nodes are emptied one by one. When most nodes of a zone fail together it is likelier that the
controller's view is broken, so a large zone is emptied ten times slower and a small one not at all; when every
node everywhere has failed, nothing is. Figures are upstream's (``pkg/controller/nodelifecycle``).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kube_lite.controllers.settings import ControllerSettings
from kube_lite.resources.views import Node

NORMAL, PARTIAL, FULL = "Normal", "PartialDisruption", "FullDisruption"

MIN_FAILED = 3
"""Failed nodes below which a zone never counts as partly disrupted."""


def zone_of(node: Node) -> str:
    """Region and zone of a node; nodes without the labels are in one zone."""
    labels = node.metadata.labels
    return f"{labels.get('topology.kubernetes.io/region', '')}/{labels.get('topology.kubernetes.io/zone', '')}"


def state_of(ready: Iterable[bool], threshold: float) -> str:
    """The state of a zone whose nodes are ready or not."""
    answers = list(ready)
    failed = answers.count(False)
    if failed and failed == len(answers):
        return FULL
    if failed >= MIN_FAILED and failed / len(answers) >= threshold:
        return PARTIAL
    return NORMAL


def rate_of(state: str, nodes: int, settings: ControllerSettings) -> float:
    """Nodes a second that may be emptied in a zone; a zone that failed wholly while others live is normal."""
    if state != PARTIAL:
        return settings.node_eviction_rate
    if nodes > settings.large_cluster_size_threshold:
        return settings.secondary_node_eviction_rate
    return 0.0


class Limiter(msgspec.Struct):
    """A bucket of one token, refilled at ``rate`` a second."""

    rate: float
    tokens: float = 1.0
    at: float = 0.0

    def take(self, now: float) -> bool:
        """Take the token if it is there."""
        self._refill(now)
        # a hair below one is one: the refill is a sum of fractions
        if self.rate <= 0 or self.tokens < 1 - 1e-9:
            return False
        self.tokens = max(0.0, self.tokens - 1)
        return True

    def change(self, rate: float, now: float) -> None:
        """Go on at another rate; a rate from before counts for the time before."""
        self._refill(now)
        self.rate = rate

    def _refill(self, now: float) -> None:
        self.tokens = min(1.0, self.tokens + (now - self.at) * self.rate)
        self.at = now
