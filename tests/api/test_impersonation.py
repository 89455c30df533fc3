"""Impersonation: who may act as whom, claim by claim."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kube_lite.api.plane import Plane
from kube_lite.api.user import AUTHENTICATED, MASTERS, NODES, UNAUTHENTICATED, User
from tests.api.wire import ask
from tests.plane import admin, started_plane

RBAC, AUTHN = "rbac.authorization.k8s.io", "authentication.k8s.io"
WHO = f"/apis/{AUTHN}/v1/selfsubjectreviews"
Obj = dict[str, Any]


async def world(*rules: Obj) -> Plane:
    """Tokens ``root`` and ``alice``; alice holds ``rules``."""
    plane = await started_plane()
    plane.authenticator.add_token("root", User("root", groups=(MASTERS, AUTHENTICATED)))
    plane.authenticator.add_token("alice", User("alice", groups=(AUTHENTICATED,)))
    await admin(plane).create(f"clusterroles.{RBAC}", {"metadata": {"name": "acts"}, "rules": list(rules)})
    subject = {"kind": "User", "apiGroup": RBAC, "name": "alice"}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "acts"}
    binding = {"metadata": {"name": "acts"}, "roleRef": reference, "subjects": [subject]}
    await admin(plane).create(f"clusterrolebindings.{RBAC}", binding)
    return plane


async def who(plane: Plane, token: str, *headers: tuple[str, str]) -> tuple[int, Obj]:
    answer = await ask(plane, WHO, method="POST", token=token, headers=headers, body={})
    return answer.code, answer.json()["status"]["userInfo"] if answer.code == 201 else answer.json()


def test_an_administrator_is_whoever_they_say() -> None:
    async def main() -> None:
        plane = await world()
        headers = (
            ("Impersonate-User", "bob"),
            ("Impersonate-Group", "devs"),
            ("Impersonate-Group", "ops"),
            ("Impersonate-Uid", "u1"),
            ("Impersonate-Extra-Acme.com%2Fproject", "p1"),
            ("Impersonate-Extra-Acme.com%2Fproject", "p2"),
        )
        assert await who(plane, "root", *headers) == (
            201,
            {
                "username": "bob",
                "uid": "u1",
                "groups": ["devs", "ops", AUTHENTICATED],
                "extra": {"acme.com/project": ["p1", "p2"]},
            },
        )

    anyio.run(main)


def test_a_service_account_comes_with_its_groups() -> None:
    async def main() -> None:
        plane = await world()
        _, found = await who(plane, "root", ("Impersonate-User", "system:serviceaccount:a:b"))
        assert found["groups"] == ["system:serviceaccounts", "system:serviceaccounts:a", AUTHENTICATED]

    anyio.run(main)


def test_nobody_is_not_authenticated() -> None:
    async def main() -> None:
        plane = await world()
        answer = await ask(plane, "/api", token="root", headers=[("Impersonate-User", "system:anonymous")])
        assert answer.code == 403
        headers = [("Impersonate-User", "bob"), ("Impersonate-Group", UNAUTHENTICATED)]
        assert (await ask(plane, "/api", token="root", headers=headers)).code == 403

    anyio.run(main)


def rule(resource: str, *names: str, group: str = "") -> Obj:
    named = {"resourceNames": list(names)} if names else {}
    return {"verbs": ["impersonate"], "apiGroups": [group], "resources": [resource], **named}


BOB = ("Impersonate-User", "bob")


@pytest.mark.parametrize(
    ("rules", "headers", "passes"),
    [
        ((), (BOB,), False),
        ((rule("users"),), (BOB,), True),
        ((rule("users", "bob"),), (BOB,), True),
        ((rule("users", "carol"),), (BOB,), False),
        ((rule("users"),), (BOB, ("Impersonate-Group", "devs")), False),
        ((rule("users"), rule("groups", "devs")), (BOB, ("Impersonate-Group", "devs")), True),
        ((rule("users"), rule("groups", "devs")), (BOB, ("Impersonate-Group", MASTERS)), False),
        ((rule("users"), rule("groups", "devs")), (BOB, ("Impersonate-Group", AUTHENTICATED)), False),
        ((rule("users"),), (BOB, ("Impersonate-Uid", "1")), False),
        ((rule("users"), rule("uids", group=AUTHN)), (BOB, ("Impersonate-Uid", "1")), True),
        ((rule("users"),), (BOB, ("Impersonate-Extra-scopes", "x")), False),
        ((rule("users"), rule("userextras/scopes", "x", group=AUTHN)), (BOB, ("Impersonate-Extra-scopes", "x")), True),
        ((rule("users"), rule("userextras/scopes", "y", group=AUTHN)), (BOB, ("Impersonate-Extra-scopes", "x")), False),
        ((rule("users"),), (("Impersonate-User", "system:serviceaccount:a:b"),), False),
        ((rule("serviceaccounts"),), (("Impersonate-User", "system:serviceaccount:a:b"),), True),
        ((rule("serviceaccounts"),), (BOB,), False),
    ],
)
def test_each_claim_is_asked_for(rules: tuple[Obj, ...], headers: tuple[tuple[str, str], ...], passes: bool) -> None:
    async def main() -> None:
        plane = await world(*rules)
        code, found = await who(plane, "alice", *headers)
        assert code == (201 if passes else 403), found

    anyio.run(main)


@pytest.mark.parametrize("header", ["Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-a"])
def test_claims_without_a_user_are_refused(header: str) -> None:
    async def main() -> None:
        code, found = await who(await world(), "root", (header, "x"))
        assert code == 400
        assert "without impersonating a user" in found["message"]

    anyio.run(main)


def test_what_is_done_is_refused_in_the_name_of_the_other() -> None:
    async def main() -> None:
        plane = await world()
        path = "/api/v1/namespaces/default/configmaps"
        answer = await ask(plane, path, method="POST", token="root", headers=[BOB], body={})
        assert answer.json()["message"] == (
            'configmaps is forbidden: User "bob" cannot create resource "configmaps" in API group "" '
            'in the namespace "default"'
        )

    anyio.run(main)


def verb(name: str, resource: str, group: str = AUTHN, *names: str) -> Obj:
    named = {"resourceNames": list(names)} if names else {}
    return {"verbs": [name], "apiGroups": [group], "resources": [resource], **named}


ON = "impersonate-on:"
AS_NODE = ("Impersonate-User", "system:node:n1")
ASKS = "selfsubjectreviews"


@pytest.mark.parametrize(
    ("rules", "headers", "groups"),
    [
        ((verb("impersonate:user-info", "users", AUTHN, "bob"), verb(f"{ON}user-info:create", ASKS)), (BOB,), []),
        ((verb("impersonate:user-info", "users", AUTHN, "bob"), verb(f"{ON}user-info:list", ASKS)), (BOB,), None),
        ((verb("impersonate:user-info", "users", ""), verb(f"{ON}user-info:create", ASKS)), (BOB,), None),
        (
            (verb("impersonate:user-info", "*"), verb(f"{ON}user-info:create", ASKS)),
            (BOB, ("Impersonate-Group", "devs")),
            ["devs"],
        ),
        (
            (verb("impersonate:user-info", "*"), verb(f"{ON}user-info:create", ASKS)),
            (BOB, ("Impersonate-Group", MASTERS)),
            None,
        ),
        ((verb("impersonate:user-info", "*"), verb(f"{ON}user-info:create", ASKS)), (AS_NODE,), None),
        ((verb("impersonate:arbitrary-node", "nodes"), verb(f"{ON}arbitrary-node:create", ASKS)), (AS_NODE,), [NODES]),
        ((rule("users"),), (AS_NODE,), []),
        (
            (verb("impersonate:serviceaccount", "serviceaccounts"), verb(f"{ON}serviceaccount:create", ASKS)),
            (("Impersonate-User", "system:serviceaccount:a:b"),),
            ["system:serviceaccounts", "system:serviceaccounts:a"],
        ),
    ],
)
def test_a_mode_grants_a_claim_for_what_is_done(
    rules: tuple[Obj, ...], headers: tuple[tuple[str, str], ...], groups: list[str] | None
) -> None:
    async def main() -> None:
        code, found = await who(await world(*rules), "alice", *headers)
        assert code == (403 if groups is None else 201), found
        assert groups is None or found["groups"] == [*groups, AUTHENTICATED]

    anyio.run(main)


def test_a_pod_may_be_its_own_node_and_no_other() -> None:
    async def main() -> None:
        plane = await world(verb("impersonate:associated-node", "nodes"), verb(f"{ON}associated-node:get", "nodes", ""))
        root = admin(plane)
        for node in ("n1", "n2"):
            await root.create("nodes", {"metadata": {"name": node}})
        name = "system:serviceaccount:default:agent"
        subject = {"kind": "ServiceAccount", "name": "agent", "namespace": "default"}
        await root.patch(f"clusterrolebindings.{RBAC}", "acts", {"subjects": [subject]})
        extra = {"authentication.kubernetes.io/node-name": ["n1"]}
        plane.authenticator.add_token("agent", User(name, groups=(AUTHENTICATED,), extra=extra))
        answer = await ask(plane, "/api/v1/nodes/n1", token="agent", headers=[AS_NODE])
        assert answer.code == 200
        other = ("Impersonate-User", "system:node:n2")
        answer = await ask(plane, "/api/v1/nodes/n2", token="agent", headers=[other])
        assert answer.json()["message"].startswith(
            f'users "system:node:n2" is forbidden: User "{name}" cannot impersonate resource "users"'
        )

    anyio.run(main)
