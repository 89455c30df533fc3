"""All figures: ``python -m benchmarks.run [--only NAME ...] [--quick]``, written to docs/performance.md.

Each benchmark runs several times, every time with a fresh server, and the median of each of its figures counts.
``--only`` prints and writes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from benchmarks import container_start, node, peers, report, server, store, watchers
from benchmarks.arguments import count

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    runs: int
    pods: int
    watchers: int
    nodes: int
    seconds: float


FULL = Scale(runs=3, pods=5000, watchers=1000, nodes=500, seconds=10)
QUICK = Scale(runs=1, pods=500, watchers=100, nodes=50, seconds=3)


def start(scale: Scale) -> Figures:
    """Seconds from exec to ready, once the byte code is there; resident memory with everything loaded."""
    times = []
    for number in range(2 if scale is QUICK else 6):
        with server.server() as (_, process, taken):
            if number:
                times.append(taken)
    with server.server() as (directory, process, _):
        uvloop.run(server.load_all(directory))
        memory = uvloop.run(watchers.settled(process.pid))
    return {"start_s": statistics.median(times), "idle_mib": memory}


def requests(scale: Scale) -> Figures:
    """Creates, gets and lists of a whole server, controllers and scheduler running."""
    with server.server() as (directory, process, _):
        figures = uvloop.run(server.creates_and_gets(directory, process.pid, scale.pods))
        return figures | uvloop.run(server.list_ms(directory, process.pid, scale.pods))


def apply(scale: Scale) -> Figures:
    """CPU of a server-side apply, nothing else running."""
    with server.server("--controllers", "", "--no-scheduler") as (directory, process, _):
        return {"apply_cpu_ms": uvloop.run(server.apply_cpu_ms(directory, process.pid))}


def watch(scale: Scale) -> Figures:
    """Fan-out over TLS."""
    with server.server("--controllers", "", "--no-scheduler") as (directory, process, _):
        return uvloop.run(watchers.fan_out(directory, process.pid, scale.watchers, 200, scale.seconds))


def idle(scale: Scale) -> Figures:
    """Memory of watchers to which nothing happens."""
    with server.server("--controllers", "", "--no-scheduler") as (directory, process, _):
        return uvloop.run(watchers.idle_memory(directory, process.pid, scale.watchers))


def simulated(scale: Scale) -> Figures:
    """Pods a second, first create to last bind, onto simulated nodes."""
    with server.server("--sim-nodes", str(scale.nodes)) as (directory, _, _):
        return {"bound_per_second": uvloop.run(server.simulated(directory, scale.nodes, scale.pods))}


def running(scale: Scale) -> Figures:
    """A pod on a real node."""
    times = sorted(node.pods_running(3 if scale is QUICK else 20))
    return {"running_p50_ms": statistics.median(times) * 1000, "running_max_ms": times[-1] * 1000}


def containers(scale: Scale) -> Figures:
    """The executor alone, and other runtimes beside it."""
    rounds = 5 if scale is QUICK else 30
    return {"container_ms": asyncio.run(container_start.start_ms(rounds))} | peers.measured(rounds)


def writes(scale: Scale) -> Figures:
    """The store alone."""
    return {"writes_per_second": asyncio.run(store.measured(128, 3.0))}


BENCHMARKS: Mapping[str, Callable[[Scale], Figures]] = {
    "start": start,
    "requests": requests,
    "apply": apply,
    "watch": watch,
    "idle": idle,
    "simulated": simulated,
    "running": running,
    "containers": containers,
    "writes": writes,
}
NEED_ROOT = ("running", "containers")


def medians(results: Sequence[Figures]) -> dict[str, float]:
    """Of each figure over all runs."""
    return {name: statistics.median(result[name] for result in results) for name in results[0]}


def measure(names: Sequence[str], scale: Scale) -> dict[str, float]:
    """Run the benchmarks, printing as they end."""
    found: dict[str, float] = {}
    for name in names:
        if name in NEED_ROOT and os.geteuid() != 0:
            print(f"{name}: left out, needs root", flush=True)
            continue
        runs = 1 if name == "start" else scale.runs  # has its own
        figures = medians([BENCHMARKS[name](scale) for _ in range(runs)])
        print(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()), flush=True)
        found |= figures
    return found


def machine() -> str:
    """What it ran on."""
    cpu = next((x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")), ": ?")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    name = cpu.partition(": ")[2]
    return (
        f"{os.cpu_count()} x {name}, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"
    )


def main() -> None:
    """Measure, print, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), help="run these, and write no page")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, once; writes no page")
    parser.add_argument("--runs", type=count, default=FULL.runs, help="runs of which the median counts")
    parser.add_argument("--output", type=Path, default=Path("docs/performance.md"))
    options = parser.parse_args()
    writes_page = not options.only and not options.quick
    if writes_page and (options.output.is_dir() or not os.access(options.output.parent, os.W_OK)):
        parser.error(f"--output {options.output}: want a file in a directory that may be written to")
    load = os.getloadavg()[0]
    scale = QUICK if options.quick else replace(FULL, runs=options.runs)
    figures = measure(options.only or list(BENCHMARKS), scale)
    text = report.table(figures)
    print(text)
    if writes_page:
        options.output.write_text(report.page(text, figures, scale.runs, machine(), load))


if __name__ == "__main__":
    main()
