"""Probes act at exact times, and what they find ends up in status, events and restarts."""

from __future__ import annotations

import anyio
import pytest

from kube_lite import clock
from kube_lite.node.dialer import Answer
from kube_lite.node.probes import Streak
from kube_lite.node.runtime import ExecResult
from tests.node.fake_runtime import FakeRuntime, Program
from tests.node.harness import container, deleted, pod, run, running_node

URL = "http://10.0.0.1:8080/healthz"
GET = {"httpGet": {"port": "web", "path": "/healthz"}, "periodSeconds": 5, "failureThreshold": 2}
PORTS = [{"name": "web", "containerPort": 8080}]


@pytest.mark.parametrize(
    ("thresholds", "results", "expected"),
    [
        ((1, 1), [True, False], [True, False]),
        ((1, 3), [False, False, False, False], [None, None, False, False]),
        ((2, 1), [True, True], [None, True]),
        ((1, 2), [False, True, False, False], [None, True, None, False]),
    ],
)
def test_a_result_counts_once_it_has_come_often_enough_in_a_row(
    thresholds: tuple[int, int], results: list[bool], expected: list[bool | None]
) -> None:
    streak = Streak(*thresholds)
    assert [streak.add(result) for result in results] == expected


def test_a_container_is_ready_while_its_readiness_probe_says_so() -> None:
    async def story() -> None:
        async with running_node() as node:
            probe = {**GET, "initialDelaySeconds": 3}
            node.client.put("pods", pod("p", container(ports=PORTS, readinessProbe=probe)))
            await anyio.sleep(4)
            assert node.status()["phase"] == "Running"
            assert node.condition("Ready")["status"] == "False"
            message = f'Readiness probe failed: Get "{URL}": dial tcp: connect: connection refused'
            assert ("Unhealthy", message, 1) in node.client.events()
            node.dialer.http[URL] = 204
            await anyio.sleep(5)
            assert node.condition("Ready")["status"] == "True"
            assert node.condition("Ready")["lastTransitionTime"] == "2026-01-01T00:00:08Z"
            node.dialer.http[URL] = 500
            await anyio.sleep(10)
            assert node.condition("Ready")["status"] == "False"
            assert ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500", 2) in (
                node.client.events()
            )
            assert [at for at, _ in node.dialer.asked] == [3, 8, 13, 18]
            assert len(node.runtime.times("start")) == 1

    run(story)


def test_a_probe_that_is_sent_to_another_host_succeeds_with_a_warning() -> None:
    async def story() -> None:
        async with running_node() as node:
            node.dialer.http[URL] = Answer(302, body="moved to 0.0.0.0")
            node.client.put("pods", pod("p", container(ports=PORTS, readinessProbe=GET, livenessProbe=GET)))
            await anyio.sleep(2)
            assert node.condition("Ready")["status"] == "True"
            for kind in ("Liveness", "Readiness"):
                message = f"{kind} probe warning: Probe terminated redirects, Response body: moved to 0.0.0.0"
                assert ("ProbeWarning", message, 1) in node.client.events()
            assert not [event for event in node.client.events() if event[0] == "Unhealthy"]

    run(story)


def test_a_container_whose_liveness_probe_fails_is_ended_and_started_again() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.programs["app"] = Program(term=2)
        async with running_node(runtime) as node:
            node.client.put("pods", pod("p", container(ports=PORTS, livenessProbe=GET), restartPolicy="OnFailure"))
            await anyio.sleep(8)
            assert runtime.log[2:] == [(5.0, "stop 30", "c"), (7.0, "exit", "c"), (7.0, "start", "c")]
            assert ("Killing", "Container c failed liveness probe, will be restarted", 1) in node.client.events()
            assert node.status()["containerStatuses"][0]["restartCount"] == 1

    run(story)


def test_a_container_ended_by_its_probe_stays_ended_when_the_pod_never_restarts() -> None:
    async def story() -> None:
        async with running_node() as node:
            node.client.put("pods", pod("p", container(ports=PORTS, livenessProbe=GET), restartPolicy="Never"))
            await anyio.sleep(60)
            assert node.status()["phase"] == "Failed"
            assert len(node.runtime.times("start")) == 1

    run(story)


def test_the_other_probes_wait_for_the_startup_probe() -> None:
    async def story() -> None:
        async with running_node() as node:
            startup = {"tcpSocket": {"port": 9}, "periodSeconds": 10, "failureThreshold": 10}
            made = pod("p", container(ports=PORTS, startupProbe=startup, livenessProbe=GET, readinessProbe=GET))
            node.client.put("pods", made)
            await anyio.sleep(15)
            assert node.status()["containerStatuses"][0]["started"] is False
            node.dialer.tcp.add("10.0.0.1:9")
            node.dialer.http[URL] = 200
            await anyio.sleep(9)
            assert node.status()["containerStatuses"][0]["started"] is True
            assert node.condition("Ready")["lastTransitionTime"] == "2026-01-01T00:00:20Z"
            asked = [at for at, what in node.dialer.asked if what == URL]
            assert asked == [20, 20]
            assert [at for at, what in node.dialer.asked if what != URL] == [0, 10, 20]

    run(story)


def test_a_startup_probe_that_never_succeeds_ends_the_container() -> None:
    async def story() -> None:
        async with running_node() as node:
            startup = {"tcpSocket": {"port": 9}, "periodSeconds": 10, "failureThreshold": 3}
            node.client.put("pods", pod("p", container(startupProbe=startup)))
            await anyio.sleep(25)
            assert ("Killing", "Container c failed startup probe, will be restarted", 1) in node.client.events()
            assert node.runtime.times("exit") == [20.0]

    run(story)


def test_a_command_decides_by_its_exit_code_and_counts_as_failed_when_it_takes_too_long() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.execs[("check",)] = lambda: ExecResult(1, b"not yet\n")
        async with running_node(runtime) as node:
            quick = {"exec": {"command": ["check"]}}
            slow = {"exec": {"command": ["sleep", "60"]}, "timeoutSeconds": 2, "failureThreshold": 100}
            node.client.put("pods", pod("p", container(readinessProbe=quick, livenessProbe=slow)))
            await anyio.sleep(3)
            assert ("Unhealthy", "Readiness probe failed: not yet\n", 1) in node.client.events()
            message = 'Liveness probe failed: command timed out: "sleep 60" timed out after 2s'
            assert ("Unhealthy", message, 1) in node.client.events()

    run(story)


def test_an_unknown_port_name_is_an_error_of_the_probe() -> None:
    async def story() -> None:
        async with running_node() as node:
            node.client.put("pods", pod("p", container(readinessProbe=GET)))
            await anyio.sleep(1)
            message = (
                'Readiness probe errored and resulted in unknown state: strconv.Atoi: parsing "web": invalid syntax'
            )
            assert ("Unhealthy", message, 1) in node.client.events()

    run(story)


def test_readiness_is_still_probed_while_the_pod_ends_and_liveness_is_not() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.programs["app"] = Program(term=20)
        async with running_node(runtime) as node:
            node.dialer.http[URL] = 200
            live = {"tcpSocket": {"port": 9}, "periodSeconds": 5, "failureThreshold": 100}
            node.client.put("pods", pod("p", container(ports=PORTS, readinessProbe=GET, livenessProbe=live)))
            await anyio.sleep(6)
            node.client.put("pods", deleted(node.client.pod("p")))
            node.dialer.http[URL] = 503
            await anyio.sleep(16)
            assert node.condition("Ready")["status"] == "False"
            assert max(at for at, what in node.dialer.asked if what != URL) == 5
            assert clock.monotonic() == 22

    run(story)


def test_a_pod_is_ready_only_when_its_readiness_gates_are_open() -> None:
    async def story() -> None:
        async with running_node() as node:
            node.client.put("pods", pod("p", readinessGates=[{"conditionType": "x/gate"}]))
            await anyio.sleep(1)
            assert node.condition("ContainersReady")["status"] == "True"
            assert node.condition("Ready")["reason"] == "ReadinessGatesNotReady"
            made = node.client.pod("p")
            made["status"]["conditions"].append({"type": "x/gate", "status": "True"})
            node.client.put("pods", made)
            await anyio.sleep(1)
            assert node.condition("Ready")["status"] == "True"

    run(story)
