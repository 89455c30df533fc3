"""Two kernel calls that Python does not offer, for unpacking what strangers packed.

``openat2`` opens a path as if a directory were the root: neither ``..`` nor a symbolic link, however absolute,
leads out of it. ``syncfs`` makes everything written to a file system durable, once instead of file by file.
"""

from __future__ import annotations

import ctypes
import os

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_IN_ROOT = 0x10
"""From linux/openat2.h."""

_NR_OPENAT2 = 437
"""The same on every architecture: calls newer than 424 share their numbers."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def openat2(dir_fd: int, path: bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """Open ``path`` below ``dir_fd``; returns the descriptor. :raises OSError: with the kernel's errno"""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    pointer = ctypes.byref(how)
    fd = _libc.syscall(ctypes.c_long(_NR_OPENAT2), dir_fd, ctypes.c_char_p(path), pointer, ctypes.sizeof(how))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return int(fd)


def open_directory_in_root(root_fd: int, path: bytes) -> int:
    """Open a directory with ``root_fd`` as the root of every link on the way. :raises OSError: no such directory"""
    flags = os.O_RDONLY | os.O_DIRECTORY
    return openat2(root_fd, path or b".", flags, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)


def syncfs(fd: int) -> None:
    """Write everything of the file system that holds ``fd`` to disk. :raises OSError: the disk refuses"""
    if _libc.syncfs(fd) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
