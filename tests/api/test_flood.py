"""A client that floods the server with long lists: health checks, leases and other users are served all the while."""

from __future__ import annotations

import json

import anyio
from anyio.abc import SocketStream

from kube_lite.api.plane import Plane
from kube_lite.api.user import AUTHENTICATED, MASTERS, NODES, User
from tests.api.test_exchange import Reader, connected, get, serving
from tests.plane import admin, started_plane

MAPS = "/api/v1/namespaces/default/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
FLOOD = 400
"""Connections of the flooding client, several times what its level has seats for."""


async def _asked(stream: SocketStream, reader: Reader, token: str, path: str, body: bytes = b"") -> int:
    head = get(path, f"Authorization: Bearer {token}", method="PATCH" if body else "GET")
    if body:
        extra = f"Content-Type: application/merge-patch+json\r\nContent-Length: {len(body)}\r\n\r\n"
        head = head[:-2] + extra.encode() + body
    await stream.send(head)
    return (await reader.answer())[0]


async def _plane() -> Plane:
    plane = await started_plane(disabled=["ServiceAccount"])
    node = User("system:node:n", groups=(NODES, AUTHENTICATED))
    users = {
        "root": User("root", groups=(MASTERS,)),
        "flood": User("flood", groups=(AUTHENTICATED,)),
        "other": User("other", groups=(AUTHENTICATED,)),
        "node": node,
    }
    for token, user in users.items():
        plane.authenticator.add_token(token, user)
    client = admin(plane)
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    await client.create("clusterroles.rbac.authorization.k8s.io", {**kind, "metadata": {"name": "r"}, "rules": rules})
    subjects = [{"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"} for name in ("flood", "other")]
    role = {"kind": "ClusterRole", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {**kind, "metadata": {"name": "b"}, "subjects": subjects, "roleRef": role}
    await client.create("clusterrolebindings.rbac.authorization.k8s.io", binding)
    lease = {"metadata": {"name": "n"}, "spec": {"holderIdentity": "n"}}
    await client.create("leases.coordination.k8s.io", lease, "kube-node-lease")
    for number in range(1000):
        await client.create("configmaps", {"metadata": {"name": f"c{number}"}, "data": {"k": "x" * 500}}, "default")
    return plane


def test_a_flood_of_slow_lists_is_refused_and_nobody_else_notices() -> None:
    """Each list holds ten seats until its client has read it, and these clients read nothing."""
    codes: list[int] = []

    async def flood(port: int, refused: anyio.Event) -> None:
        async with connected(port) as stream:
            await stream.send(get(MAPS, "Authorization: Bearer flood"))
            first = await stream.receive(12)
            codes.append(int(first.split()[1]))
            if codes[-1] == 429:
                refused.set()
            await anyio.sleep_forever()

    async def story() -> None:
        plane = await _plane()
        async with serving(plane.app) as port, anyio.create_task_group() as tasks:
            refused = anyio.Event()
            for _ in range(FLOOD):
                tasks.start_soon(flood, port, refused)
            await refused.wait()
            level = plane.app._flow.levels["global-default"]
            assert level.waiting > 0
            for token, path, body in (
                ("flood", "/livez", b""),
                ("other", "/readyz", b""),
                ("node", f"{LEASES}/n", json.dumps({"spec": {"leaseDurationSeconds": 40}}).encode()),
                ("root", MAPS, b""),
            ):
                async with connected(port) as stream:
                    with anyio.fail_after(5):
                        assert await _asked(stream, Reader(stream), token, path, body) == 200
            async with connected(port) as stream:  # waits behind one list of the flood, whose client then goes
                reader = Reader(stream)
                await stream.send(get(f"{MAPS}/c1", "Authorization: Bearer other"))
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True), anyio.fail_after(5):
                    assert (await reader.answer())[0] == 200
        assert 200 in codes
        assert level.rejected["queue-full"] == codes.count(429)

    async def main() -> None:
        with anyio.fail_after(30):
            await story()

    anyio.run(main)
