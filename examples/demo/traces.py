"""What a cluster leaves on a machine: looked at before and after, so that the demo can show it left nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def _mounts(data_dir: Path) -> set[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {f"mount {line.split()[4]}" for line in lines if str(data_dir) in line.split()[4]}


def _processes(data_dir: Path) -> set[str]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it ended while we looked
            if str(data_dir) in command and "demo.py" not in command:
                found.add(f"process {entry.name} {command[:80]}")
    return found


def _links(node: str) -> set[str]:
    """Links whose alias says that they are the node's; one without an alias was just being made."""
    links = [p for p in Path("/sys/class/net").iterdir() if p.name.startswith(("kl", "kube"))]
    aliases = {p.name: (p / "ifalias").read_text().strip() for p in links if (p / "ifalias").exists()}
    return {f"link {name}" for name, alias in aliases.items() if not alias or alias.startswith(f"kube-lite/{node}/")}


def _tables(node: str) -> set[str]:
    nft = shutil.which("nft") or "/usr/sbin/nft"
    if not Path(nft).exists():
        return set()
    listed = subprocess.run([nft, "list", "tables"], capture_output=True, text=True, check=False).stdout
    return {f"nft {line}" for line in listed.splitlines() if f"kube-lite-{node}" in line}


def _cgroups(node: str) -> set[str]:
    name, root = f"kube-lite-{node}", Path("/sys/fs/cgroup")
    return {f"cgroup {p}" for depth in ("*", "*/*") for p in root.glob(depth) if p.name.startswith(name)}


def traces(data_dir: Path, node: str) -> set[str]:
    """Everything that a cluster in ``data_dir`` with this node has on this machine outside that directory.

    Other clusters come and go meanwhile: theirs is not counted.
    """
    return _mounts(data_dir) | _processes(data_dir) | _links(node) | _tables(node) | _cgroups(node)
