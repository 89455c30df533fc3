"""SchedulingGates."""

from __future__ import annotations

from kube_lite.sched.plugins.scheduling_gates import SchedulingGates
from tests.sched.cluster import info


def test_a_pod_waits_while_it_has_gates() -> None:
    gated = info("p", schedulingGates=[{"name": "a"}, {"name": "b"}])
    assert SchedulingGates().pre_enqueue(gated) == "waiting for scheduling gates: [a b]"
    assert SchedulingGates().pre_enqueue(info("p")) is None
