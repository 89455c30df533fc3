"""Enter a network namespace for a moment.

A socket belongs to the namespace in which it was made, and a thread may change its own: so a worker thread
enters the pod's namespace, opens its netlink socket, configures, and goes back before it returns to the pool.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from kube_lite.node.linux.syscalls import CLONE_NEWNET, setns


@contextlib.contextmanager
def entered(path: str) -> Iterator[None]:
    """Run the block with this thread inside the network namespace at ``path`` (a bind mount or a /proc link).

    :raises OSError: there is no such namespace, or the caller may not enter it
    """
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(target, CLONE_NEWNET)
        finally:
            os.close(target)
        try:
            yield
        finally:
            setns(own, CLONE_NEWNET)
    finally:
        os.close(own)
