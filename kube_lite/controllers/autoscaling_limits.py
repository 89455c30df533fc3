"""How far and how fast an autoscaler may go (upstream: ``podautoscaler/horizontal.go``).

First a recommendation is held against those of the last minutes, so that a short dip does not shrink a workload;
then the bounds and the rates of the behavior apply. What is remembered for that is lost with the process, whose
successor begins with the present size as its first recommendation.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import msgspec

from kube_lite import clock
from kube_lite.resources.meta import View

DOWN_WINDOW = 300
"""Seconds of recommendations that a shrinking is held against without a behavior (upstream's flag)."""

MAX_WINDOW = 3600.0
"""Seconds that anything is remembered: the longest window that may be asked for."""

MAX_REMEMBERED = 1024
"""Entries remembered of each kind; the oldest go first. A reconcile every 15 s makes 240 in the longest window."""


class Policy(View, frozen=True):
    """So many Pods or Percent in a period of seconds."""

    type: str = "Pods"
    value: int = 0
    period_seconds: int = 15


class Rules(View, frozen=True):
    """How to scale in one direction; times in seconds."""

    stabilization_window_seconds: int | None = None
    select_policy: str = "Max"
    policies: list[Policy] = []
    tolerance: str | None = None


class Behavior(View, frozen=True):
    """Rules for both directions."""

    scale_up: Rules = Rules()
    scale_down: Rules = Rules()


class Memory(msgspec.Struct):
    """What an autoscaler remembers: ``(moment, replicas)`` of recommendations, ``(moment, change)`` of scalings."""

    recommendations: deque[tuple[float, int]] = msgspec.field(default_factory=lambda: deque(maxlen=MAX_REMEMBERED))
    changes: deque[tuple[float, int]] = msgspec.field(default_factory=lambda: deque(maxlen=MAX_REMEMBERED))

    def since(self, seconds: float) -> list[int]:
        """Recommendations of the last seconds."""
        start = clock.monotonic() - seconds
        return [replicas for moment, replicas in self.recommendations if moment >= start]

    def recommended(self, replicas: int) -> None:
        """Remember a recommendation."""
        self.recommendations.append((clock.monotonic(), replicas))
        while self.recommendations[0][0] < clock.monotonic() - MAX_WINDOW:
            self.recommendations.popleft()

    def scaled(self, change: int) -> None:
        """Remember that so many pods were added, or taken away."""
        self.changes.append((clock.monotonic(), change))

    def size_before(self, current: int, seconds: float) -> int:
        """How many replicas there were so many seconds ago."""
        start = clock.monotonic() - seconds
        return current - sum(change for moment, change in self.changes if moment > start)


class Limit(msgspec.Struct, frozen=True):
    """A size within the bounds, with reason and message of the condition that tells of it."""

    replicas: int
    reason: str
    message: str

    @property
    def limited(self) -> bool:
        """Whether the bounds changed anything."""
        return self.reason != "DesiredWithinRange"


def stabilized(memory: Memory, current: int, wanted: int, behavior: Behavior | None) -> Limit:
    """``wanted`` held against former recommendations, for the condition AbleToScale."""
    memory.recommended(wanted)
    up = (behavior.scale_up.stabilization_window_seconds or 0) if behavior is not None else 0
    down = behavior.scale_down.stabilization_window_seconds if behavior is not None else None
    lowest = min([wanted, *memory.since(up)]) if up else wanted
    highest = max([wanted, *memory.since(DOWN_WINDOW if down is None else down)])
    # between the two the present size stands
    result = highest if behavior is None else min(max(current, lowest), highest)
    if result == wanted:
        return Limit(result, "ReadyForNewScale", "recommended size matches current size")
    if result < wanted:
        message = "recent recommendations were lower than current one, applying the lowest recent recommendation"
        return Limit(result, "ScaleUpStabilized", message)
    message = "recent recommendations were higher than current one, applying the highest recent recommendation"
    return Limit(result, "ScaleDownStabilized", message)


def bounded(memory: Memory, current: int, wanted: int, least: int, most: int, behavior: Behavior | None) -> Limit:
    """``wanted`` within the bounds and rates, for the condition ScalingLimited."""
    if wanted > current:
        rate = max(2 * current, 4) if behavior is None else _rate_up(memory, current, behavior.scale_up)
        # the present size stands even where the rate would not have allowed it
        limit = min(most, max(rate, current))
        if wanted > limit:
            if limit == most:
                return Limit(most, "TooManyReplicas", _TOO_MANY)
            message = "the desired replica count is increasing faster than the maximum scale rate"
            return Limit(limit, "ScaleUpLimit", message)
    elif wanted < current:
        rate = 0 if behavior is None else _rate_down(memory, current, behavior.scale_down)
        limit = max(least, min(rate, current))
        if wanted < limit:
            if limit == least:
                return Limit(least, "TooFewReplicas", _TOO_FEW)
            message = "the desired replica count is decreasing faster than the maximum scale rate"
            return Limit(limit, "ScaleDownLimit", message)
    if wanted < least:
        return Limit(least, "TooFewReplicas", _TOO_FEW)
    if wanted > most:
        return Limit(most, "TooManyReplicas", _TOO_MANY)
    return Limit(wanted, "DesiredWithinRange", "the desired count is within the acceptable range")


_TOO_FEW = "the desired replica count is less than the minimum replica count"
_TOO_MANY = "the desired replica count is more than the maximum replica count"


def _rate_up(memory: Memory, current: int, rules: Rules) -> int:
    """The largest size that the policies allow now."""
    sizes = []
    for policy in rules.policies:
        start = memory.size_before(current, policy.period_seconds)
        more = policy.value if policy.type == "Pods" else math.ceil(start * policy.value / 100)
        sizes.append(start + more)
    return _selected(rules, sizes, current, largest=rules.select_policy != "Min")


def _rate_down(memory: Memory, current: int, rules: Rules) -> int:
    """The smallest size that the policies allow now."""
    sizes = []
    for policy in rules.policies:
        start = memory.size_before(current, policy.period_seconds)
        rest = start - policy.value if policy.type == "Pods" else int(start * (1 - policy.value / 100))
        sizes.append(rest)
    return _selected(rules, sizes, current, largest=rules.select_policy == "Min")


def _selected(rules: Rules, sizes: Sequence[int], current: int, *, largest: bool) -> int:
    if rules.select_policy == "Disabled" or not sizes:
        return current
    return max(sizes) if largest else min(sizes)
