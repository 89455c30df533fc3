"""Enter a network namespace for a moment.

A socket belongs to the namespace in which it was made, and a thread may change its own: so a worker thread
enters the pod's namespace, opens its netlink socket, configures, and goes back before it returns to the pool.
``os.setns`` exists from Python 3.12 on; 3.11 needs the C library's.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

CLONE_NEWNET = 0x40000000
"""From linux/sched.h."""

_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")


@contextlib.contextmanager
def entered(path: str) -> Iterator[None]:
    """Run the block with this thread inside the network namespace at ``path`` (a bind mount or a /proc link).

    :raises OSError: there is no such namespace, or the caller may not enter it
    """
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(target)
        finally:
            os.close(target)
        try:
            yield
        finally:
            _setns(own)
    finally:
        os.close(own)
