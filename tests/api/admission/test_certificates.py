"""Who may approve, sign and ask for certificates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kube_lite import clock
from kube_lite.api.user import AUTHENTICATED, User
from kube_lite.errors import Forbidden
from kube_lite.resources.meta import Obj
from tests.controllers.certificates import request_pem, signing_request
from tests.plane import admin, started_plane

REQUESTS = "certificatesigningrequests.certificates.k8s.io"
RULES = {
    "approve": [{"verbs": ["approve"], "resourceNames": ["kubernetes.io/kube-apiserver-client"]}],
    "sign": [{"verbs": ["sign"], "resourceNames": ["kubernetes.io/*"]}],
}


def _granted(verbs: list[str], resource: str, **rule: Any) -> Obj:
    return {"apiGroups": ["certificates.k8s.io"], "resources": [resource], "verbs": verbs, **rule}


@pytest.mark.parametrize(
    ("subresource", "verb", "why"),
    [
        ("approval", "approve", "user not permitted to approve requests with signerName"),
        ("status", "sign", "user not permitted to sign requests with signerName"),
    ],
)
def test_a_signers_requests_are_for_those_who_may(subresource: str, verb: str, why: str) -> None:
    async def story() -> None:
        plane = await started_plane()
        body = signing_request("r", request_pem("jane"), "kube-apiserver-client", ["client auth"])
        await admin(plane).create(REQUESTS, body)
        rules = [_granted(["patch"], "certificatesigningrequests/" + subresource)]
        roles = "clusterroles.rbac.authorization.k8s.io"
        await admin(plane).create(roles, {"metadata": {"name": "r"}, "rules": rules})
        binding = {
            "metadata": {"name": "r"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jo"}],
        }
        await admin(plane).create("clusterrolebindings.rbac.authorization.k8s.io", binding)
        jo = plane.client(User("jo", groups=(AUTHENTICATED,)), "test")
        kind = "Approved" if subresource == "approval" else "Seen"
        change = {"status": {"conditions": [{"type": kind, "status": "True", "reason": "R"}]}}
        with pytest.raises(Forbidden, match=why):
            await jo.patch(REQUESTS, "r", change, subresource=subresource)
        named = [_granted(rule["verbs"], "signers", resourceNames=rule["resourceNames"]) for rule in RULES[verb]]
        await admin(plane).patch(roles, "r", {"rules": rules + named})
        answer = json.loads(await jo.patch(REQUESTS, "r", change, subresource=subresource))
        assert [condition["type"] for condition in answer["status"]["conditions"]] == [kind]

    clock.run_virtual(story())


def test_nobody_asks_for_the_group_that_may_do_everything() -> None:
    async def story() -> None:
        plane = await started_plane()
        body = signing_request("r", request_pem("jane", ["system:masters"]), "kube-apiserver-client", ["client auth"])
        with pytest.raises(Forbidden, match="signer with system:masters group is not allowed"):
            await admin(plane).create(REQUESTS, body)
        elsewhere = {**body, "spec": {**body["spec"], "signerName": "example.com/other"}}
        assert await admin(plane).create(REQUESTS, elsewhere)

    clock.run_virtual(story())


def test_a_new_node_is_not_ready_until_it_says_so() -> None:
    async def story() -> None:
        plane = await started_plane()
        own = {"key": "a", "effect": "NoExecute"}
        made = json.loads(await admin(plane).create("nodes", {"metadata": {"name": "n"}, "spec": {"taints": [own]}}))
        not_ready = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
        assert made["spec"]["taints"] == [own, not_ready]

    clock.run_virtual(story())
