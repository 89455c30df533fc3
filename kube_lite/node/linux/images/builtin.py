"""The image that needs no registry: ``kube-lite.local/python``, made of what the host has anyway.

Its root is an empty directory tree of ours with a minimal /etc, over which the host's /usr and the interpreter
that runs kube-lite are bound read-only. Nothing else of the host is visible: no /etc, no home, no data. The
interpreter may live anywhere (pyenv, uv); a virtual environment's base is taken, at the path it was built for.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from kube_lite.node.linux.spec import ImageConfig, Rootfs
from kube_lite.node.runtime import ImageState, Mount, RuntimeFailure

REGISTRY = "kube-lite.local"
REPOSITORY = "python"

_VERSION = 1
"""Part of the image's id: raise it when the tree below changes."""

_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Names in / that lead into /usr on a merged-usr host, and are directories to bind on others."""

_DIRECTORIES = {
    "usr": 0o755,
    "etc": 0o755,
    "dev": 0o755,
    "proc": 0o555,
    "sys": 0o555,
    "run": 0o755,
    "root": 0o755,
    "home": 0o755,
    "tmp": 0o1777,
    "var": 0o755,
    "var/tmp": 0o1777,
    "var/log": 0o755,
}
"""/root is 0755 here, as the interpreter may live below it and pods may run as anybody."""

_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def _prefixes() -> list[str]:
    """Where the interpreter lives, if outside /usr."""
    found = dict.fromkeys(os.path.realpath(prefix) for prefix in (sys.base_prefix, sys.base_exec_prefix))
    return [prefix for prefix in found if not (prefix + "/").startswith("/usr/")]


class BuiltinImage:
    """Builds the tree below ``directory`` once, and describes the image."""

    def __init__(self, directory: Path) -> None:
        parts = (str(_VERSION), sys.version, *_prefixes(), *(_host_link(name) for name in _LINKS))
        self._id = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        self._root = directory / self._id[:32]

    @property
    def image_id(self) -> str:
        """Like a digest: the same as long as host, interpreter and this module stay the same."""
        return f"sha256:{self._id}"

    def state(self, names: tuple[str, ...] = ()) -> ImageState:
        """The image as present; its size is 0, as it takes none."""
        return ImageState(self.image_id, 0, names or (f"{REGISTRY}/{REPOSITORY}:latest",))

    def sweep(self) -> None:
        """Remove what crashed processes left half built; nobody else may be building."""
        for left in self._root.parent.glob("*.new*"):
            shutil.rmtree(left, ignore_errors=True)

    def ensure(self) -> None:
        """Make the tree if it is not there. :raises RuntimeFailure: ErrImagePull when the disk refuses

        Several threads may ask at once, as the first pods of a node do: each builds a tree of its own, the first
        to finish gives it the name, and the others' are dropped.
        """
        if self._root.exists():
            return
        try:
            self._root.parent.mkdir(parents=True, exist_ok=True)
            building = Path(tempfile.mkdtemp(dir=self._root.parent, prefix=f"{self._root.name}.new-"))
            try:
                self._build(building)
                building.rename(self._root)
            except OSError:
                shutil.rmtree(building, ignore_errors=True)
                if not self._root.exists():
                    raise
        except OSError as error:
            raise RuntimeFailure("ErrImagePull", f"building {REGISTRY}/{REPOSITORY}: {error}") from error

    def _build(self, root: Path) -> None:
        root.chmod(0o755)
        for name, mode in _DIRECTORIES.items():
            (root / name).mkdir()
            (root / name).chmod(mode)
        for name in _LINKS:
            target = _host_link(name)
            if target == "/":
                (root / name).mkdir(mode=0o755)
            elif target:
                (root / name).symlink_to(target)
        for name, text in _FILES.items():
            (root / name).write_text(text)
            (root / name).chmod(0o644)
        if os.path.exists("/etc/ld.so.cache"):  # libraries in /usr/local are found by it alone
            shutil.copyfile("/etc/ld.so.cache", root / "etc/ld.so.cache")
            (root / "etc/ld.so.cache").chmod(0o644)
        for prefix in _prefixes():
            step = root
            for part in Path(prefix).parts[1:]:
                step = step / part
                step.mkdir(exist_ok=True)
                step.chmod(0o755)

    def rootfs(self) -> Rootfs:
        """The tree, the host paths bound into it, and a configuration that finds ``python3``."""
        own = [name for name in _LINKS if _host_link(name) == "/"]
        binds = [Mount(path, path, read_only=True) for path in ("/usr", *(f"/{name}" for name in own), *_prefixes())]
        found = dict.fromkeys([os.path.realpath(sys.base_prefix) + "/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
        config = ImageConfig(cmd=("python3",), env={"PATH": ":".join(found), "LANG": "C.UTF-8"}, working_dir="/")
        return Rootfs((str(self._root),), tuple(binds), config, self.image_id)


def _host_link(name: str) -> str:
    """What the host's /name is: a link's target if it leads into /usr, "/" for a directory, "" if there is none."""
    path = "/" + name
    if os.path.islink(path):
        target = os.readlink(path)
        return target if os.path.realpath(path).startswith("/usr/") else ""
    return "/" if os.path.isdir(path) else ""
