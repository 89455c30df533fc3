"""How long the native runtime takes: sandbox, container start, exec, stats, removal. Needs root.

    python -m benchmarks.container_start [ROUNDS]

Prints median and minimum in milliseconds. A start is everything between the agent's call and its answer that the
program has been executed: plan, cgroups with limits, clone, root, filter, exec, record on disk.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from benchmarks import arguments
from kube_lite.node.runtime import ContainerSpec, Resources, SandboxSpec
from tests.linux.node import Node

_LIMITS = Resources(cpu_shares=102, cpu_quota=50_000, memory_limit=128 << 20, pids_limit=1024)


async def _timed(times: dict[str, list[float]], name: str, call: Callable[[], Awaitable[object]]) -> None:
    begun = time.perf_counter()
    await call()
    times.setdefault(name, []).append((time.perf_counter() - begun) * 1000)


async def _round(node: Node, number: int, times: dict[str, list[float]]) -> None:
    uid, runtime = f"bench-{number}", node.runtime
    pod = SandboxSpec(uid, "bench", "default", "bench")
    container = ContainerSpec("c", "host", 0, ["sleep", "1000"], resources=_LIMITS)
    short = ContainerSpec("short", "host", 0, ["true"], resources=_LIMITS)

    async def to_exit() -> None:
        await runtime.start_container(uid, short)
        await node.ended(uid, "short")

    await _timed(times, "sandbox without network", lambda: runtime.run_sandbox(pod))
    await _timed(times, "container start", lambda: runtime.start_container(uid, container))
    await _timed(times, "container start to exit", to_exit)
    await _timed(times, "exec", lambda: runtime.exec(uid, "c", ["true"], 30))
    await _timed(times, "stats", lambda: runtime.stats(uid))
    await _timed(times, "remove pod", lambda: runtime.remove_pod(uid))


async def _measured(rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="kl-bench-") as directory:
        node = Node(Path(directory))
        await _timed(times, "zygote start", node.runtime.start)
        try:
            for number in range(rounds):
                await _round(node, number, times)
        finally:
            await node.runtime.close(keep_pods=False)
    return times


async def start_ms(rounds: int) -> float:
    """Median milliseconds of a container's start."""
    return statistics.median((await _measured(rounds))["container start"])


async def main(rounds: int) -> None:
    """Run and print."""
    times = await _measured(rounds)
    for name, values in times.items():
        print(f"{name:26} median {statistics.median(values):7.2f} ms   min {min(values):7.2f} ms   n {len(values)}")


if __name__ == "__main__":
    anyio.run(main, arguments.rounds(__doc__, 40))
