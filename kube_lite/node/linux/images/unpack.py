"""Unpacks one layer into a directory, whatever the layer tries.

Every parent directory is opened by openat2 with the target as root, so that neither ``..`` nor a link of this or
an earlier entry leads out; the last component is created relative to that descriptor, exclusively, never written
through. Descriptors of directories are kept (most entries share their parent with the one before), and dropped
when a directory or a link is replaced. Whiteouts become overlayfs' own: a 0:0 character device, and the xattr
``trusted.overlay.opaque``. An archive's own overlay xattrs and devices are not taken over.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections import OrderedDict
from dataclasses import dataclass, field

from kube_lite.node.linux.images.tar import ArchiveError, Entry, Kind, TarReader
from kube_lite.node.linux.syscalls import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, openat2

log = logging.getLogger(__name__)

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_OPAQUE_XATTR = "trusted.overlay.opaque"
_CACHED_DIRECTORIES = 128
_NEW_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_IN_ROOT = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Unpacked:
    """What unpacking did: content bytes, entries, names of skipped devices (the first few), implied directories."""

    size: int = 0
    entries: int = 0
    skipped: list[str] = field(default_factory=list)
    implied: list[str] = field(default_factory=list)
    opaque_root: bool = False


def clean(name: bytes) -> bytes:
    """The name relative to the root, without empty and ``.`` components; empty for the root itself.

    :raises ArchiveError: a ``..`` component, or a component too long for any file system
    """
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    for part in parts:
        if part == b"..":
            raise ArchiveError(f"name with '..': {name[:100]!r}")
        if len(part) > 255:
            raise ArchiveError("name component longer than 255 bytes")
    return b"/".join(parts)


def remove_tree(parent: int, name: bytes) -> None:
    """Delete a directory and all below it, however deep: subdirectories are moved up, so nothing recurses.

    :raises OSError: the disk refuses, or it is not a directory
    """
    top = os.open(name, _NEW_DIRECTORY, dir_fd=parent)
    try:
        pending = [b"."]
        moved, prefix = 0, b".kube-lite-removing-" + os.urandom(8).hex().encode()
        while pending:
            current = pending.pop()
            here = os.open(current, _NEW_DIRECTORY, dir_fd=top)
            try:
                for child in os.listdir(here):
                    raw = os.fsencode(child)
                    if not stat.S_ISDIR(os.lstat(raw, dir_fd=here).st_mode):
                        os.unlink(raw, dir_fd=here)
                    elif current == b".":
                        pending.append(raw)
                    else:
                        moved += 1
                        fresh = b"%b-%d" % (prefix, moved)
                        os.rename(raw, fresh, src_dir_fd=here, dst_dir_fd=top)
                        pending.append(fresh)
            finally:
                os.close(here)
            if current != b".":
                os.rmdir(current, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


class Unpacker:
    """Unpacks entries into ``target``, an empty directory that nobody else writes to. Use as a context manager.

    :param max_bytes: a bound on the content of all files together
    """

    def __init__(self, target: str, max_bytes: int) -> None:
        self._root = os.open(target, _NEW_DIRECTORY)
        self._max_bytes = max_bytes
        self._open: OrderedDict[bytes, int] = OrderedDict()
        self._times: dict[bytes, float] = {}
        self.result = Unpacked()

    def __enter__(self) -> Unpacker:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        os.close(self._root)

    def unpack(self, reader: TarReader) -> Unpacked:
        """Unpack everything. :raises ArchiveError: the archive is hostile or broken; the target then holds a part"""
        for entry in reader:
            self.result.entries += 1
            try:
                self._place(entry, reader)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EROFS):
                    raise
                raise ArchiveError(f"cannot unpack {entry.name[:100]!r}: {error.strerror}") from error
        for path, mtime in reversed(self._times.items()):
            self._set_directory_time(path, mtime)
        return self.result

    def _place(self, entry: Entry, reader: TarReader) -> None:
        path = clean(entry.name)
        parent_path, _, name = path.rpartition(b"/")
        if not path:
            if entry.kind is not Kind.DIRECTORY:
                raise ArchiveError("the root is not a directory")
            self._dress(self._root, entry)
            self._times[b""] = entry.mtime
        elif name.startswith(_WHITEOUT):
            self._whiteout(parent_path, name)
        elif entry.kind is Kind.DIRECTORY:
            self._directory(path, parent_path, name, entry)
        elif entry.kind is Kind.FILE:
            self._file(parent_path, name, entry, reader)
        elif entry.kind is Kind.DEVICE:
            if len(self.result.skipped) < 10:
                self.result.skipped.append(path.decode(errors="replace"))
        else:
            self._link_or_fifo(parent_path, name, entry)

    def _forget(self) -> None:
        """Close every kept directory: a path may now lead elsewhere."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def _keep(self, path: bytes, fd: int) -> int:
        former = self._open.pop(path, None)
        if former is not None:
            os.close(former)
        self._open[path] = fd
        if len(self._open) > _CACHED_DIRECTORIES:
            os.close(self._open.popitem(last=False)[1])
        return fd

    def _existing(self, path: bytes) -> int:
        """A descriptor of the directory at ``path``, valid until the next call. :raises OSError: there is none"""
        if not path:
            return self._root
        fd = self._open.get(path)
        if fd is None:
            return self._keep(path, openat2(self._root, path, os.O_RDONLY | os.O_DIRECTORY, resolve=_IN_ROOT))
        self._open.move_to_end(path)
        return fd

    def _parent(self, path: bytes) -> int:
        """Like :meth:`_existing`, making what is missing on the way, as some builders leave out parents."""
        missing: list[bytes] = []
        existing = path
        while True:  # from below: mostly just one is missing, and what a missing one holds is missing too
            try:
                fd = self._existing(existing)
                break
            except FileNotFoundError:
                existing, _, name = existing.rpartition(b"/")
                missing.append(name)
        for name in reversed(missing):
            existing = existing + b"/" + name if existing else name
            fd = self._new_directory(fd, existing, name)
            if len(self.result.implied) < 10_000:
                self.result.implied.append(os.fsdecode(existing))
        return fd

    def _new_directory(self, parent: int, path: bytes, name: bytes) -> int:
        os.mkdir(name, 0o755, dir_fd=parent)
        fd = os.open(name, _NEW_DIRECTORY, dir_fd=parent)
        os.fchown(fd, 0, 0)
        os.fchmod(fd, 0o755)
        return self._keep(path, fd)

    def _directory(self, path: bytes, parent_path: bytes, name: bytes, entry: Entry) -> None:
        parent = self._parent(parent_path)
        try:
            fd = self._new_directory(parent, path, name)
        except FileExistsError:
            mode = os.lstat(name, dir_fd=parent)
            if stat.S_ISDIR(mode.st_mode):
                fd = self._keep(path, os.open(name, _NEW_DIRECTORY, dir_fd=parent))
            else:
                self._clear(parent_path, name)
                fd = self._new_directory(self._parent(parent_path), path, name)
                if _is_whiteout(mode):  # removed below and made anew here: nothing of the lower one shines through
                    os.setxattr(fd, _OPAQUE_XATTR, b"y")
        self._dress(fd, entry)
        self._times[path] = entry.mtime

    def _clear(self, parent_path: bytes, name: bytes) -> None:
        """Remove what an earlier entry made under this name."""
        parent = self._parent(parent_path)
        mode = os.lstat(name, dir_fd=parent).st_mode
        if stat.S_ISDIR(mode):
            remove_tree(parent, name)
        else:
            os.unlink(name, dir_fd=parent)
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
            self._forget()

    def _file(self, parent_path: bytes, name: bytes, entry: Entry, reader: TarReader) -> None:
        self.result.size += entry.size
        if self.result.size > self._max_bytes:
            raise ArchiveError(f"unpacks to more than {self._max_bytes} bytes")
        try:
            fd = os.open(name, _NEW_FILE, 0o600, dir_fd=self._parent(parent_path))
        except FileExistsError:
            self._clear(parent_path, name)
            fd = os.open(name, _NEW_FILE, 0o600, dir_fd=self._parent(parent_path))
        try:
            for chunk in reader.content():
                view = memoryview(chunk)
                while view:
                    view = view[os.write(fd, view) :]
            self._dress(fd, entry)
            os.utime(fd, (entry.mtime, entry.mtime))
        finally:
            os.close(fd)

    def _link_or_fifo(self, parent_path: bytes, name: bytes, entry: Entry) -> None:
        if entry.kind is Kind.HARDLINK:
            source_parent, _, source = clean(entry.link).rpartition(b"/")
            if not source:
                raise ArchiveError("hard link to the root")
            # A descriptor of our own: finding the other parent may push this one out of the cache.
            from_fd = os.dup(self._existing(source_parent))
            try:
                found = os.lstat(source, dir_fd=from_fd)
                if stat.S_ISDIR(found.st_mode) or _is_whiteout(found):
                    raise ArchiveError(f"hard link to something that is no file: {entry.link[:100]!r}")
                if self._is_same(parent_path, name, found):
                    return
                self._make_room(parent_path, name)
                to_fd = self._parent(parent_path)
                os.link(source, name, src_dir_fd=from_fd, dst_dir_fd=to_fd, follow_symlinks=False)
            finally:
                os.close(from_fd)
            return
        self._make_room(parent_path, name)
        parent = self._parent(parent_path)
        if entry.kind is Kind.SYMLINK:
            os.symlink(entry.link, name, dir_fd=parent)
        else:
            os.mkfifo(name, entry.mode & 0o777, dir_fd=parent)
        os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        os.utime(name, (entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)

    def _make_room(self, parent_path: bytes, name: bytes) -> None:
        try:
            self._clear(parent_path, name)
        except FileNotFoundError:
            return

    def _is_same(self, parent_path: bytes, name: bytes, found: os.stat_result) -> bool:
        try:
            there = os.lstat(name, dir_fd=self._parent(parent_path))
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)

    def _whiteout(self, parent_path: bytes, marker: bytes) -> None:
        name = marker[len(_WHITEOUT) :]
        if marker == _OPAQUE:
            if parent_path:
                os.setxattr(self._parent(parent_path), _OPAQUE_XATTR, b"y")
            else:
                self.result.opaque_root = True  # overlayfs does not look for the mark on a layer's root
            return
        if marker.startswith(_WHITEOUT * 2):
            return  # aufs' own records, which mean nothing here
        if name in (b"", b".", b".."):
            raise ArchiveError(f"whiteout of {name!r}")
        parent = self._parent(parent_path)
        try:
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
        except FileExistsError:
            # The same layer made it already; a whiteout concerns only what is below.
            if stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
                fd = os.open(name, _NEW_DIRECTORY, dir_fd=parent)
                try:
                    os.setxattr(fd, _OPAQUE_XATTR, b"y")
                finally:
                    os.close(fd)

    @staticmethod
    def _dress(fd: int, entry: Entry) -> None:
        """Owner, mode (after the owner, whose change drops setuid) and the xattrs that images may bring."""
        os.fchown(fd, entry.uid, entry.gid)
        os.fchmod(fd, entry.mode)
        for key, value in entry.xattrs.items():
            if key == b"security.capability" or key.startswith(b"user."):
                try:
                    os.setxattr(fd, key, value)
                except OSError as error:
                    if error.errno != errno.ENOTSUP:  # the file system has none: tmpfs, for user.*
                        raise

    def _set_directory_time(self, path: bytes, mtime: float) -> None:
        try:
            os.utime(self._existing(path), (mtime, mtime))
        except (FileNotFoundError, NotADirectoryError):
            return  # replaced by a later entry


def _is_whiteout(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0
