"""What the machine under a node is: its capacity and its nodeInfo, read from /proc and /etc once; and what it uses."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

import msgspec

from kube_lite import KUBERNETES_VERSION, __version__
from kube_lite.node.measures import Usage
from kube_lite.node.settings import NodeSettings
from kube_lite.resources import quantity

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
"""Go's names, which upstream's labels use, of what uname says."""


def architecture() -> str:
    """The machine's architecture as Go names it."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").partition("\n")[0].strip()
    except OSError:
        return ""


def memory() -> dict[str, int]:
    """/proc/meminfo: bytes, or plain numbers, by name."""
    found: dict[str, int] = {}
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            found[name] = int(words[0]) * (1024 if words[-1] == "kB" else 1)
    return found


def capacity(settings: NodeSettings) -> dict[str, str]:
    """All that the machine has, with what the settings say instead."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    disk = os.statvfs(settings.data_dir)
    found = {
        "cpu": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory().get('MemTotal', 0) // 1024}Ki",
        "ephemeral-storage": f"{disk.f_blocks * disk.f_frsize // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "pods": str(settings.max_pods),
    }
    return {**found, **settings.capacity}


def allocatable(settings: NodeSettings, total: Mapping[str, str]) -> dict[str, str]:
    """What pods may use: capacity without what is reserved."""
    found = dict(total)
    for name, amount in settings.reserved.items():
        if name in found:
            found[name] = str(quantity.parse(found[name]) - quantity.parse(amount))
    return found


def node_info() -> dict[str, str]:
    """``status.nodeInfo``."""
    release: dict[str, str] = {}
    with contextlib.suppress(OSError):  # a minimal root has no os-release
        release = platform.freedesktop_os_release()
    return {
        "machineID": _first_line("/etc/machine-id"),
        "systemUUID": _first_line("/sys/class/dmi/id/product_uuid") or _first_line("/etc/machine-id"),
        "bootID": _first_line("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": platform.release(),
        "osImage": release.get("PRETTY_NAME", "Linux"),
        "containerRuntimeVersion": f"kube-lite://{__version__}",
        "kubeletVersion": KUBERNETES_VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": architecture(),
    }


class Interface(msgspec.Struct, frozen=True):
    """What has gone over a network interface."""

    name: str
    received_bytes: int
    received_packets: int
    received_errors: int
    received_dropped: int
    sent_bytes: int
    sent_packets: int
    sent_errors: int
    sent_dropped: int


def interfaces(path: str) -> list[Interface]:
    """The interfaces in a file like /proc/net/dev, without loopback; none if it cannot be read."""
    try:
        lines = Path(path).read_text(encoding="ascii").splitlines()[2:]
    except OSError:
        return []
    found = []
    for line in lines:
        name, _, rest = line.partition(":")
        numbers = [int(word) for word in rest.split() if word.isdigit()]
        if len(numbers) >= 12 and name.strip() != "lo":
            found.append(Interface(name.strip(), *numbers[:4], *numbers[8:12]))
    return found


class Space(msgspec.Struct, frozen=True):
    """A file system, in bytes and inodes."""

    capacity: int
    available: int
    inodes: int
    inodes_free: int


def space(path: Path) -> Space:
    """The file system that a directory lies on."""
    disk = os.statvfs(path)
    return Space(disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize, disk.f_files, disk.f_ffree)


def usage() -> Usage:
    """What the whole machine uses."""
    ticks = os.sysconf("SC_CLK_TCK")
    words = _first_line("/proc/stat").split()[1:9]
    # user, nice, system, idle, iowait, irq, softirq, steal
    busy = sum(int(word) for place, word in enumerate(words) if place not in (3, 4))
    told = memory()
    total = told.get("MemTotal", 0)
    return Usage(
        busy * 1_000_000_000 // ticks,
        total - told.get("MemFree", 0),
        sum(name.isdigit() for name in os.listdir("/proc")),
        told.get("Inactive(file)", 0),
        told.get("AnonPages", 0),
    )
