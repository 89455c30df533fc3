"""Volumes of pods: made under the pod's own directory, named to the runtime as host paths.

A volume lives at ``DATA/volumes/UID/PLUGIN/NAME``, the plugins named as upstream's. emptyDir ends with the pod;
hostPath is the host's own path; the rest is content from the API (see ``content``), written atomically and
refreshed while the pod runs. An emptyDir with medium Memory is a tmpfs, which a :class:`Mounter` mounts; where there
is none (a simulated node) it is a plain directory.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from kube_lite import clock
from kube_lite.node.environment import Placement, expand
from kube_lite.node.measures import Disk, disk_usage
from kube_lite.node.runtime import Mount
from kube_lite.node.specs import pod_resources
from kube_lite.node.volumes import atomic
from kube_lite.node.volumes.content import Content, VolumeError
from kube_lite.resources import quantity
from kube_lite.resources.kinds.pod.view import Container, Pod

__all__ = ["Mounter", "VolumeError", "Volumes"]

CONTENT = {
    "configMap": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "downwardAPI": "kubernetes.io~downward-api",
    "projected": "kubernetes.io~projected",
}
"""Volume types with content from the API, and the directories of their plugins upstream."""

EMPTY_DIR = "kubernetes.io~empty-dir"

_CHECKS = {
    "Directory": (stat.S_ISDIR, "is not a directory"),
    "File": (stat.S_ISREG, "is not a file"),
    "Socket": (stat.S_ISSOCK, "is not a socket file"),
    "CharDevice": (stat.S_ISCHR, "is not a character device"),
    "BlockDevice": (stat.S_ISBLK, "is not a block device"),
}


class Mounter(Protocol):
    """Mounts what lives in memory. Both calls block, and are fine when nothing is to be done."""

    def mount(self, path: Path, size: int | None) -> None:
        """Mount a tmpfs of at most ``size`` bytes. :raises OSError:"""
        ...

    def unmount(self, path: Path) -> None:
        """Unmount it. :raises OSError:"""
        ...


class Volumes:
    """Sets up, refreshes and removes the volumes of the pods of one node.

    :param root: the executor's data directory
    """

    def __init__(self, root: Path, content: Content, mounter: Mounter | None = None) -> None:
        self._root = root
        self._mounter = mounter
        self._content = content

    def pod_dir(self, uid: str) -> Path:
        """Where the volumes of a pod are."""
        return self._root / "volumes" / uid

    def path(self, pod: Pod, volume: Mapping[str, Any]) -> Path:
        """Where a volume is on the host. :raises VolumeError: its type is not supported"""
        base = self.pod_dir(pod.metadata.uid)
        if (host := volume.get("hostPath")) is not None:
            return Path(str(host.get("path")))
        for kind, plugin in CONTENT.items():
            if volume.get(kind) is not None:
                return base / plugin / str(volume["name"])
        if volume.get("emptyDir") is not None or set(volume) == {"name"}:
            return base / EMPTY_DIR / str(volume["name"])
        kinds = ", ".join(sorted(set(volume) - {"name"}))
        raise VolumeError(f"no volume plugin matched for {kinds}")

    async def setup(self, pod: Pod, place: Placement) -> None:
        """Make every volume of the pod. :raises VolumeError: with upstream's message, naming the volume"""
        for volume in pod.spec.volumes:
            try:
                await self._set_up(pod, place, volume)
            except (VolumeError, OSError, atomic.InvalidPath) as error:
                raise VolumeError(f'MountVolume.SetUp failed for volume "{volume.get("name")}" : {error}') from error

    async def refresh(self, pod: Pod, place: Placement) -> None:
        """Bring content volumes up to date. :raises VolumeError: one could not be, it stays as it was"""
        for volume in pod.spec.volumes:
            if any(volume.get(kind) is not None for kind in CONTENT):
                await self._set_up(pod, place, volume)

    @staticmethod
    def changes(pod: Pod) -> bool:
        """Whether any volume of the pod has content that can change."""
        return any(volume.get(kind) is not None for volume in pod.spec.volumes for kind in CONTENT)

    async def _set_up(self, pod: Pod, place: Placement, volume: Mapping[str, Any]) -> None:
        path = self.path(pod, volume)
        group = (pod.spec.security_context or {}).get("fsGroup")
        if (host := volume.get("hostPath")) is not None:
            await clock.run_in_thread(_check_host_path, path, str(host.get("type") or ""))
        elif any(volume.get(kind) is not None for kind in CONTENT):
            files = await self._content.files(pod, place, volume)
            await clock.run_in_thread(atomic.write, path, files, group)
        else:
            if self._mounter is not None and in_memory(volume):
                size = memory_size(pod, volume, place.allocatable)
                await clock.run_in_thread(self._mounter.mount, path, size)
            _make_empty_dir(path, group, sticky=in_memory(volume))

    async def mounts(self, pod: Pod, container: Container, env: Mapping[str, str]) -> list[Mount]:
        """What is bound into a container. :raises VolumeError: a mount names no volume, or leads out of it"""
        volumes = {str(v.get("name")): v for v in pod.spec.volumes}
        found = []
        for mount in container.volume_mounts:
            volume = volumes.get(mount.name)
            if volume is None:
                raise VolumeError(f'volume mount "{mount.name}" names no volume of the pod')
            path = self.path(pod, volume)
            sub = expand(mount.sub_path_expr, env) if mount.sub_path_expr else mount.sub_path
            if sub:
                path = _inside(path, sub, make=volume.get("emptyDir") is not None or "hostPath" in volume)
            read_only = mount.read_only or any(volume.get(kind) is not None for kind in CONTENT)
            found.append(Mount(str(path), mount.mount_path, read_only, mount.mount_propagation or "None"))
        return found

    async def used(self, pod: Pod, name: str) -> int:
        """Bytes on disk of an emptyDir volume; 0 while it is not there."""
        return (await clock.run_in_thread(disk_usage, self.pod_dir(pod.metadata.uid) / EMPTY_DIR / name)).bytes

    async def measure(self, pod: Pod) -> dict[str, Disk]:
        """What each volume that takes space of its own holds, by its name."""
        return await clock.run_in_thread(_measure, self.pod_dir(pod.metadata.uid))

    async def remove(self, uid: str) -> None:
        """Remove the volumes of a pod."""
        await clock.run_in_thread(self._remove, self.pod_dir(uid))

    def _remove(self, directory: Path) -> None:
        if self._mounter is not None and (directory / EMPTY_DIR).is_dir():
            for path in (directory / EMPTY_DIR).iterdir():
                self._mounter.unmount(path)
        shutil.rmtree(directory, ignore_errors=True)


def _measure(directory: Path) -> dict[str, Disk]:
    found: dict[str, Disk] = {}
    for plugin in (EMPTY_DIR, *CONTENT.values()):
        try:
            names = os.listdir(directory / plugin)
        except FileNotFoundError:  # none of them, or the pod is being removed
            continue
        found.update((name, disk_usage(directory / plugin / name)) for name in names)
    return found


def in_memory(volume: Mapping[str, Any]) -> bool:
    """Whether it is an emptyDir with medium Memory."""
    return (volume.get("emptyDir") or {}).get("medium") == "Memory"


def memory_size(pod: Pod, volume: Mapping[str, Any], allocatable: Mapping[str, str]) -> int | None:
    """Bytes that a volume in memory may hold: the least of its own limit, the pod's and what the node has."""
    bounds = [pod_resources(pod).memory_limit]
    limit = (volume.get("emptyDir") or {}).get("sizeLimit")
    bounds.append(quantity.value(str(limit)) if limit is not None else None)
    bounds.append(quantity.value(allocatable["memory"]) if "memory" in allocatable else None)
    return min((bound for bound in bounds if bound), default=None)


def _make_empty_dir(path: Path, group: int | None, *, sticky: bool) -> None:
    """:param sticky: whether only owners may remove, as in the root of a tmpfs that was mounted without a mode"""
    path.mkdir(parents=True, exist_ok=True)
    mode = 0o1777 if sticky else 0o777
    if group is not None and os.geteuid() == 0:
        os.chown(path, -1, int(group))
        mode |= 0o2000
    path.chmod(mode)


def _check_host_path(path: Path, kind: str) -> None:
    """Check, or make, what is at a host path. :raises VolumeError: it is missing or of another type"""
    if kind == "DirectoryOrCreate":
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(0o755)
        kind = "Directory"
    elif kind == "FileOrCreate":
        if not path.exists():
            path.touch()
            path.chmod(0o644)
        kind = "File"
    if not kind:
        if not path.exists():  # as container engines do for a bind without a source
            path.mkdir(parents=True)
            path.chmod(0o755)
        return
    is_kind, problem = _CHECKS[kind]
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = 0
    if not is_kind(mode):
        raise VolumeError(f"hostPath type check failed: {path} {problem}")


def _inside(root: Path, sub: str, *, make: bool) -> Path:
    """The path of ``sub`` below ``root``, symlinks followed. :raises VolumeError: it is outside of ``root``"""
    real_root = Path(os.path.realpath(root))
    path = Path(os.path.realpath(real_root / sub))
    if path != real_root and real_root not in path.parents:
        raise VolumeError(f"failed to prepare subPath for volumeMount: {sub} leads out of the volume")
    if make and not path.exists():
        path.mkdir(parents=True, exist_ok=True)
        mode = real_root.stat().st_mode & 0o7777
        while path != real_root and path.stat().st_mode & 0o7777 != mode:
            path.chmod(mode)  # as upstream: what is made has the permissions of its volume
            path = path.parent
    return Path(os.path.realpath(real_root / sub))
