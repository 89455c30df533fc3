"""SimRuntime: what the node agent may rely on, in virtual time."""

from __future__ import annotations

import anyio
import pytest

from kube_lite import clock
from kube_lite.node.runtime import ContainerPhase, ContainerSpec, NodeRuntime, RuntimeFailure, SandboxSpec
from kube_lite.sim.runtime import SimRuntime
from kube_lite.sim.stages import Stage, Stages

SANDBOX = SandboxSpec(pod_uid="u1", name="p", namespace="ns", hostname="p")


async def started(runtime: SimRuntime, *command: str, attempt: int = 0) -> None:
    await runtime.ensure_image("app:1", "IfNotPresent")
    await runtime.run_sandbox(SANDBOX)
    await runtime.start_container("u1", ContainerSpec("c", "app:1", attempt, command))


async def phase(runtime: NodeRuntime) -> ContainerPhase:
    (pod,) = await runtime.pods()
    return pod.containers[-1].phase


def test_a_container_that_ends_by_itself_is_told_with_its_code_at_its_time() -> None:
    async def main() -> None:
        runtime = SimRuntime()
        told: list[tuple[float, str]] = []
        runtime.on_change = lambda uid: told.append((clock.monotonic(), uid))
        await started(runtime, "sh", "-c", "sleep 3; exit 7")
        await anyio.sleep(5)
        assert told == [(3.0, "u1")]
        (pod,) = await runtime.pods()
        assert (pod.containers[0].exit_code, pod.containers[0].reason) == (7, "Error")

    clock.run_virtual(main())


def test_asking_twice_for_the_same_changes_nothing() -> None:
    async def main() -> None:
        runtime = SimRuntime()
        await started(runtime)
        before = await runtime.pods()
        await started(runtime)
        assert await runtime.pods() == before
        await runtime.remove_pod("u1")
        await runtime.remove_pod("u1")
        await runtime.stop_container("u1", "c", 1)
        assert await runtime.pods() == []

    clock.run_virtual(main())


def test_stop_waits_for_the_stop_stage_and_kills_at_the_end_of_the_grace_period() -> None:
    async def main() -> None:
        for ignores, code, seconds in ((False, 143, 2.0), (True, 137, 5.0)):
            runtime = SimRuntime(Stages(stop=Stage(2)))
            await started(runtime, *(("sh", "-c", "trap '' TERM; serve") if ignores else ("serve",)))
            told: list[str] = []
            runtime.on_change = told.append
            began = clock.monotonic()
            await runtime.stop_container("u1", "c", 5)
            assert clock.monotonic() - began == pytest.approx(seconds)
            (pod,) = await runtime.pods()
            assert (pod.containers[0].exit_code, told) == (code, [])

    clock.run_virtual(main())


def test_stages_take_their_time_and_an_image_is_pulled_once() -> None:
    async def main() -> None:
        runtime = SimRuntime(Stages(sandbox=Stage(1), pull=Stage(10), start=Stage(0.5)))
        await started(runtime)
        assert clock.monotonic() == pytest.approx(11.5)
        await runtime.ensure_image("app:1", "IfNotPresent")
        assert clock.monotonic() == pytest.approx(11.5)

    clock.run_virtual(main())


@pytest.mark.parametrize(
    ("image", "policy", "reason"),
    [
        ("no-such-image:1", "IfNotPresent", "ErrImagePull"),
        ("app:1", "Never", "ErrImageNeverPull"),
        ("Not An Image", "Always", "InvalidImageName"),
    ],
)
def test_images_that_cannot_be_had(image: str, policy: str, reason: str) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeFailure) as failure:
            await SimRuntime().ensure_image(image, policy)
        assert failure.value.reason == reason

    clock.run_virtual(main())


def test_injected_failures_carry_their_stages_reason() -> None:
    async def main() -> None:
        runtime = SimRuntime(Stages(sandbox=Stage(failure=1.0, reason="CreatePodSandboxError", message="no")))
        with pytest.raises(RuntimeFailure, match="no"):
            await runtime.run_sandbox(SANDBOX)

    clock.run_virtual(main())


def test_a_fault_kills_a_container_and_its_next_attempt_is_another() -> None:
    async def main() -> None:
        runtime = SimRuntime()
        told: list[str] = []
        runtime.on_change = told.append
        await started(runtime)
        runtime.kill_container("u1", "c", reason="OOMKilled")
        assert await phase(runtime) is ContainerPhase.EXITED
        await started(runtime, attempt=1)
        assert await phase(runtime) is ContainerPhase.RUNNING
        (pod,) = await runtime.pods()
        assert [(c.attempt, c.reason, c.exit_code) for c in pod.containers] == [(0, "OOMKilled", 137), (1, "", 0)]
        assert pod.containers[0].container_id != pod.containers[1].container_id
        assert told == ["u1"]

    clock.run_virtual(main())


def test_exec_answers_and_times_out() -> None:
    async def main() -> None:
        runtime = SimRuntime()
        await started(runtime)
        assert (await runtime.exec("u1", "c", ["echo", "hi", "there"], 1)).stdout == b"hi there\n"
        assert (await runtime.exec("u1", "c", ["false"], 1)).exit_code == 1
        with pytest.raises(TimeoutError):
            await runtime.exec("u1", "c", ["sleep", "60"], 2)
        assert clock.monotonic() == pytest.approx(2)
        with pytest.raises(RuntimeFailure):
            await runtime.exec("u2", "c", ["true"], 1)

    clock.run_virtual(main())


def test_a_command_that_does_not_exist_fails_to_start() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeFailure) as failure:
            await started(SimRuntime(), "/no-such-file")
        assert failure.value.reason == "RunContainerError"

    clock.run_virtual(main())
