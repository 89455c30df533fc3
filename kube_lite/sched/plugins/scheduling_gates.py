"""SchedulingGates: a pod with gates waits until all of them are gone."""

from __future__ import annotations

from kube_lite.sched.framework import EventKind, Plugin
from kube_lite.sched.podinfo import PodInfo


class SchedulingGates(Plugin):
    """Keeps gated pods out of the queue."""

    name = "SchedulingGates"
    wakes_on = frozenset({EventKind.TARGET_UPDATE})

    def pre_enqueue(self, info: PodInfo) -> str | None:
        """The gates that are left, in upstream's words."""
        gates = [gate.name for gate in info.pod.spec.scheduling_gates]
        return f"waiting for scheduling gates: [{' '.join(gates)}]" if gates else None


PLUGIN = SchedulingGates
