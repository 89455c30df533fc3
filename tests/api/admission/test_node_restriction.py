"""NodeRestriction: what a stolen node credential cannot do."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from kube_lite.api.local import LocalClient
from kube_lite.api.user import AUTHENTICATED, NODES, User
from kube_lite.errors import ApiError, Forbidden
from tests.plane import admin, started_plane

NODE = User("system:node:n1", groups=(NODES, AUTHENTICATED))
Obj = dict[str, Any]
LEASES = "leases.coordination.k8s.io"
Attempt = Callable[[LocalClient, Obj], Awaitable[object]]


def pod(name: str, node: str, **more: Any) -> Obj:
    spec = {"nodeName": node, "serviceAccountName": "robot", "containers": [{"name": "c", "image": "i"}]}
    return {"metadata": {"name": name}, "spec": {**spec, **more}}


RBAC = "rbac.authorization.k8s.io"
VOLUMES = [
    {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "vault"}}]}},
    {"name": "d", "csi": {"driver": "d"}},
]


async def world() -> tuple[LocalClient, Obj]:
    """The client of node n1, and uids by name; n1 has the pod ``mine``, n2 ``theirs``."""
    plane = await started_plane()
    root = admin(plane)
    await root.create("serviceaccounts", {"metadata": {"name": "robot"}}, "default")
    uids: Obj = {}
    for node, name in (("n1", "mine"), ("n2", "theirs")):
        made = await root.create("nodes", {"metadata": {"name": node, "labels": {"a": "1"}}})
        uids[node] = json.loads(made)["metadata"]["uid"]
        made = await root.create("pods", pod(name, node, volumes=VOLUMES), "default")
        uids[name] = json.loads(made)["metadata"]["uid"]
        await root.create(LEASES, {"metadata": {"name": node}}, "kube-node-lease")
    driver = {"tokenRequests": [{"audience": "storage"}]}
    await root.create("csidrivers.storage.k8s.io", {"metadata": {"name": "d"}, "spec": driver})
    rule = {"verbs": ["request-serviceaccounts-token-audience"], "apiGroups": [""], "resources": ["registry"]}
    await root.create(f"clusterroles.{RBAC}", {"metadata": {"name": "asks"}, "rules": [rule]})
    granted = {"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "asks"}}
    nodes = {"apiGroup": RBAC, "kind": "Group", "name": "system:nodes"}
    await root.create(f"clusterrolebindings.{RBAC}", {"metadata": {"name": "asks"}, "subjects": [nodes], **granted})
    return plane.client(NODE, "kubelet"), uids


def labels(**values: str) -> Attempt:
    def attempt(client: LocalClient, uids: Obj) -> Awaitable[object]:
        named = {key.replace("__", "/").replace("_", "."): value for key, value in values.items()}
        return client.patch("nodes", "n1", {"metadata": {"labels": named}})

    return attempt


def spec(name: str, **fields: Any) -> Attempt:
    return lambda client, uids: client.patch("nodes", name, {"spec": fields})


def token(bound: str, uid: str | None = "", kind: str = "Pod", *audiences: str) -> Attempt:
    """A token for the account ``robot``; ``uid`` '' takes the right one."""

    def attempt(client: LocalClient, uids: Obj) -> Awaitable[object]:
        reference: Obj = {"apiVersion": "v1", "kind": kind, "name": bound}
        if uid is not None:
            reference["uid"] = uid or uids.get(bound, "")
        wanted: Obj = {"spec": {"boundObjectRef": reference} if bound else {}}
        wanted["spec"]["audiences"] = list(audiences)
        return client.create("serviceaccounts", wanted, "default", name="robot", subresource="token")

    return attempt


def mirror(node: str = "n1", owner: str = "n1", owners: int = 1, **more: Any) -> Attempt:
    """A mirror pod."""

    def attempt(client: LocalClient, uids: Obj) -> Awaitable[object]:
        reference = {"apiVersion": "v1", "kind": "Node", "name": owner, "uid": uids[owner], "controller": True}
        metadata = {
            "name": "mirror",
            "annotations": {"kubernetes.io/config.mirror": "x"},
            "ownerReferences": [reference] * owners,
        }
        containers = [{"name": "c", "image": "i"}]
        return client.create(
            "pods", {"metadata": metadata, "spec": {"nodeName": node, "containers": containers, **more}}, "default"
        )

    return attempt


def status(name: str, **metadata: Any) -> Attempt:
    change = {"metadata": metadata, "status": {"message": "m"}}
    return lambda client, uids: client.patch("pods", name, change, "default", subresource="status")


def lease(name: str) -> Attempt:
    return lambda client, uids: client.patch(LEASES, name, {"spec": {"holderIdentity": "n1"}}, "kube-node-lease")


def slice_of(node: str) -> Attempt:
    spec = {"driver": "d", "nodeName": node, "pool": {"name": node, "resourceSliceCount": 1, "generation": 1}}
    return lambda client, uids: client.create(
        "resourceslices.resource.k8s.io", {"metadata": {"name": "s"}, "spec": spec}
    )


VOLUME = [{"name": "v", "secret": {"secretName": "s"}}]
ATTEMPTS: list[tuple[str, Attempt, bool]] = [
    ("own label", labels(b="2"), True),
    ("own hostname", labels(kubernetes_io__hostname="n1"), True),
    ("kubelet's label", labels(kubelet_kubernetes_io__x="1"), True),
    ("node's label", labels(node_kubernetes_io__x="1"), True),
    ("restricted label", labels(**{"node-restriction_kubernetes_io__x": "1"}), False),
    ("restricted label below", labels(**{"a_node-restriction_kubernetes_io__x": "1"}), False),
    ("role label", labels(**{"node-role_kubernetes_io__control-plane": ""}), False),
    ("other kubernetes label", labels(kubernetes_io__x="1"), False),
    ("other k8s label", labels(acme_k8s_io__x="1"), False),
    ("own taints", spec("n1", taints=[{"key": "a", "effect": "NoSchedule"}]), False),
    ("own spec", spec("n1", unschedulable=True), True),
    ("another node", spec("n2", unschedulable=True), False),
    ("another node's status", lambda c, u: c.patch("nodes", "n2", {"status": {}}, subresource="status"), False),
    (
        "owner of its Node",
        lambda c, u: c.patch(
            "nodes",
            "n1",
            {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]}},
        ),
        False,
    ),
    ("a new node", lambda c, u: c.create("nodes", {"metadata": {"name": "n3"}}), False),
    ("delete itself", lambda c, u: c.delete("nodes", "n1"), False),
    ("own lease", lease("n1"), True),
    ("another lease", lease("n2"), False),
    ("new lease", lambda c, u: c.create(LEASES, {"metadata": {"name": "n3"}}, "kube-node-lease"), False),
    ("token bound to own pod", token("mine"), True),
    ("token bound to another pod", token("theirs"), False),
    ("token for an audience that a volume names", token("mine", "", "Pod", "vault"), True),
    ("token for an audience of a storage driver", token("mine", "", "Pod", "storage"), True),
    ("token for an audience that was granted", token("mine", "", "Pod", "registry"), True),
    ("token for another audience", token("mine", "", "Pod", "bank"), False),
    ("token for two audiences", token("mine", "", "Pod", "vault", "storage"), False),
    ("own slice", slice_of("n1"), True),
    ("another's slice", slice_of("n2"), False),
    ("token without a pod", token(""), False),
    ("token without a uid", token("mine", None), False),
    ("token with a wrong uid", token("mine", "wrong"), False),
    ("token bound to the node", token("n1", kind="Node"), False),
    ("own pod's status", status("mine"), True),
    ("another pod's status", status("theirs"), False),
    ("own pod's labels through its status", status("mine", labels={"a": "b"}), False),
    ("delete own pod", lambda c, u: c.delete("pods", "mine", "default"), True),
    ("delete another pod", lambda c, u: c.delete("pods", "theirs", "default"), False),
    (
        "evict another pod",
        lambda c, u: c.create(
            "pods", {"metadata": {"name": "theirs"}}, "default", name="theirs", subresource="eviction"
        ),
        False,
    ),
    ("an ordinary pod", lambda c, u: c.create("pods", pod("new", "n1"), "default"), False),
    ("a mirror pod", mirror(), True),
    ("a mirror pod for another node", mirror(node="n2"), False),
    ("a mirror pod owned by another node", mirror(owner="n2"), False),
    ("a mirror pod of nobody", mirror(owners=0), False),
    ("a mirror pod with an account", mirror(serviceAccountName="robot"), False),
    ("a mirror pod with a secret", mirror(volumes=VOLUME), False),
]


@pytest.mark.parametrize(("attempt", "passes"), [a[1:] for a in ATTEMPTS], ids=[a[0] for a in ATTEMPTS])
def test_a_node_writes_its_own_and_nothing_else(attempt: Attempt, passes: bool) -> None:
    async def main() -> None:
        client, uids = await world()
        refused: ApiError | None = None
        try:
            await attempt(client, uids)
        except Forbidden as error:
            refused = error
        assert (refused is None) is passes, refused

    anyio.run(main)


def test_an_administrator_is_not_restricted() -> None:
    async def main() -> None:
        plane = await started_plane()
        await admin(plane).create("nodes", {"metadata": {"name": "n1"}})
        taints = [{"key": "a", "effect": "NoSchedule"}]
        await admin(plane).patch("nodes", "n1", {"spec": {"taints": taints}})

    anyio.run(main)
