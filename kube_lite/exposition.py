"""Metrics in the text format of Prometheus, version 0.0.4, and those that every process tells of itself."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kube_lite import KUBERNETES_VERSION

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Histogram:
    """How often a value was at most each of some bounds.

    :param bounds: upper bounds, ascending, without the infinite one
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Values within each bound and above the one before it; the last has no bound."""
        self.total = 0.0
        """The sum of all values."""


class Exposition:
    """A text being written, a family of metrics after the other."""

    def __init__(self, milliseconds: int | None = None) -> None:
        """:param milliseconds: when the values were so, since 1970; None leaves that to the reader"""
        self._lines: list[str] = []
        self._time = "" if milliseconds is None else f" {milliseconds}"

    def family(
        self, name: str, kind: str, about: str, rows: Iterable[tuple[Labels, float]], *, timed: bool = True
    ) -> None:
        """Write a family; one without rows is left out.

        :param kind: ``counter`` or ``gauge``
        """
        time = self._time if timed else ""
        self._write(name, kind, about, [f"{name}{_shown(labels)} {value!r}{time}" for labels, value in rows])

    def histogram(self, name: str, about: str, rows: Iterable[tuple[Labels, Histogram]]) -> None:
        """Write a family of histograms; one without rows is left out."""
        written = []
        for labels, histogram in rows:
            below = 0
            bounds = (*(f"{bound:g}" for bound in histogram.bounds), "+Inf")
            for bound, count in zip(bounds, histogram.counts, strict=True):
                below += count
                written.append(f"{name}_bucket{_shown({**labels, 'le': bound})} {below}")
            written.append(f"{name}_sum{_shown(labels)} {histogram.total!r}")
            written.append(f"{name}_count{_shown(labels)} {below}")
        self._write(name, "histogram", about, written)

    def _write(self, name: str, kind: str, about: str, written: list[str]) -> None:
        if written:
            self._lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *written]

    def process(self) -> None:
        """Write what is known of this process, in the names of Prometheus' own clients, and the version it is of."""
        major, minor, _ = KUBERNETES_VERSION.lstrip("v").split(".", 2)
        build = {"major": major, "minor": minor, "git_version": KUBERNETES_VERSION, "platform": "linux"}
        about = "[ALPHA] A metric with a constant '1' value labeled by the version it was built from."
        self.family("kubernetes_build_info", "gauge", about, [(build, 1)])
        used = resource.getrusage(resource.RUSAGE_SELF)
        about = "Total user and system CPU time spent in seconds."
        self.family("process_cpu_seconds_total", "counter", about, [({}, round(used.ru_utime + used.ru_stime, 6))])
        size, resident = (int(pages) for pages in _proc("statm").split()[:2])
        page = resource.getpagesize()
        about = "Resident memory size in bytes."
        self.family("process_resident_memory_bytes", "gauge", about, [({}, resident * page)])
        self.family("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", [({}, size * page)])
        about = "Start time of the process since unix epoch in seconds."
        self.family("process_start_time_seconds", "gauge", about, [({}, _started())])
        files = len(os.listdir("/proc/self/fd"))
        self.family("process_open_fds", "gauge", "Number of open file descriptors.", [({}, files)])
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.family("process_max_fds", "gauge", "Maximum number of open file descriptors.", [({}, most)])

    def text(self) -> bytes:
        """All of it."""
        return ("\n".join(self._lines) + "\n").encode() if self._lines else b""


def _shown(labels: Labels) -> str:
    inner = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items())
    return f"{{{inner}}}" if inner else ""


def _proc(name: str) -> str:
    return Path("/proc/self", name).read_text(encoding="utf-8", errors="replace")


def _started() -> float:
    """When this process began, in seconds since 1970 (proc(5): ticks since the machine's start are field 22)."""
    ticks = int(_proc("stat").rpartition(")")[2].split()[19])
    booted = next(line for line in Path("/proc/stat").read_text(encoding="ascii").splitlines() if "btime" in line)
    return int(booted.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")
