"""Aggregated ClusterRoles follow the roles that they collect."""

from __future__ import annotations

from typing import Any

import anyio

from kube_lite import clock
from kube_lite.api.plane import Plane
from kube_lite.api.user import AUTHENTICATED, User
from kube_lite.client.informer import Informers
from kube_lite.controllers.base import Context, run_controllers
from tests.plane import admin, started_plane

ROLES = "clusterroles.rbac.authorization.k8s.io"
MANAGER = User("system:kube-controller-manager", groups=(AUTHENTICATED,), how="in-process")


def rule(resource: str) -> dict[str, Any]:
    return {"verbs": ["get"], "apiGroups": ["acme.com"], "resources": [resource]}


def rules(plane: Plane, name: str) -> list[dict[str, Any]]:
    role = plane.storage.lookup(ROLES, "", name)
    assert role is not None
    return role.get("rules") or []


def part_of(name: str, into: str, resource: str) -> dict[str, Any]:
    labels = {f"rbac.authorization.k8s.io/aggregate-to-{into}": "true"}
    return {"metadata": {"name": name, "labels": labels}, "rules": [rule(resource)]}


def test_a_role_for_view_reaches_edit_and_admin_and_leaves_them_again() -> None:
    async def main() -> None:
        plane = await started_plane()
        context = Context(
            client_for=plane.controller_client, informers=Informers(plane.client(MANAGER, "kube-controller-manager"))
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_controllers, context, ["clusterrole-aggregation"])
            await admin(plane).create(ROLES, part_of("acme", "view", "rockets"))
            await anyio.sleep(5)
            for name in ("view", "edit", "admin"):
                assert rule("rockets") in rules(plane, name)
            pods = {"verbs": ["create"], "apiGroups": [""], "resources": ["pods/eviction"]}
            assert [pods in rules(plane, name) for name in ("view", "edit", "admin")] == [False, True, True]
            await admin(plane).patch(ROLES, "acme", {"rules": [rule("cars")]})
            await anyio.sleep(5)
            assert rule("rockets") not in rules(plane, "admin")
            assert rule("cars") in rules(plane, "admin")
            settled = plane.storage.caches.revision
            await anyio.sleep(30)
            assert plane.storage.caches.revision == settled
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())
