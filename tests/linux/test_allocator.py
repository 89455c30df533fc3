"""Freed memory goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kube_lite.node.linux import allocator

STORY = """
from pathlib import Path
from kube_lite.node.linux import allocator

def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

if {told}:
    allocator.give_back()
bytearray(20 << 20)  # mapped, and freed: what is smaller is not mapped from now on, unless that is forbidden
before, kept = resident(), []
for _ in range(60):
    buffer = bytearray(1 << 20)
    kept.append(bytearray(2000))
    kept.append(buffer)
del kept[1::2], buffer
print(resident() - before)
"""


def grown(*, told: bool) -> int:
    """MiB that stay of 60 buffers between which something small is kept."""
    done = subprocess.run([sys.executable, "-c", STORY.format(told=told)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_holes_of_large_buffers_are_not_kept() -> None:
    if not allocator.give_back():
        pytest.skip("not glibc")
    assert grown(told=True) < 5
    assert grown(told=False) > 50
