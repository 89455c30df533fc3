"""Evicts a pod whose emptyDir volumes have grown beyond their ``sizeLimit``; looked at every ten seconds, as upstream.

What is counted is the space on disk, not the length of files. A volume in memory needs no watching: it cannot grow
beyond its size.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from kube_lite import clock
from kube_lite.node.context import NodeContext
from kube_lite.node.status import PodView, Verdict
from kube_lite.resources import quantity
from kube_lite.resources.kinds.pod.view import Pod

EVICTED = "Evicted"


class UsageWatch:
    """Looks at the volumes of one pod; what it finds becomes ``view.verdict``.

    :param pod: gives the newest version of the pod
    """

    def __init__(self, node: NodeContext, view: PodView, pod: Callable[[], Pod]) -> None:
        self._node = node
        self._view = view
        self._pod = pod
        self._limits = {
            str(volume["name"]): str(volume["emptyDir"]["sizeLimit"])
            for volume in pod().spec.volumes
            if (volume.get("emptyDir") or {}).get("sizeLimit") and volume["emptyDir"].get("medium") != "Memory"
        }
        self._next: datetime = clock.now() + timedelta(seconds=node.settings.usage_period)

    def due(self) -> float | None:
        """Seconds until the next look, 0 for now, None for never."""
        if not self._limits or self._view.verdict is not None or self._view.finished:
            return None
        return max(0.0, (self._next - clock.now()).total_seconds())

    async def look(self) -> None:
        """Give the pod up if one of its volumes is too large."""
        self._next = clock.now() + timedelta(seconds=self._node.settings.usage_period)
        pod = self._pod()
        for name, limit in self._limits.items():
            allowed = quantity.value(limit)
            if allowed > 0 and await self._node.volumes.used(pod, name) > allowed:
                message = f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
                self._node.event(pod, "Warning", EVICTED, message)
                self._view.verdict = Verdict(EVICTED, message)
                return
