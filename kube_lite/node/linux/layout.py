"""Where a node keeps what, below its data directory (0700).

::

    zygote.sock .lock .log .pid
    base/                             the lowest layer of every root: the directories and files mounted upon
    rootfs/                           where each container mounts its root, in its own mount namespace
    pods/UID/sandbox.json             the pod, written last: without it the sandbox is half made
            ns/net ipc uts            pinned namespaces
            shm/                      the pod's /dev/shm
            etc/hosts hostname resolv.conf
            records/NAME.ATTEMPT.json how a container was started and ended
            containers/NAME.ATTEMPT/  upper, work, termination-log
    logs/NAMESPACE_NAME_UID/CONTAINER/ATTEMPT.log
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec

from kube_lite.node.linux import state
from kube_lite.node.linux.plan import Record
from kube_lite.node.runtime import HostPort, Resources, RuntimeFailure, SandboxSpec

_MOUNTED_UPON = ("etc/hosts", "etc/hostname", "etc/resolv.conf")


def check_name(text: str, what: str) -> str:
    """Names become file names. :raises RuntimeFailure: one that could leave its directory"""
    if not text or "/" in text or "\0" in text or text in (".", "..") or len(text) > 253:
        raise RuntimeFailure("CreateContainerConfigError", f"invalid {what} {text!r}")
    return text


def make_base_layer(directory: Path) -> None:
    """What every root has at least; an image's own files of these names are hidden by empty ones."""
    for name in ("dev", "proc", "sys", "etc"):
        (directory / name).mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in _MOUNTED_UPON:
        (directory / name).touch(0o644)
    with contextlib.suppress(FileExistsError):
        os.symlink("/proc/mounts", directory / "etc/mtab")
    for path in (directory, *directory.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
        elif not path.is_symlink():
            path.chmod(0o644)


@dataclass(frozen=True)
class PodPaths:
    """The files of one pod."""

    data: Path
    uid: str

    @property
    def directory(self) -> Path:
        """Everything but the logs."""
        return self.data / "pods" / self.uid

    @property
    def sandbox_file(self) -> Path:
        """What the pod is."""
        return self.directory / "sandbox.json"

    @property
    def shm(self) -> Path:
        """Mounted as /dev/shm."""
        return self.directory / "shm"

    def pin(self, kind: str) -> Path:
        """The pinned namespace of a kind."""
        return self.directory / "ns" / kind

    def etc(self, name: str) -> Path:
        """One of the files mounted into /etc."""
        return self.directory / "etc" / name

    def record(self, name: str, attempt: int) -> Path:
        """A container's record."""
        return self.directory / "records" / f"{name}.{attempt}.json"

    def container(self, name: str, attempt: int) -> Path:
        """A container's writable layer."""
        return self.directory / "containers" / f"{name}.{attempt}"

    def logs(self, spec: SandboxSpec) -> Path:
        """The directory of the pod's logs, named as upstream does."""
        return self.data / "logs" / f"{spec.namespace}_{spec.name}_{self.uid}"

    def make_directories(self) -> None:
        """Create what a sandbox needs."""
        for name in ("ns", "shm", "etc", "records", "containers"):
            (self.directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def write_etc(self, files: Mapping[str, str]) -> None:
        """Write the files for /etc, readable by every user of the container."""
        for name, text in files.items():
            self.etc(name).write_text(text)
            self.etc(name).chmod(0o644)

    def save(self, spec: SandboxSpec, ip: str, id_base: int = 0) -> None:
        """Complete the sandbox: from now on it is found after a restart."""
        value = {
            "spec": msgspec.to_builtins(spec, enc_hook=_plain),
            "ip": ip,
            "id_base": id_base,
            "boot_id": state.boot_id(),
        }
        state.write_atomically(str(self.sandbox_file), json.dumps(value))

    def load(self) -> tuple[SandboxSpec, str, bool, int] | None:
        """The pod, its address, whether it was made since the machine booted, and where its ids begin.

        None when half made.
        """
        value = state.read_json(str(self.sandbox_file))
        try:
            assert value is not None
            fields: dict[str, Any] = {**value["spec"], "resources": Resources(**value["spec"]["resources"])}
            fields["host_ports"] = tuple(HostPort(**port) for port in fields.get("host_ports", ()))
            booted = value["boot_id"] == state.boot_id()
            return SandboxSpec(**fields), value["ip"], booted, int(value.get("id_base", 0))
        except (AssertionError, KeyError, TypeError):
            return None

    def records(self) -> list[Record]:
        """All readable records."""
        directory = self.directory / "records"
        names = sorted(os.listdir(directory)) if directory.is_dir() else []
        found = [state.read_json(str(directory / name)) for name in names if name.endswith(".json")]
        return [cast(Record, record) for record in found if record is not None and "name" in record]


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"not JSON: {value!r}")
