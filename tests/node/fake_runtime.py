"""A NodeRuntime in memory: programs are scripts of how long they run and how they end, on the loop's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio
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


@dataclass
class Program:
    """What an image does: runs ``seconds`` (None for ever), then exits; ends ``term`` seconds after SIGTERM."""

    seconds: float | None = None
    code: int = 0
    reason: str = ""
    term: float = 0.0
    message: str = ""


@dataclass
class _Pod:
    spec: SandboxSpec
    ip: str
    containers: dict[tuple[str, int], ContainerState] = field(default_factory=dict)


class FakeRuntime:
    """Runs :class:`Program` by image name; an image without one runs for ever."""

    def __init__(self) -> None:
        self.on_change: Callable[[str], None] | None = None
        self.programs: dict[str, Program] = {}
        self.missing: set[str] = set()
        """Images that are not present, and cannot be pulled while in ``unpullable``."""
        self.unpullable: dict[str, str] = {}
        self.failures: dict[str, RuntimeFailure] = {}
        """By container name: what ``start_container`` raises."""
        self.stop_failures = 0
        """How often stopping a container fails."""
        self.start_delay = 0.0
        """Seconds that starting a container takes."""
        self.execs: dict[tuple[str, ...], Callable[[], ExecResult]] = {}
        self.log: list[tuple[float, str, str]] = []
        """Virtual seconds, what was done, to what."""
        self.specs: list[ContainerSpec] = []
        self.credentials: list[Credential] = []
        """Those of the last image that came with any."""
        self.sandboxes: list[SandboxSpec] = []
        self._pods: dict[str, _Pod] = {}
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._gone: dict[tuple[str, str], anyio.Event] = {}

    def note(self, what: str, whom: str) -> None:
        """Remember that something was done."""
        self.log.append((round(clock.monotonic(), 3), what, whom))

    def times(self, what: str) -> list[float]:
        """When something was done."""
        return [at for at, done, _ in self.log if done == what]

    def present(self, pod: PodState) -> None:
        """Have a pod from before the executor began."""
        spec = SandboxSpec(pod_uid=pod.pod_uid, name=pod.name, namespace=pod.namespace, hostname=pod.name)
        self._pods[pod.pod_uid] = _Pod(spec, pod.ip, {(c.name, c.attempt): c for c in pod.containers})
        for state in pod.containers:
            if state.phase is ContainerPhase.RUNNING:
                self._gone[pod.pod_uid, state.name] = anyio.Event()

    async def ensure_image(self, image: str, policy: str, credentials: Sequence[Credential] = ()) -> ImageState:
        self.credentials = list(credentials) or self.credentials
        if image in self.missing:
            if policy == "Never":
                raise RuntimeFailure("ErrImageNeverPull", f"{image} is not here")
            self.note("pull", image)
            if image in self.unpullable:
                raise RuntimeFailure("ErrImagePull", self.unpullable[image])
            self.missing.discard(image)
        return ImageState(f"sha256:{image}", 1000, (image,))

    async def run_sandbox(self, spec: SandboxSpec) -> PodState:
        if spec.pod_uid not in self._pods:
            self.note("sandbox", spec.name)
            self.sandboxes.append(spec)
            self._pods[spec.pod_uid] = _Pod(spec, f"10.0.0.{len(self._pods) + 1}")
        return self._state(spec.pod_uid)

    async def start_container(self, pod_uid: str, spec: ContainerSpec) -> ContainerState:
        self.note("start", spec.name)
        if self.start_delay:
            await anyio.sleep(self.start_delay)
        if spec.name in self.failures:
            raise self.failures[spec.name]
        self.specs.append(spec)
        state = ContainerState(
            name=spec.name,
            attempt=spec.attempt,
            phase=ContainerPhase.RUNNING,
            container_id=f"kube-lite://{pod_uid}/{spec.name}/{spec.attempt}",
            image=spec.image,
            image_id=f"sha256:{spec.image}",
            pid=1,
            created_at=clock.now(),
            started_at=clock.now(),
        )
        self._pods[pod_uid].containers[spec.name, spec.attempt] = state
        self._gone[pod_uid, spec.name] = anyio.Event()
        program = self.programs.get(spec.image, Program())
        if program.seconds is not None:
            self._later(pod_uid, spec.name, program.seconds, program.code, program.reason, program.message)
        return state

    def _later(self, uid: str, name: str, seconds: float, code: int, reason: str = "", message: str = "") -> None:
        loop = asyncio.get_running_loop()
        if (timer := self._timers.pop((uid, name), None)) is not None:
            timer.cancel()
        self._timers[uid, name] = loop.call_later(seconds, self.exit, uid, name, code, reason, message)

    def exit(self, uid: str, name: str, code: int, reason: str = "", message: str = "") -> None:
        """Let a container end by itself."""
        pod = self._pods.get(uid)
        if pod is None:
            return
        attempt = max(a for n, a in pod.containers if n == name)
        old = pod.containers[name, attempt]
        if old.phase is not ContainerPhase.RUNNING:
            return
        self.note("exit", name)
        pod.containers[name, attempt] = replace(
            old,
            phase=ContainerPhase.EXITED,
            exit_code=code,
            finished_at=clock.now(),
            reason=reason or ("Completed" if code == 0 else "Error"),
            message=message,
        )
        self._gone[uid, name].set()
        if self.on_change is not None:
            self.on_change(uid)

    async def stop_container(self, pod_uid: str, name: str, grace: float) -> None:
        gone = self._gone.get((pod_uid, name))
        if gone is None or gone.is_set():
            return
        self.note(f"stop {grace:g}", name)
        if self.stop_failures:
            self.stop_failures -= 1
            raise RuntimeFailure("FailedKillPod", "not now")
        pod = self._pods[pod_uid]
        state = pod.containers[name, max(a for n, a in pod.containers if n == name)]
        program = self.programs.get(state.image, Program())
        if program.term <= grace:
            self._later(pod_uid, name, program.term, 143)
        else:
            self._later(pod_uid, name, grace, 137)
        await gone.wait()

    async def remove_pod(self, pod_uid: str) -> None:
        self.note("remove", pod_uid)
        self._pods.pop(pod_uid, None)

    async def exec(self, pod_uid: str, name: str, command: Sequence[str], timeout: float) -> ExecResult:
        self.note("exec", " ".join(command))
        if command[0] == "sleep":
            await anyio.sleep(float(command[1]))
        return self.execs.get(tuple(command), lambda: ExecResult(0))()

    def _state(self, uid: str) -> PodState:
        pod = self._pods[uid]
        return PodState(uid, pod.spec.name, pod.spec.namespace, pod.ip, tuple(pod.containers.values()))

    async def pods(self) -> list[PodState]:
        return [self._state(uid) for uid in self._pods]
