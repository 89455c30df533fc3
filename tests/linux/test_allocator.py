"""Freed memory goes back to the system."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from kube_lite.node.linux import allocator
from tests.support.running import REPOSITORY


def resident_mib() -> int:
    """What this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20


STORY = """
from tests.linux.test_allocator import resident_mib
from kube_lite.node.linux import allocator

if {told}:
    allocator.tune()
bytearray(20 << 20)  # mapped, and freed: what is smaller is not mapped from now on, unless that is forbidden
before, kept = resident_mib(), []
for _ in range(60):
    buffer = bytearray(1 << 20)
    kept.append(bytearray(60_000))
    kept.append(buffer)
del kept[1::2], buffer
print(resident_mib() - before)
"""


def grown(*, told: bool) -> int:
    """MiB that stay of 60 buffers between which something small is kept."""
    source = STORY.format(told=told)
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    return int(done.stdout)


def test_holes_of_large_buffers_are_not_kept() -> None:
    if not allocator.tune():
        pytest.skip("not glibc")
    assert grown(told=True) < 10
    assert grown(told=False) > 50


def test_holes_between_small_blocks_are_given_back() -> None:
    source = """
from tests.linux.test_allocator import resident_mib
from kube_lite.node.linux import allocator

blocks = [bytearray(20_000) for _ in range(4_000)]
full = resident_mib()
del blocks[:-1]  # the last one holds up the end of the heap
allocator.trim()
print(full - resident_mib())
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert int(done.stdout) > 60
