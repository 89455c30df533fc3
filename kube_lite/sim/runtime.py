"""SimRuntime: a NodeRuntime of timers, so that the node agent runs without a kernel behind it.

What a container would do is decided by a :data:`Behaviour`: how long it runs and with which code it ends. The
one built in reads the commands that tests use (``sleep 3``, ``exit 7``, ``true``); anything else runs until it is
stopped. Delays and failures come from ``stages``; all randomness from one seed. There is no task: what happens
by itself hangs on the event loop's timers, which are cancelled when a container is stopped or a pod removed.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Sequence

import anyio
import msgspec
from msgspec.structs import replace

from kube_lite import clock
from kube_lite.node.keyring import Credential
from kube_lite.node.runtime import (
    ContainerPhase,
    ContainerSpec,
    ContainerState,
    ExecResult,
    ImageState,
    PodState,
    RuntimeFailure,
    SandboxSpec,
)
from kube_lite.sim.stages import FAST, Stage, Stages

SIGTERM_EXIT, SIGKILL_EXIT = 143, 137
"""Exit codes of containers ended by a signal: 128 plus its number."""

IMAGE_SIZE = 10_000_000
"""Bytes that every simulated image has."""

MISSING = frozenset({"", "no-such-image"})
"""Image names (without tag) that no registry has."""


class Program(msgspec.Struct, frozen=True):
    """What a container does: ends with ``exit_code`` after ``run_for`` seconds (None: never by itself)."""

    run_for: float | None = None
    exit_code: int = 0
    ignores_sigterm: bool = False


Behaviour = Callable[[ContainerSpec], Program]


def read_command(spec: ContainerSpec) -> Program:
    """The program that a container's command stands for, where it is one of the simple ones."""
    text = " ".join([*spec.command, *spec.args])
    slept = re.search(r"\bsleep ([0-9.]+)", text)
    code = re.search(r"\bexit ([0-9]+)", text)
    ignores = "trap" in text
    if code is not None or slept is not None:
        run_for = float(slept[1]) if slept is not None else 0.0
        return Program(run_for, int(code[1]) if code is not None else 0, ignores)
    match text.rsplit("/", 1)[-1]:
        case "true":
            return Program(0.0)
        case "false":
            return Program(0.0, 1)
    return Program(ignores_sigterm=ignores)


class _Container(msgspec.Struct):
    state: ContainerState
    program: Program
    timer: asyncio.TimerHandle | None = None
    ended: anyio.Event = msgspec.field(default_factory=anyio.Event)


class _Pod(msgspec.Struct):
    spec: SandboxSpec
    ip: str
    containers: dict[tuple[str, int], _Container] = msgspec.field(default_factory=dict)

    def latest(self, name: str) -> _Container | None:
        attempts = [c for (of, _), c in self.containers.items() if of == name]
        return attempts[-1] if attempts else None

    def state(self) -> PodState:
        return PodState(
            self.spec.pod_uid, self.spec.name, self.spec.namespace, self.ip, [c.state for c in self.containers.values()]
        )


class SimRuntime:
    """Implements ``node.runtime.NodeRuntime``.

    :param subnet: first two octets of pod addresses
    """

    def __init__(
        self, stages: Stages = FAST, *, seed: int = 0, behaviour: Behaviour = read_command, subnet: str = "10.200"
    ) -> None:
        self.on_change: Callable[[str], None] | None = None
        self.images: dict[str, ImageState] = {}
        """Images that are present, by name."""
        self._stages = stages
        self._rng = random.Random(seed)
        self._behaviour = behaviour
        self._subnet = subnet
        self._addresses = 0
        self._pods: dict[str, _Pod] = {}

    async def _stage(self, stage: Stage) -> None:
        duration = stage.duration(self._rng)
        if duration:
            await anyio.sleep(duration)
        if stage.fails(self._rng):
            raise RuntimeFailure(stage.reason, stage.message)

    async def ensure_image(self, image: str, policy: str, credentials: Sequence[Credential] = ()) -> ImageState:
        """See NodeRuntime."""
        name = image.rsplit("@", 1)[0]
        if re.search(r"[A-Z\s]|//", name) or not name:
            raise RuntimeFailure("InvalidImageName", f'couldn\'t parse image name "{image}": invalid reference format')
        held = self.images.get(image)
        if held is not None and policy != "Always":
            return held
        if policy == "Never":
            raise RuntimeFailure(
                "ErrImageNeverPull", f'Container image "{image}" is not present with pull policy of Never'
            )
        if name.rsplit("/", 1)[-1].split(":")[0] in MISSING:
            raise RuntimeFailure("ErrImagePull", f'failed to pull image "{image}": not found')
        if held is None:
            await self._stage(self._stages.pull)
        digest = f"sha256:{random.Random(image).getrandbits(256):064x}"
        self.images[image] = ImageState(digest, IMAGE_SIZE, (image,))
        return self.images[image]

    async def run_sandbox(self, spec: SandboxSpec) -> PodState:
        """See NodeRuntime."""
        pod = self._pods.get(spec.pod_uid)
        if pod is None:
            await self._stage(self._stages.sandbox)
            pod = self._pods.setdefault(spec.pod_uid, _Pod(spec, self._address()))
        return pod.state()

    def _address(self) -> str:
        self._addresses += 1
        return f"{self._subnet}.{self._addresses // 250 % 250}.{self._addresses % 250 + 2}"

    async def start_container(self, pod_uid: str, spec: ContainerSpec) -> ContainerState:
        """See NodeRuntime."""
        pod = self._pods.get(pod_uid)
        if pod is None:
            raise RuntimeFailure("CreateContainerError", f"pod {pod_uid} has no sandbox")
        image = self.images.get(spec.image)
        if image is None:
            raise RuntimeFailure("CreateContainerError", f'image "{spec.image}" is not present')
        known = pod.containers.get((spec.name, spec.attempt))
        if known is not None:
            return known.state
        created = clock.now()
        await self._stage(self._stages.start)
        if any("no-such" in word for word in spec.command):
            message = f'exec: "{spec.command[0]}": executable file not found in $PATH'
            raise RuntimeFailure("RunContainerError", message)
        identity = f"{random.Random(f'{pod_uid}/{spec.name}/{spec.attempt}').getrandbits(256):064x}"
        program = self._behaviour(spec)
        container = _Container(
            ContainerState(
                name=spec.name,
                attempt=spec.attempt,
                phase=ContainerPhase.RUNNING,
                container_id=identity,
                image=spec.image,
                image_id=image.image_id,
                pid=len(pod.containers) + 1,
                created_at=created,
                started_at=clock.now(),
            ),
            program,
        )
        pod.containers[(spec.name, spec.attempt)] = container
        if program.run_for is not None:
            loop = asyncio.get_running_loop()
            container.timer = loop.call_later(program.run_for, self._end, pod, container, program.exit_code, True)
        return container.state

    def _end(self, pod: _Pod, container: _Container, code: int, by_itself: bool, reason: str = "") -> None:
        if container.state.phase is not ContainerPhase.RUNNING:
            return
        if container.timer is not None:
            container.timer.cancel()
        container.state = replace(
            container.state,
            phase=ContainerPhase.EXITED,
            pid=0,
            finished_at=clock.now(),
            exit_code=code,
            signal=code - 128 if code in (SIGTERM_EXIT, SIGKILL_EXIT) else 0,
            reason=reason or ("Error" if code else "Completed"),
        )
        container.ended.set()
        if by_itself and self.on_change is not None:
            self.on_change(pod.spec.pod_uid)

    def kill_container(self, pod_uid: str, name: str, code: int = SIGKILL_EXIT, reason: str = "") -> None:
        """Fault: the running container ``name`` ends by itself now (``OOMKilled`` or another ``reason``)."""
        pod = self._pods[pod_uid]
        container = pod.latest(name)
        if container is not None:
            self._end(pod, container, code, True, reason)

    async def stop_container(self, pod_uid: str, name: str, grace: float) -> None:
        """See NodeRuntime."""
        pod = self._pods.get(pod_uid)
        container = pod.latest(name) if pod is not None else None
        if pod is None or container is None or container.state.phase is not ContainerPhase.RUNNING:
            return
        needed = self._stages.stop.duration(self._rng)
        stubborn = container.program.ignores_sigterm or needed > grace
        with anyio.move_on_after(grace if stubborn else needed):
            await container.ended.wait()
        self._end(pod, container, SIGKILL_EXIT if stubborn else SIGTERM_EXIT, False)

    async def remove_pod(self, pod_uid: str) -> None:
        """See NodeRuntime."""
        pod = self._pods.pop(pod_uid, None)
        for container in pod.containers.values() if pod is not None else ():
            if container.timer is not None:
                container.timer.cancel()
            container.ended.set()

    async def exec(self, pod_uid: str, name: str, command: Sequence[str], timeout: float) -> ExecResult:
        """See NodeRuntime. ``sleep``, ``exit``, ``true``, ``false`` and ``echo`` do what they say."""
        pod = self._pods.get(pod_uid)
        container = pod.latest(name) if pod is not None else None
        if container is None or container.state.phase is not ContainerPhase.RUNNING:
            raise RuntimeFailure("ContainerNotRunning", f"container {name} is not running")
        program = read_command(ContainerSpec(name, container.state.image, 0, command))
        if program.run_for is not None and program.run_for > timeout:
            await anyio.sleep(timeout)
            raise TimeoutError(f"command took longer than {timeout:g} s")
        if program.run_for:
            await anyio.sleep(program.run_for)
        said = " ".join(command[1:]) + "\n" if command and command[0] == "echo" else ""
        return ExecResult(program.exit_code, said.encode())

    async def pods(self) -> list[PodState]:
        """See NodeRuntime."""
        return [pod.state() for pod in self._pods.values()]
