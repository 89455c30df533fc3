"""Makes layers stack that were packed without their parent directories.

A layer may hold ``lib/x/file`` and no entry for ``lib``. Unpacked alone, as layers here are, it gets a plain ``lib``,
and overlayfs would let that hide a link ``lib -> usr/lib`` below it, or replace the mode of a directory such as /tmp.
So where such an implied directory is something else below, a small patch layer goes on top: it has the link again,
with the directory's content (as hard links) at the link's target, or the directory with its own mode and owner.

Trees are read component by component, so no link in them is ever followed; a patch is built only of names.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kube_lite.node.linux.images.tar import ArchiveError

OPAQUE_XATTR = "trusted.overlay.opaque"
_MAX_LINKS = 40
"""As the kernel's own limit on links in one path."""


@dataclass(frozen=True, slots=True)
class _Found:
    path: str
    status: os.stat_result


def _is_opaque(path: str) -> bool:
    try:
        return os.getxattr(path, OPAQUE_XATTR, follow_symlinks=False) == b"y"
    except OSError:
        return False


class Merged:
    """What overlayfs would show of some layers, top first, without mounting them."""

    def __init__(self, layers: Sequence[str]) -> None:
        self._layers = layers

    def find(self, path: str) -> _Found | None:
        """What is at ``path``, no link followed; None if nothing is."""
        for layer in self._layers:
            place, opaque, parts = layer, False, path.split("/")
            for depth, part in enumerate(parts, 1):
                place = f"{place}/{part}"
                try:
                    status = os.lstat(place)
                except FileNotFoundError:
                    break
                if depth == len(parts):
                    whiteout = stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
                    return None if whiteout else _Found(place, status)
                if not stat.S_ISDIR(status.st_mode):
                    return None
                opaque = opaque or _is_opaque(place)
            if opaque:
                return None
        return None

    def resolve(self, path: str) -> str:
        """Where ``path`` leads, with this as the root of every link. :raises ArchiveError: links without end"""
        pending, done, links = path.split("/")[::-1], list[str](), 0
        while pending:
            part = pending.pop()
            if part in ("", "."):
                continue
            if part == "..":
                del done[-1:]
                continue
            found = self.find("/".join([*done, part]))
            if found is None or not stat.S_ISLNK(found.status.st_mode):
                done.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                raise ArchiveError(f"too many links on the way to {path[:100]!r}")
            target = os.readlink(found.path)
            if target.startswith("/"):
                done.clear()
            pending.extend(target.split("/")[::-1])
        return "/".join(done)


class Patch:
    """Builds in ``target``, an empty directory, what must go on top of ``layer`` for it to stack on ``below``."""

    def __init__(self, target: str, layer: str, implied: Collection[str], below: Sequence[str]) -> None:
        self._target = target
        self._layer = Merged([layer])
        self._layer_path = layer
        self._implied = frozenset(implied)
        self._below = Merged(below)

    def build(self) -> bool:
        """Build it; False if nothing was needed. :raises ArchiveError, OSError: it cannot be built"""
        moved: list[str] = []
        needed = False
        for path in sorted(self._implied):
            if any(path.startswith(above + "/") for above in moved):
                continue
            found = self._below.find(path)
            if found is None:
                continue
            if stat.S_ISLNK(found.status.st_mode):
                moved.append(path)
                self._directory(os.path.dirname(path))
                os.symlink(os.readlink(found.path), f"{self._target}/{path}")
                os.lchown(f"{self._target}/{path}", found.status.st_uid, found.status.st_gid)
                self._move(path, self._below.resolve(path))
                needed = True
            elif stat.S_ISDIR(found.status.st_mode) and _dress(found.status) != (0o755, 0, 0):
                self._directory(path)
                needed = True
        return needed

    def _directory(self, path: str) -> None:
        """Have a directory and its parents, each as it would be without the patch."""
        parts = path.split("/") if path else []
        for depth in range(1, len(parts) + 1):
            partial = "/".join(parts[:depth])
            place = f"{self._target}/{partial}"
            with contextlib.suppress(FileExistsError):
                os.mkdir(place, 0o755)
                own = None if partial in self._implied else self._layer.find(partial)
                source = own or self._below.find(partial)
                mode, uid, gid = (0o755, 0, 0)
                if source is not None and stat.S_ISDIR(source.status.st_mode):
                    mode, uid, gid = _dress(source.status)
                os.chown(place, uid, gid)
                os.chmod(place, mode)
            if not stat.S_ISDIR(os.lstat(place).st_mode):
                raise ArchiveError(f"{partial[:100]!r} is no directory")

    def _move(self, origin: str, destination: str) -> None:
        """Put what the layer has below ``origin`` to ``destination`` instead."""
        pending = [(origin, destination)]
        while pending:
            source, goal = pending.pop()
            here = f"{self._layer_path}/{source}"
            self._directory(goal)
            if _is_opaque(here):
                os.setxattr(f"{self._target}/{goal}", OPAQUE_XATTR, b"y")
            for name in os.listdir(here):
                inner, outer = f"{source}/{name}", f"{goal}/{name}".lstrip("/")
                status = os.lstat(f"{here}/{name}")
                if not stat.S_ISDIR(status.st_mode):
                    os.link(f"{here}/{name}", f"{self._target}/{outer}", follow_symlinks=False)
                    continue
                if inner in self._implied:
                    pending.append((inner, self._below.resolve(outer)))
                    continue
                self._directory(os.path.dirname(outer))
                with contextlib.suppress(FileExistsError):
                    os.mkdir(f"{self._target}/{outer}")
                mode, uid, gid = _dress(status)
                os.chown(f"{self._target}/{outer}", uid, gid)
                os.chmod(f"{self._target}/{outer}", mode)
                pending.append((inner, outer))


def _dress(status: os.stat_result) -> tuple[int, int, int]:
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
