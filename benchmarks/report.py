"""The page of figures: what was demanded, what was measured, what others need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kube_lite import clock


@dataclass(frozen=True)
class Row:
    """One demand. ``under`` says on which side of ``must`` the figure has to be."""

    figure: str
    key: str
    must: float
    unit: str
    under: bool
    peer: str = ""
    where: str = ""
    """Where the time goes: shown when the figure is missed."""
    beside: tuple[tuple[str, str], ...] = ()
    """Peers that are measured in the same run where they are installed, and the figures' names."""

    def met(self, measured: float) -> bool:
        """Whether it is as demanded."""
        return measured < self.must if self.under else measured > self.must


ROWS = (
    Row(
        "server start to /readyz 200, empty store",
        "start_s",
        1.0,
        "s",
        True,
        "Kubernetes 1.20 with etcd: 5.7 to 7.8 s",
        "Nearly all of it is importing modules; numpy (for the scheduler) and the compiled schemas lead.",
    ),
    Row(
        "idle memory of the server (RSS), all of it loaded", "idle_mib", 120, "MiB", True, "517 MiB over four processes"
    ),
    Row(
        "pod create, 16 clients, durable",
        "create_per_second",
        1200,
        "/s",
        False,
        "340 to 600/s",
        "A create is one Python thread's CPU: decoding and pruning, defaults, field owners, admission, validation and "
        "encoding take about half, TLS, the socket, the store's commit and audit the rest.",
    ),
    Row(
        "pod create, p99",
        "create_p99_ms",
        40,
        "ms",
        True,
        "",
        "The 16 clients queue for the one thread; see above for what it does.",
    ),
    Row(
        "get, 16 clients",
        "get_per_second",
        4000,
        "/s",
        False,
        "",
        "The pipeline is an eighth of a GET; the system calls that read and write the socket are half, and the load "
        "generator shares the machine.",
    ),
    Row(
        "list 5,000 pods as JSON",
        "list_ms",
        30,
        "ms",
        True,
        "280 to 790 ms",
        "The bytes are joined, not encoded; what is left is their encryption and the copies through the socket, in the "
        "server and again in the client.",
    ),
    Row(
        "server-side apply of a Deployment, CPU",
        "apply_cpu_ms",
        1,
        "ms",
        True,
        "",
        "The field sets: those of the configuration, of the live object and of the merged one are each read off once, "
        "and the merged object is decoded, defaulted and validated like any other.",
    ),
    Row(
        "1,000 watchers x 200 events/s over TLS: written",
        "events_per_second",
        190,
        "/s",
        False,
        "",
        "Writers share the server's thread with the fan-out and this machine's cores with the watchers.",
    ),
    Row(
        "1,000 watchers x 200 events/s over TLS: p99 delay",
        "delay_p99_ms",
        50,
        "ms",
        True,
        "",
        "A wake-up is an encryption and a system call for each watcher (12 to 15 us with nothing of ours around them), "
        "and wake-ups are spread so that they leave half of the thread to everything else: 1,000 watchers are woken "
        "35 times a second. The watchers' own decryption takes as much again, of the same two cores.",
    ),
    Row("memory per idle watcher, plain", "idle_plain_kib", 30, "KiB", True),
    Row("memory per idle watcher, TLS", "idle_tls_kib", 64, "KiB", True),
    Row(
        "500 simulated nodes, 5,000 pods, first create to last bind",
        "bound_per_second",
        400,
        "pods/s",
        False,
        "134/s",
        "One thread does it all. Of its CPU the status patches take a quarter, creation over HTTP a fifth, binding, "
        "scheduling and the informers a tenth each, group commit, events and the nodes' heartbeats a twentieth each.",
    ),
    Row(
        "pod created to Running on a real node, image present, p50",
        "running_p50_ms",
        100,
        "ms",
        True,
        "upstream's objective: 5 s",
        "Not broken down yet: scheduling, binding, the sandbox with its network, the container, the status writes.",
    ),
    Row(
        "container start inside the executor",
        "container_ms",
        20,
        "ms",
        True,
        "crun 7 to 9, runc 28 to 32",
        "Not broken down yet; wall clock, so other load on the machine counts.",
        (("crun", "crun_ms"), ("runc", "runc_ms")),
    ),
)

BESIDES = (
    ("CPU of a pod create", "create_cpu_us", "us"),
    ("CPU of a get", "get_cpu_us", "us"),
    ("CPU of a list of 5,000 pods", "list_cpu_ms", "ms"),
    ("CPU of one event to one watcher", "cpu_us_per_delivery", "us"),
    ("share of the events that reached their watchers", "received_share", ""),
    ("store: durable writes of 2 KB, 128 writers", "writes_per_second", "/s"),
)


def table(figures: Mapping[str, float]) -> str:
    """What was measured of each demand, as Markdown."""
    lines = ["| figure | must | measured | peer |", "|---|---|---|---|"]
    for row in ROWS:
        if row.key in figures:
            measured = figures[row.key]
            mark = "" if row.met(measured) else " **missed**"
            bound = f"{'under' if row.under else 'over'} {row.must:g} {row.unit}"
            beside = [f"{name} here: {_number(figures[k])} {row.unit}" for name, k in row.beside if k in figures]
            peer = "; ".join(filter(None, (row.peer, *beside)))
            lines.append(f"| {row.figure} | {bound} | {_number(measured)} {row.unit}{mark} | {peer} |")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def page(rows: str, figures: Mapping[str, float], runs: int, machine: str, load: float) -> str:
    """The whole of docs/performance.md."""
    missed = [row for row in ROWS if row.key in figures and not row.met(figures[row.key])]
    besides = [f"- {name}: {_number(figures[key])} {unit}".rstrip() for name, key, unit in BESIDES if key in figures]
    parts = [
        "# Performance",
        f"Written by `make bench` (`python -m benchmarks.run`); medians of {runs} runs, each with a fresh server.",
        f"{clock.timestamp()}; {machine}; load average when it began: {load:.1f}. The load generator runs on the same "
        "machine, in a process of its own.",
        rows.rstrip(),
        "Besides:\n\n" + "\n".join(besides),
    ]
    if missed:
        parts.append("## Where the time goes in what was missed")
        parts += [f"**{row.figure}.** {row.where}" for row in missed]
    return "\n\n".join(parts) + "\n"
