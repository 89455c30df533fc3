"""Default roles and bindings: made, mended, and left alone when asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio

from kube_lite import controllers
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.authz.default_roles import AUTOUPDATE
from kube_lite.api.plane import Plane
from kube_lite.api.role_bootstrap import defaults, ensure_roles
from kube_lite.api.user import AUTHENTICATED, service_account
from tests.plane import admin, started_plane

RBAC = "rbac.authorization.k8s.io"
ROLES, BINDINGS = f"clusterroles.{RBAC}", f"clusterrolebindings.{RBAC}"


def role(plane: Plane, name: str) -> dict[str, Any]:
    found = plane.storage.lookup(ROLES, "", name)
    assert found is not None, name
    return found


def test_every_default_is_there_and_stored_as_it_was_meant() -> None:
    async def main() -> None:
        plane = await started_plane()
        count = 0
        for plural, namespace, wanted in defaults():
            stored = plane.storage.lookup(f"{plural}.{RBAC}", namespace, wanted["metadata"]["name"])
            assert stored is not None, wanted["metadata"]["name"]
            for key in ("rules", "roleRef", "subjects", "aggregationRule"):
                assert (stored.get(key) or []) == (wanted.get(key) or []), (wanted["metadata"]["name"], key)
            count += 1
        assert count > 130

    anyio.run(main)


def test_every_binding_refers_to_a_role_that_exists() -> None:
    roles = {(plural, namespace, o["metadata"]["name"]) for plural, namespace, o in defaults() if "roleRef" not in o}
    for _, namespace, binding in defaults():
        if "roleRef" in binding:
            plural = "clusterroles" if binding["roleRef"]["kind"] == "ClusterRole" else "roles"
            assert (plural, namespace, binding["roleRef"]["name"]) in roles


def test_the_next_start_writes_nothing() -> None:
    async def main() -> None:
        plane = await started_plane()
        before = plane.storage.caches.revision
        await ensure_roles(plane.verbs)
        assert plane.storage.caches.revision == before

    anyio.run(main)


def test_what_was_lost_comes_back_and_what_was_added_stays() -> None:
    async def main() -> None:
        plane = await started_plane()
        client = admin(plane)
        own = {"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["things"]}
        await client.patch(ROLES, "system:kube-dns", {"rules": [own], "metadata": {"labels": {"mine": "1"}}})
        await client.patch(BINDINGS, "system:kube-dns", {"subjects": None})
        await client.delete(ROLES, "system:discovery")
        await ensure_roles(plane.verbs)
        mended = role(plane, "system:kube-dns")
        assert mended["rules"][0] == own
        assert mended["metadata"]["labels"]["mine"] == "1"
        dns = service_account("kube-system", "kube-dns")
        assert plane.authorizer.allows(Attributes(dns, "watch", "discovery.k8s.io", "v1", "endpointslices"))
        assert role(plane, "system:discovery")

    anyio.run(main)


def test_an_object_that_is_not_to_be_updated_is_left_alone() -> None:
    async def main() -> None:
        plane = await started_plane()
        change = {"rules": [], "metadata": {"annotations": {AUTOUPDATE: "false"}}}
        await admin(plane).patch(ROLES, "system:kube-dns", change)
        await ensure_roles(plane.verbs)
        assert not role(plane, "system:kube-dns").get("rules")

    anyio.run(main)


def test_a_controller_holds_no_more_than_its_role() -> None:
    async def main() -> None:
        plane = await started_plane()
        ttl, allows = service_account("kube-system", "ttl-controller"), plane.authorizer.allows
        assert AUTHENTICATED in ttl.groups
        assert allows(Attributes(ttl, "patch", "", "v1", "nodes", name="n"))
        assert not allows(Attributes(ttl, "get", "", "v1", "secrets", namespace="default", name="s"))
        assert not allows(Attributes(ttl, "delete", "", "v1", "nodes", name="n"))
        assert not allows(Attributes(service_account("kube-system", "no-controller"), "list", "", "v1", "pods"))

    anyio.run(main)


def test_every_controller_in_this_process_has_a_role() -> None:
    sources = "".join(path.read_text() for path in sorted(Path(controllers.__path__[0]).glob("*.py")))
    names = {*re.findall(r'client_for\("([\w-]+)"', sources), *re.findall(r'EVENT_WRITER = "([\w-]+)"', sources)}
    roles = {obj["metadata"]["name"] for plural, _, obj in defaults() if plural == "clusterroles"}
    assert len(names) > 15
    assert {f"system:controller:{name}" for name in names} - roles == set()
