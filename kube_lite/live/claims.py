"""What only one node executor at a time may use: its directory, and on this machine its name and its pod network.

Two executors on one directory would end each other's containers; two of one name share a table of packet rules, and
two of one pod network take each other's addresses, each without noticing. The directory is claimed by a lock on a
file; name and network by abstract unix sockets, which exist once in a network namespace, as rules and routes do.
All of them end with the process, however it ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path


class Claimed(OSError):
    """Raised when another node executor has it; says what to do."""


@contextlib.contextmanager
def directory(path: Path) -> Iterator[None]:
    """Use a data directory alone. :raises Claimed: another executor does; with its process id"""
    descriptor = os.open(path / "executor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            raise Claimed(
                f"{path} is in use by another kube-lite node (process {holder}). "
                "Stop that one, or give this one another data directory"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def node_name(name: str) -> Iterator[None]:
    """Be the only node of this name in this network namespace. :raises Claimed: there is one"""
    advice = "Choose another name (node: --name, up: --node-name), or stop that one"
    with _only(f"node/{name}", f"a kube-lite node {name} runs on this machine already. {advice}"):
        yield


@contextlib.contextmanager
def pod_network(cidr: str) -> Iterator[None]:
    """Be the only node in this network namespace with these addresses. :raises Claimed: there is one"""
    advice = "Give this one's server another --cluster-cidr and --service-cluster-ip-range, or stop the other cluster"
    with _only(f"pods/{cidr}", f"another kube-lite node on this machine has the pod network {cidr}. {advice}"):
        yield


@contextlib.contextmanager
def _only(what: str, refusal: str) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
        try:
            claim.bind(f"\0kube-lite/{what}")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise Claimed(refusal) from error
        yield
