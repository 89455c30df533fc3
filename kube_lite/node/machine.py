"""What the machine under a node is: its capacity and its nodeInfo, read from /proc and /etc once."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from kube_lite import KUBERNETES_VERSION, __version__
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


def _memory_kib() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1])
    return 0


def capacity(settings: NodeSettings) -> dict[str, str]:
    """All that the machine has, with what the settings say instead."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    disk = os.statvfs(settings.data_dir)
    found = {
        "cpu": str(len(os.sched_getaffinity(0))),
        "memory": f"{_memory_kib()}Ki",
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
