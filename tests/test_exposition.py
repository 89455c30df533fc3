"""The text that Prometheus reads."""

from __future__ import annotations

import os
import time

from kube_lite.exposition import Exposition, Histogram


def test_a_family_is_told_with_its_help_type_and_escaped_labels() -> None:
    out = Exposition()
    out.family("pods", "gauge", "How many.", [({"phase": "Running", "why": 'a "b"\n\\c'}, 3), ({}, 0.5)])
    out.family("none", "gauge", "Nothing.", [])
    assert out.text().decode() == (
        "# HELP pods How many.\n# TYPE pods gauge\n"
        'pods{phase="Running",why="a \\"b\\"\\n\\\\c"} 3\n'
        "pods 0.5\n"
    )  # fmt: skip


def test_values_may_bear_the_time_when_they_were_so() -> None:
    out = Exposition(1_700_000_000_123)
    out.family("a", "gauge", "A.", [({}, 1)])
    out.family("b", "gauge", "B.", [({}, 1)], timed=False)
    assert "a 1 1700000000123\n" in out.text().decode()
    assert out.text().decode().endswith("b 1\n")


def test_the_buckets_of_a_histogram_add_up() -> None:
    histogram = Histogram((0.005, 1.0))
    histogram.counts[:] = [2, 3, 1]
    histogram.total = 7.25
    out = Exposition()
    out.histogram("took_seconds", "How long.", [({"verb": "GET"}, histogram)])
    assert out.text().decode().splitlines() == [
        "# HELP took_seconds How long.",
        "# TYPE took_seconds histogram",
        'took_seconds_bucket{verb="GET",le="0.005"} 2',
        'took_seconds_bucket{verb="GET",le="1"} 5',
        'took_seconds_bucket{verb="GET",le="+Inf"} 6',
        'took_seconds_sum{verb="GET"} 7.25',
        'took_seconds_count{verb="GET"} 6',
    ]


def test_a_process_tells_of_itself() -> None:
    out = Exposition()
    out.process()
    told = dict(line.rsplit(" ", 1) for line in out.text().decode().splitlines() if not line.startswith("#"))
    assert float(told["process_resident_memory_bytes"]) > 1_000_000
    assert float(told["process_virtual_memory_bytes"]) >= float(told["process_resident_memory_bytes"])
    assert 0 < float(told["process_open_fds"]) < float(told["process_max_fds"])
    assert time.time() - 86_400 < float(told["process_start_time_seconds"]) <= time.time() + 1
    assert float(told["process_cpu_seconds_total"]) <= sum(os.times()[:2]) + 0.1
    assert any(name.startswith('kubernetes_build_info{major="1"') for name in told)
