"""Nobody grants what they do not hold: a table of attempts by a user who holds little."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from kube_lite.api.local import LocalClient
from kube_lite.api.plane import Plane
from kube_lite.api.user import AUTHENTICATED, User
from kube_lite.client.protocol import APPLY_PATCH
from kube_lite.errors import ApiError, Forbidden, NotFound
from tests.plane import admin, started_plane

RBAC = "rbac.authorization.k8s.io"
ROLES, CLUSTER_ROLES = f"roles.{RBAC}", f"clusterroles.{RBAC}"
BINDINGS, CLUSTER_BINDINGS = f"rolebindings.{RBAC}", f"clusterrolebindings.{RBAC}"
ALICE = User("alice", groups=("devs", AUTHENTICATED))
Obj = dict[str, Any]
WRITE = ["create", "update", "patch", "delete", "get"]


def rule(verbs: list[str], resources: list[str], groups: list[str] | None = None, **more: Any) -> Obj:
    return {"verbs": verbs, "apiGroups": groups or [""], "resources": resources, **more}


WRITES_RBAC = rule(WRITE, ["roles", "rolebindings", "clusterroles", "clusterrolebindings"], [RBAC])
READS = rule(["get", "list"], ["configmaps"])


def role(name: str, *rules: Obj, **more: Any) -> Obj:
    return {"metadata": {"name": name}, "rules": list(rules), **more}


def binding(name: str, kind: str, role_name: str, user: str = "alice") -> Obj:
    subject = {"kind": "User", "apiGroup": RBAC, "name": user}
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role_name},
        "subjects": [subject],
    }


async def world(*extra: Obj) -> tuple[Plane, LocalClient]:
    """A cluster where alice writes RBAC objects everywhere, reads configmaps, and holds ``extra``."""
    plane = await started_plane()
    root = admin(plane)
    await root.create(CLUSTER_ROLES, role("mine", WRITES_RBAC, READS, *extra))
    await root.create(CLUSTER_BINDINGS, binding("mine", "ClusterRole", "mine"))
    await root.create(ROLES, role("secrets", rule(["get"], ["secrets"])), "default")
    await root.create(CLUSTER_ROLES, role("secrets", rule(["get"], ["secrets"])))
    await root.create(ROLES, role("reads", READS), "default")
    return plane, plane.client(ALICE, "test")


Attempt = Callable[[LocalClient], Awaitable[object]]


def _put(client: LocalClient, resource: str, obj: Obj, namespace: str = "") -> Awaitable[object]:
    return client.update(resource, obj["metadata"]["name"], obj, namespace)


def _apply(client: LocalClient, obj: Obj) -> Awaitable[object]:
    whole = {"apiVersion": f"{RBAC}/v1", "kind": "Role", **obj}
    return client.patch(ROLES, obj["metadata"]["name"], whole, "default", content_type=APPLY_PATCH, field_manager="m")


SECRETS = rule(["get"], ["secrets"])
ATTEMPTS: list[tuple[str, Attempt, tuple[Obj, ...], bool]] = [
    ("a role with what is held", lambda c: c.create(ROLES, role("r", READS), "default"), (), True),
    ("a role with less", lambda c: c.create(ROLES, role("r", rule(["get"], ["configmaps"])), "default"), (), True),
    (
        "a role for one name of what is held",
        lambda c: c.create(ROLES, role("r", {**READS, "resourceNames": ["x"]}), "default"),
        (),
        True,
    ),
    ("a role with more verbs", lambda c: c.create(ROLES, role("r", rule(["*"], ["configmaps"])), "default"), (), False),
    ("a role with another resource", lambda c: c.create(ROLES, role("r", SECRETS), "default"), (), False),
    (
        "a role with a subresource",
        lambda c: c.create(ROLES, role("r", rule(["get"], ["configmaps/x"])), "default"),
        (),
        False,
    ),
    (
        "a role with another group",
        lambda c: c.create(ROLES, role("r", rule(["get"], ["configmaps"], ["*"])), "default"),
        (),
        False,
    ),
    (
        "a ClusterRole with paths",
        lambda c: c.create(CLUSTER_ROLES, role("r", {"verbs": ["get"], "nonResourceURLs": ["/metrics"]})),
        (),
        False,
    ),
    ("a ClusterRole with more", lambda c: c.create(CLUSTER_ROLES, role("r", SECRETS)), (), False),
    ("a PUT that widens", lambda c: _put(c, ROLES, role("reads", READS, SECRETS), "default"), (), False),
    ("a PUT that keeps", lambda c: _put(c, ROLES, role("reads", READS), "default"), (), True),
    ("a PUT that creates", lambda c: _put(c, ROLES, role("new", SECRETS), "default"), (), False),
    ("a patch that widens", lambda c: c.patch(ROLES, "reads", {"rules": [SECRETS]}, "default"), (), False),
    ("a patch that narrows", lambda c: c.patch(ROLES, "reads", {"rules": []}, "default"), (), True),
    ("an apply that creates", lambda c: _apply(c, role("new", SECRETS)), (), False),
    ("an apply within bounds", lambda c: _apply(c, role("new", READS)), (), True),
    (
        "a label on a role that one does not hold",
        lambda c: c.patch(ROLES, "secrets", {"metadata": {"labels": {"a": "b"}}}, "default"),
        (),
        False,
    ),
    (
        "a finalizer on a role that one does not hold",
        lambda c: c.patch(ROLES, "secrets", {"metadata": {"finalizers": ["a.io/b"]}}, "default"),
        (),
        True,
    ),
    (
        "the label that makes a role part of admin",
        lambda c: c.patch(CLUSTER_ROLES, "mine", {"metadata": {"labels": {f"{RBAC}/aggregate-to-admin": "true"}}}),
        (),
        True,
    ),
    (
        "a role that collects others",
        lambda c: c.create(
            CLUSTER_ROLES, role("r", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]})
        ),
        (),
        False,
    ),
    (
        "the selectors of a role that collects others",
        lambda c: c.patch(CLUSTER_ROLES, "view", {"aggregationRule": None}),
        (),
        False,
    ),
    (
        "any role with the verb escalate",
        lambda c: c.create(ROLES, role("r", rule(["*"], ["*"], ["*"])), "default"),
        (rule(["escalate"], ["roles"], [RBAC]),),
        True,
    ),
    (
        "another role with the verb escalate on one",
        lambda c: c.create(ROLES, role("r", SECRETS), "default"),
        (rule(["escalate"], ["roles"], [RBAC], resourceNames=["q"]),),
        False,
    ),
    (
        "a ClusterRole with the verb escalate on roles",
        lambda c: c.create(CLUSTER_ROLES, role("r", SECRETS)),
        (rule(["escalate"], ["roles"], [RBAC]),),
        False,
    ),
    ("a binding of what is held", lambda c: c.create(BINDINGS, binding("b", "Role", "reads"), "default"), (), True),
    ("a binding of more", lambda c: c.create(BINDINGS, binding("b", "Role", "secrets"), "default"), (), False),
    (
        "a binding of cluster-admin in one namespace",
        lambda c: c.create(BINDINGS, binding("b", "ClusterRole", "cluster-admin"), "default"),
        (),
        False,
    ),
    (
        "a cluster-wide binding of more",
        lambda c: c.create(CLUSTER_BINDINGS, binding("b", "ClusterRole", "secrets")),
        (),
        False,
    ),
    (
        "a binding with the verb bind",
        lambda c: c.create(BINDINGS, binding("b", "Role", "secrets"), "default"),
        (rule(["bind"], ["roles"], [RBAC]),),
        True,
    ),
    (
        "a binding with the verb bind on that role",
        lambda c: c.create(CLUSTER_BINDINGS, binding("b", "ClusterRole", "secrets")),
        (rule(["bind"], ["clusterroles"], [RBAC], resourceNames=["secrets"]),),
        True,
    ),
    (
        "a binding with the verb bind on another role",
        lambda c: c.create(CLUSTER_BINDINGS, binding("b", "ClusterRole", "cluster-admin")),
        (rule(["bind"], ["clusterroles"], [RBAC], resourceNames=["secrets"]),),
        False,
    ),
    (
        "a binding of a ClusterRole with the verb bind on roles",
        lambda c: c.create(BINDINGS, binding("b", "ClusterRole", "secrets"), "default"),
        (rule(["bind"], ["roles"], [RBAC]),),
        False,
    ),
    (
        "more people in a binding of more",
        lambda c: c.patch(CLUSTER_BINDINGS, "cluster-admin", {"subjects": binding("b", "", "")["subjects"]}),
        (),
        False,
    ),
]


@pytest.mark.parametrize(("attempt", "extra", "passes"), [a[1:] for a in ATTEMPTS], ids=[a[0] for a in ATTEMPTS])
def test_attempts_to_grant(attempt: Attempt, extra: tuple[Obj, ...], passes: bool) -> None:
    async def main() -> None:
        _, client = await world(*extra)
        refused: ApiError | None = None
        try:
            await attempt(client)
        except Forbidden as error:
            refused = error
        assert (refused is None) is passes, refused

    anyio.run(main)


def test_the_refusal_lists_what_is_not_held() -> None:
    async def main() -> None:
        _, client = await world()
        wanted = role("r", rule(["get", "delete"], ["configmaps"]), rule(["get", "list"], ["secrets"]))
        with pytest.raises(Forbidden) as refusal:
            await client.create(ROLES, wanted, "default")
        assert refusal.value.message == (
            f'roles.{RBAC} "r" is forbidden: user "alice" (groups=["devs" "system:authenticated"]) is attempting to '
            "grant RBAC permissions not currently held:\n"
            '{APIGroups:[""], Resources:["configmaps"], Verbs:["delete"]}\n'
            '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}'
        )

    anyio.run(main)


def test_a_role_that_is_not_there_cannot_be_bound() -> None:
    async def main() -> None:
        plane, client = await world()
        with pytest.raises(NotFound, match='"none" not found'):
            await client.create(BINDINGS, binding("b", "Role", "none"), "default")
        await admin(plane).create(BINDINGS, binding("b", "Role", "none"), "default")

    anyio.run(main)


def test_no_setting_takes_the_checks_away() -> None:
    async def main() -> None:
        plane = await started_plane(disabled=["NodeRestriction", "ServiceAccount", "NamespaceLifecycle", "Priority"])
        await admin(plane).create(CLUSTER_ROLES, role("mine", WRITES_RBAC))
        await admin(plane).create(CLUSTER_BINDINGS, binding("mine", "ClusterRole", "mine"))
        with pytest.raises(Forbidden):
            await plane.client(ALICE, "t").create(ROLES, role("r", SECRETS), "default")

    anyio.run(main)
