"""Nobody makes admission policies read for him what he may not read."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kube_lite.api.local import LocalClient
from kube_lite.api.user import AUTHENTICATED, User
from kube_lite.errors import Invalid
from tests.api.authz.test_escalation import CLUSTER_BINDINGS, CLUSTER_ROLES, WRITE, binding, role, rule
from tests.plane import admin, started_plane

ALICE = User("alice", groups=(AUTHENTICATED,))
POLICIES, BINDINGS = "validatingadmissionpolicies", "validatingadmissionpolicybindings"
RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
MAPS, SECRETS = ({"apiVersion": "v1", "kind": kind} for kind in ("ConfigMap", "Secret"))
WHO = "user &{alice  [system:authenticated] map[]}"
Obj = dict[str, Any]


def policy(name: str, kind: Obj) -> Obj:
    spec = {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}], "paramKind": kind}
    return {"metadata": {"name": name}, "spec": spec}


def bound(policy_name: str, **reference: Any) -> Obj:
    reference["parameterNotFoundAction"] = "Deny"
    spec = {"policyName": policy_name, "validationActions": ["Deny"], "paramRef": reference}
    return {"metadata": {"name": "b"}, "spec": spec}


async def alice() -> LocalClient:
    """She writes policies and reads configmaps; the administrator has made policies about both kinds and another."""
    plane = await started_plane()
    root = admin(plane)
    writes = rule(WRITE, [POLICIES, BINDINGS], ["admissionregistration.k8s.io"])
    await root.create(CLUSTER_ROLES, role("mine", writes, rule(["get"], ["configmaps"])))
    await root.create(CLUSTER_BINDINGS, binding("mine", "ClusterRole", "mine"))
    for name, kind in (("maps", MAPS), ("secrets", SECRETS), ("others", {"apiVersion": "a.b/v1", "kind": "K"})):
        await root.create(POLICIES, policy(name, kind))
    return plane.client(ALICE, "test")


@pytest.mark.parametrize(
    ("resource", "obj", "why"),
    [
        (POLICIES, policy("p", MAPS), ""),
        (
            POLICIES,
            policy("p", SECRETS),
            f'{WHO} must have "get" permission on all objects of the referenced paramKind (kind=Secret, apiVersion=v1)',
        ),
        (BINDINGS, bound("maps", name="x"), ""),
        (BINDINGS, bound("maps", selector={}), f'{WHO} does not have "list" permission on the object referenced by'),
        (BINDINGS, bound("secrets", name="x"), f'{WHO} does not have "get" permission on the object referenced by'),
        (BINDINGS, bound("none", name="x"), "unable to get policy none to determine minimum required permissions and"),
        (BINDINGS, bound("others", name="x"), "unable to resolve paramKind &{a.b/v1 K} to determine minimum required"),
    ],
)
def test_who_names_parameters_may_read_them(resource: str, obj: Obj, why: str) -> None:
    async def story() -> None:
        client = await alice()
        if not why:
            assert await client.create(resource, obj)
            return
        with pytest.raises(Invalid) as refused:
            await client.create(resource, obj)
        (cause,) = refused.value.details["causes"]
        assert cause["field"] == ("spec.paramKind" if resource == POLICIES else "spec.paramRef")
        assert cause["message"].startswith(f"Forbidden: {why}")

    anyio.run(story)


def test_what_does_not_change_is_not_asked_about_again() -> None:
    async def story() -> None:
        client = await alice()
        assert await client.patch(POLICIES, "secrets", {"metadata": {"labels": {"a": "b"}}})
        with pytest.raises(Invalid):
            await client.patch(POLICIES, "maps", {"spec": {"paramKind": SECRETS}})

    anyio.run(story)
