"""The Lease by which a server tells that it is there: ``apiserver-<hash of the host's name>`` in kube-system.

As upstream has since v1.26 (``APIServerIdentity``): it lasts an hour, and Leases of servers that have not renewed
theirs are removed. Upstream renews every ten seconds; here three times in the hour for which a renewal counts,
since every write wakes the disk.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import socket
from datetime import timedelta
from typing import Final

import anyio

from kube_lite import clock, errors
from kube_lite.client.protocol import Client
from kube_lite.resources.meta import Obj, dig

logger = logging.getLogger(__name__)

LEASES: Final = "leases.coordination.k8s.io"
NAMESPACE: Final = "kube-system"
LABEL: Final = "apiserver.kubernetes.io/identity"
SERVER: Final = "kube-apiserver"
"""The label's value."""
DURATION: Final = 3600
RENEWAL: Final = 1200.0
"""Seconds for which a Lease counts, and between two renewals."""


def lease_name(hostname: str) -> str:
    """Upstream's name for the server on a host: a hash of the host and of what runs there, each after its length."""
    parts = hostname.encode(), SERVER.encode()
    digest = hashlib.sha256(b"".join(len(part).to_bytes(2, "big") + part for part in parts)).digest()[:16]
    return f"apiserver-{base64.b32encode(digest).decode().rstrip('=').lower()}"


async def run(client: Client, uid: str) -> None:
    """Renew the Lease until cancelled, and remove those that nobody renews.

    :param uid: tells this process from others that ran on the host
    """
    hostname = socket.gethostname()
    while True:
        try:
            await renew(client, hostname, uid)
            await remove_expired(client)
        except errors.ApiError as error:
            logger.warning("Lease %s/%s: not renewed: %s", NAMESPACE, lease_name(hostname), error)
        await anyio.sleep(RENEWAL)


async def renew(client: Client, hostname: str, uid: str) -> None:
    """Write the Lease, anew if it is not there. :raises ApiError: refused"""
    name = lease_name(hostname)
    spec = {
        "holderIdentity": f"{name}_{uid}",
        "leaseDurationSeconds": DURATION,
        "renewTime": clock.timestamp_micro(),
    }
    labels = {LABEL: SERVER, "kubernetes.io/hostname": hostname}
    lease: Obj = {"metadata": {"name": name, "labels": labels}, "spec": spec}
    try:
        await client.patch(LEASES, name, {"metadata": {"labels": labels}, "spec": spec}, NAMESPACE)
    except errors.NotFound:
        await client.create(LEASES, lease, NAMESPACE)


async def remove_expired(client: Client) -> None:
    """Remove the Leases of servers that are no more. :raises ApiError: refused"""
    found = await client.list(LEASES, NAMESPACE, label_selector=f"{LABEL}={SERVER}")
    for lease in map(json.loads, found.items):
        if not _is_expired(lease):
            continue
        meta = lease["metadata"]
        revision = meta["resourceVersion"]
        try:
            await client.delete(LEASES, meta["name"], NAMESPACE, uid=meta["uid"], resource_version=revision)
        except (errors.NotFound, errors.Conflict):
            continue  # another server removed it, or its own renewed it


def _is_expired(lease: Obj) -> bool:
    renewed, seconds = dig(lease, "spec", "renewTime"), dig(lease, "spec", "leaseDurationSeconds")
    if not renewed or seconds is None:  # made by hand, and kept by nobody
        return True
    return clock.parse_timestamp(renewed) + timedelta(seconds=seconds) < clock.now()
