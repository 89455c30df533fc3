"""What a node leaves on a machine: processes, mounts, network namespaces, links, nft tables and cgroups."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

KINDS = ("process", "mount", "netns", "link", "nft", "cgroup")


def _processes(markers: tuple[str, ...]) -> set[str]:
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            belongs = (entry / "cgroup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(marker in text or marker in belongs for marker in markers):
            found.add(f"process {entry.name} {text[:120]}")
    return found


def _namespaces() -> set[str]:
    """Network namespaces by inode: pinned by a mount, or with a process in them."""
    found = set(re.findall(r" net:\[(\d+)\] ", Path("/proc/self/mountinfo").read_text()))
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.add(os.readlink(entry / "ns/net")[len("net:[") : -1])
            except OSError:
                continue
    return {f"netns {inode}" for inode in found}


def footprint(node: str, data_dir: Path) -> set[str]:
    """What there is now: of a node of that name and directory, and all links and network namespaces."""
    found = _processes((node, str(data_dir))) | _namespaces()
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found |= {f"mount {line.split()[4]}" for line in mounts if str(data_dir) in line}
    found |= {f"link {link.name}" for link in Path("/sys/class/net").iterdir()}
    tables = subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout
    found |= {f"nft {table}" for table in tables.splitlines() if node in table}
    for directory, names, _ in os.walk("/sys/fs/cgroup"):
        found |= {f"cgroup {directory}/{name}" for name in names if node in f"{directory}/{name}"}
    return found


def kinds(prints: set[str]) -> set[str]:
    """Which kinds of things are in a footprint."""
    return {line.partition(" ")[0] for line in prints}
