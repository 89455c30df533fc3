"""PrioritySort: higher priority first, then who has waited longest."""

from __future__ import annotations

from kube_lite.sched.framework import Plugin
from kube_lite.sched.podinfo import PodInfo


class PrioritySort(Plugin):
    """The order of the queue."""

    name = "PrioritySort"

    def sort_key(self, info: PodInfo, queued_at: float) -> tuple[float, ...]:
        """Priority downwards, time upwards."""
        return (-info.priority, queued_at)


PLUGIN = PrioritySort
