"""The server's own Lease."""

from __future__ import annotations

import json
import socket
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.api.identity import LABEL, LEASES, NAMESPACE, SERVER, lease_name
from kube_lite.api.local import LocalClient
from tests.plane import admin, started_plane


async def leases(client: LocalClient) -> dict[str, Any]:
    found = await client.list(LEASES, NAMESPACE, label_selector=f"{LABEL}={SERVER}")
    return {lease["metadata"]["name"]: lease for lease in map(json.loads, found.items)}


def test_the_name_is_that_of_upstream() -> None:
    assert lease_name("localhost") == "apiserver-l2yubf4cvcl5c7a3wrubrwqdve"


def test_a_server_renews_its_lease_and_removes_those_of_servers_that_are_gone() -> None:
    async def main() -> None:
        plane = await started_plane()
        client, name = admin(plane), lease_name(socket.gethostname())
        spec = {"holderIdentity": "x", "leaseDurationSeconds": 3600, "renewTime": "2020-01-01T00:00:00.000000Z"}
        for other, labels in (("apiserver-gone", {LABEL: SERVER}), ("another", {})):
            await client.create(LEASES, {"metadata": {"name": other, "labels": labels}, "spec": spec}, NAMESPACE)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(plane.run)
            await anyio.sleep(60)
            first = await leases(client)
            assert list(first) == [name]
            assert first[name]["spec"]["holderIdentity"].startswith(f"{name}_")
            assert first[name]["metadata"]["labels"]["kubernetes.io/hostname"] == socket.gethostname()
            await client.get(LEASES, "another", NAMESPACE)
            await anyio.sleep(6 * 3600)
            last = (await leases(client))[name]
            assert last["metadata"]["uid"] == first[name]["metadata"]["uid"]
            assert (clock.now() - clock.parse_timestamp(last["spec"]["renewTime"])).seconds < 3600
            await client.delete(LEASES, name, NAMESPACE)
            await anyio.sleep(3600)
            assert list(await leases(client)) == [name]
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())
