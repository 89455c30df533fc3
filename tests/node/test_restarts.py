"""What to start and stop, as a table; and the back-off on its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import msgspec
import pytest

from kube_lite import clock
from kube_lite.node.restarts import BackOff, decide
from kube_lite.node.runtime import ContainerPhase, ContainerState
from kube_lite.resources.kinds.pod.view import Pod


def state(text: str) -> ContainerState:
    """``run``, ``made``, ``lost`` or an exit code."""
    phases = {"run": ContainerPhase.RUNNING, "made": ContainerPhase.CREATED, "lost": ContainerPhase.UNKNOWN}
    phase = phases.get(text, ContainerPhase.EXITED)
    code = int(text) if text.isdigit() else 0
    return ContainerState(name="", attempt=0, phase=phase, container_id="", image="", exit_code=code)


def make(init: str, main: str, policy: str) -> Pod:
    """Containers by name; a name ending in ``*`` is a sidecar."""

    def containers(names: str) -> list[dict[str, Any]]:
        return [
            {"name": n.rstrip("*"), "restartPolicy": "Always"} if n.endswith("*") else {"name": n}
            for n in names.split()
        ]

    spec = {"initContainers": containers(init), "containers": containers(main), "restartPolicy": policy}
    return msgspec.convert({"spec": spec}, Pod)


@pytest.mark.parametrize(
    ("init", "main", "policy", "states", "start", "stop", "finished"),
    [
        ("", "a b", "Always", "", "a b", "", False),
        ("", "a b", "Always", "a=run", "b", "", False),
        ("", "a", "Always", "a=0", "a", "", False),
        ("", "a", "Always", "a=made", "a", "", False),
        ("", "a", "Always", "a=lost", "a", "", False),
        ("", "a", "OnFailure", "a=0", "", "", True),
        ("", "a", "OnFailure", "a=1", "a", "", False),
        ("", "a", "OnFailure", "a=lost", "a", "", False),
        ("", "a b", "OnFailure", "a=0 b=run", "", "", False),
        ("", "a", "Never", "a=1", "", "", True),
        ("", "a b", "Never", "a=1 b=run", "", "", False),
        ("i j", "a", "Always", "", "i", "", False),
        ("i j", "a", "Always", "i=run", "", "", False),
        ("i j", "a", "Always", "i=0", "j", "", False),
        ("i j", "a", "Always", "i=1", "i", "", False),
        ("i j", "a", "Never", "i=1", "", "", True),
        ("i j", "a", "Never", "i=0 j=0", "a", "", False),
        ("i", "a", "Always", "a=run", "", "", False),
        ("s* i", "a", "Never", "", "s", "", False),
        ("s* i", "a", "Never", "s=run", "i", "", False),
        ("s* i", "a", "Never", "s=1", "s", "", False),
        ("s* i", "a", "Never", "s=run i=0", "a", "", False),
        ("s* i", "a", "Never", "s=1 i=0 a=run", "s", "", False),
        ("s* t*", "a", "Never", "s=run t=run a=0", "", "t s", True),
        ("s* i", "a", "Never", "s=run i=3", "", "s", True),
        ("s*", "a", "Never", "s=0 a=0", "", "", True),
    ],
)
def test_decide(init: str, main: str, policy: str, states: str, start: str, stop: str, finished: bool) -> None:
    latest = {name: state(text) for name, _, text in (part.partition("=") for part in states.split())}
    decision = decide(make(init, main, policy), latest)
    assert [c.name for c in decision.start] == start.split()
    assert [c.name for c in decision.stop] == stop.split()
    assert decision.finished is finished


def test_what_follows_a_sidecar_waits_until_it_has_started() -> None:
    decision = decide(make("s*", "a", "Always"), {"s": state("run")}, started=lambda name: False)
    assert decision.start == []
    assert not decision.initialized


def test_a_container_ended_by_its_probe_counts_as_failed() -> None:
    pod = make("", "a", "OnFailure")
    assert [c.name for c in decide(pod, {"a": state("0")}, failed={"a"}).start] == ["a"]


def test_a_delay_doubles_up_to_the_maximum_and_begins_anew_after_twice_that() -> None:
    async def story() -> list[float]:
        backoff = BackOff(10, 300)
        seen = []
        for run in (1, 1, 1, 1, 1, 1, 1, 599, 601, 1):
            await anyio.sleep(run)
            ended = clock.now()
            seen.append(backoff.remaining("k", ended))
            await anyio.sleep(seen[-1])
            backoff.next("k", ended)
        return seen

    assert clock.run_virtual(story()) == [0, 10, 20, 40, 80, 160, 300, 300, 0, 10]


def test_a_delay_is_known_again_after_a_restart_of_the_executor() -> None:
    async def story() -> None:
        backoff = BackOff(10, 300)
        began = clock.now() - timedelta(seconds=5)
        backoff.restore("k", 3, began)
        assert backoff.remaining("k", clock.now()) == 40
        backoff.restore("first", 0, began)
        assert backoff.remaining("first", clock.now()) == 0
        backoff.forget("k")
        assert backoff.remaining("k", clock.now()) == 0

    clock.run_virtual(story())
