"""What every node runtime promises its agent, run over each of them.

An implementation takes part by an entry in ``RUNTIMES``: a function that makes a harness in a directory. Programs
are kept to what a simulated runtime can understand too: ``sleep N``, ``exit N`` and ``trap`` in a shell script.
What only a kernel can show (output, exec, limits) is marked ``kernel`` and lives mostly in ``tests/linux``.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from kube_lite.node.linux.runtime import LinuxRuntime
from kube_lite.node.runtime import (
    ContainerPhase,
    ContainerSpec,
    ContainerState,
    NodeRuntime,
    PodState,
    RuntimeFailure,
    SandboxSpec,
)
from kube_lite.sim.runtime import SimRuntime
from tests.linux.fakes import HostImages, LoopbackNetwork

pytestmark = pytest.mark.anyio

LIMIT = 30.0


@dataclass
class Harness:
    """A runtime ready to use; ``kernel`` when its containers are real processes."""

    runtime: NodeRuntime
    kernel: bool
    image: str = "host"
    missing_image: str = "no-such-image"


@asynccontextmanager
async def _linux(directory: Path) -> AsyncIterator[Harness]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    root = f"kl-contract-{os.getpid()}"
    images = HostImages(directory)
    runtime = LinuxRuntime(directory / "node", images=images, network=LoopbackNetwork(), cgroup_root=root)
    await runtime.start()
    try:
        yield Harness(runtime, kernel=True)
    finally:
        await runtime.close(keep_pods=False)


@asynccontextmanager
async def _simulated(directory: Path) -> AsyncIterator[Harness]:
    yield Harness(SimRuntime(), kernel=False)


RUNTIMES: dict[str, Callable[[Path], AbstractAsyncContextManager[Harness]]] = {"linux": _linux, "sim": _simulated}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for the module."""
    return "asyncio"


@pytest.fixture(scope="module", params=list(RUNTIMES))
async def harness(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[Harness]:
    """Each runtime in turn."""
    async with RUNTIMES[request.param](tmp_path_factory.mktemp("node")) as made:
        await made.runtime.ensure_image(made.image, "IfNotPresent")
        yield made


def _pod(uid: str) -> SandboxSpec:
    return SandboxSpec(pod_uid=uid, name=f"name-{uid}", namespace="default", hostname=uid)


def _container(harness: Harness, script: str, name: str = "c", attempt: int = 0) -> ContainerSpec:
    return ContainerSpec(name=name, image=harness.image, attempt=attempt, command=["sh", "-c", script])


async def _find(runtime: NodeRuntime, uid: str) -> PodState:
    [pod] = [pod for pod in await runtime.pods() if pod.pod_uid == uid]
    return pod


async def _until_ended(runtime: NodeRuntime, uid: str, name: str = "c") -> ContainerState:
    """Wait for ``on_change`` until the newest attempt has ended."""
    with anyio.fail_after(LIMIT):
        while True:
            changed = anyio.Event()

            def notice(changed_uid: str, changed: anyio.Event = changed) -> None:
                if changed_uid == uid:
                    changed.set()

            runtime.on_change = notice
            newest = [state for state in (await _find(runtime, uid)).containers if state.name == name][-1]
            if newest.phase != ContainerPhase.RUNNING:
                return newest
            await changed.wait()


async def test_sandbox_has_an_address_and_is_made_once(harness: Harness) -> None:
    first = await harness.runtime.run_sandbox(_pod("once"))
    again = await harness.runtime.run_sandbox(_pod("once"))
    await harness.runtime.remove_pod("once")
    assert first.ip
    assert first == again
    assert (first.pod_uid, first.name, first.namespace, list(first.containers)) == ("once", "name-once", "default", [])


async def test_started_container_runs(harness: Harness) -> None:
    await harness.runtime.run_sandbox(_pod("runs"))
    state = await harness.runtime.start_container("runs", _container(harness, "sleep 1000"))
    found = await _find(harness.runtime, "runs")
    await harness.runtime.remove_pod("runs")
    assert state.phase == ContainerPhase.RUNNING
    assert (state.name, state.attempt, state.image) == ("c", 0, harness.image)
    assert state.container_id
    assert state.started_at is not None
    assert state.finished_at is None
    assert list(found.containers) == [state]


@pytest.mark.parametrize(("code", "reason"), [(0, "Completed"), (7, "Error")])
async def test_end_is_told_with_code_and_reason(harness: Harness, code: int, reason: str) -> None:
    uid = f"ends-{code}"
    await harness.runtime.run_sandbox(_pod(uid))
    await harness.runtime.start_container(uid, _container(harness, f"sleep 0.05; exit {code}"))
    state = await _until_ended(harness.runtime, uid)
    await harness.runtime.remove_pod(uid)
    assert (state.phase, state.exit_code, state.reason) == (ContainerPhase.EXITED, code, reason)
    assert state.started_at is not None
    assert state.finished_at is not None
    assert state.finished_at >= state.started_at


async def test_starting_the_same_attempt_again_changes_nothing(harness: Harness) -> None:
    await harness.runtime.run_sandbox(_pod("same"))
    spec = _container(harness, "sleep 1000")
    first = await harness.runtime.start_container("same", spec)
    assert await harness.runtime.start_container("same", spec) == first
    await harness.runtime.remove_pod("same")


async def test_next_attempt_runs_beside_the_record_of_the_last(harness: Harness) -> None:
    await harness.runtime.run_sandbox(_pod("retry"))
    await harness.runtime.start_container("retry", _container(harness, "exit 3"))
    await _until_ended(harness.runtime, "retry")
    await harness.runtime.start_container("retry", _container(harness, "sleep 1000", attempt=1))
    states = (await _find(harness.runtime, "retry")).containers
    await harness.runtime.remove_pod("retry")
    seen = [(state.attempt, state.phase, state.exit_code) for state in states]
    assert seen == [(0, ContainerPhase.EXITED, 3), (1, ContainerPhase.RUNNING, 0)]


@pytest.mark.parametrize("script", ["sleep 1000", "trap '' TERM; sleep 1000"])
async def test_stop_returns_when_the_container_has_ended(harness: Harness, script: str) -> None:
    await harness.runtime.run_sandbox(_pod("stop"))
    await harness.runtime.start_container("stop", _container(harness, script))
    await harness.runtime.stop_container("stop", "c", 0.2)
    [state] = (await _find(harness.runtime, "stop")).containers
    await harness.runtime.remove_pod("stop")
    assert state.phase == ContainerPhase.EXITED
    assert state.exit_code in (137, 143)
    assert state.finished_at is not None


async def test_stopping_twice_or_the_unknown_is_no_error(harness: Harness) -> None:
    await harness.runtime.run_sandbox(_pod("twice"))
    await harness.runtime.start_container("twice", _container(harness, "sleep 1000"))
    await harness.runtime.stop_container("twice", "c", 0.0)
    await harness.runtime.stop_container("twice", "c", 0.0)
    await harness.runtime.stop_container("twice", "other", 0.0)
    await harness.runtime.remove_pod("twice")
    await harness.runtime.remove_pod("twice")


async def test_containers_of_a_pod_end_on_their_own(harness: Harness) -> None:
    await harness.runtime.run_sandbox(_pod("two"))
    await harness.runtime.start_container("two", _container(harness, "sleep 1000", "stays"))
    await harness.runtime.start_container("two", _container(harness, "exit 4", "goes"))
    gone = await _until_ended(harness.runtime, "two", "goes")
    states = {state.name: state.phase for state in (await _find(harness.runtime, "two")).containers}
    await harness.runtime.remove_pod("two")
    assert gone.exit_code == 4
    assert states == {"stays": ContainerPhase.RUNNING, "goes": ContainerPhase.EXITED}


async def test_removed_pod_is_gone_with_what_ran(harness: Harness) -> None:
    await harness.runtime.run_sandbox(_pod("removed"))
    await harness.runtime.start_container("removed", _container(harness, "sleep 1000"))
    await harness.runtime.remove_pod("removed")
    assert "removed" not in [pod.pod_uid for pod in await harness.runtime.pods()]


async def test_container_without_a_sandbox_is_refused(harness: Harness) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        await harness.runtime.start_container("nowhere", _container(harness, "sleep 1000"))
    assert failure.value.reason == "CreateContainerError"


async def test_images_follow_the_policy(harness: Harness) -> None:
    state = await harness.runtime.ensure_image(harness.image, "IfNotPresent")
    assert state.image_id
    assert await harness.runtime.ensure_image(harness.image, "Never") == state
    for policy, reason in (("Never", "ErrImageNeverPull"), ("IfNotPresent", "ErrImagePull")):
        with pytest.raises(RuntimeFailure) as failure:
            await harness.runtime.ensure_image(harness.missing_image, policy)
        assert failure.value.reason == reason


async def test_pods_are_independent(harness: Harness) -> None:
    uids: Sequence[str] = [f"many-{number}" for number in range(8)]

    async def live(uid: str) -> None:
        await harness.runtime.run_sandbox(_pod(uid))
        await harness.runtime.start_container(uid, _container(harness, "sleep 1000"))
        await harness.runtime.stop_container(uid, "c", 0.0)
        await harness.runtime.remove_pod(uid)

    async with anyio.create_task_group() as group:
        for uid in uids:
            group.start_soon(live, uid)
    assert not {pod.pod_uid for pod in await harness.runtime.pods()} & set(uids)


async def test_exec_tells_the_code(harness: Harness) -> None:
    await harness.runtime.run_sandbox(_pod("exec"))
    await harness.runtime.start_container("exec", _container(harness, "sleep 1000"))
    good = await harness.runtime.exec("exec", "c", ["true"], LIMIT)
    bad = await harness.runtime.exec("exec", "c", ["false"], LIMIT) if harness.kernel else None
    await harness.runtime.remove_pod("exec")
    assert good.exit_code == 0
    assert bad is None or bad.exit_code == 1


async def test_command_that_does_not_exist_fails_the_start(harness: Harness) -> None:
    if not harness.kernel:
        pytest.skip("only a kernel knows which programs exist")
    await harness.runtime.run_sandbox(_pod("nosuch"))
    spec = replace(_container(harness, ""), command=["nosuch"])
    with pytest.raises(RuntimeFailure) as failure:
        await harness.runtime.start_container("nosuch", spec)
    await harness.runtime.remove_pod("nosuch")
    assert failure.value.reason == "RunContainerError"
    assert failure.value.message == 'exec: "nosuch": executable file not found in $PATH'
