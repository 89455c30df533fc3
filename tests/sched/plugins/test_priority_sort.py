"""PrioritySort."""

from __future__ import annotations

from kube_lite.sched.plugins.priority_sort import PrioritySort
from tests.sched.cluster import info


def test_priority_comes_before_age() -> None:
    key = PrioritySort().sort_key
    low, high = info("low"), info("high", priority=1)
    assert key(high, 9.0) < key(low, 1.0) < key(low, 2.0)
