"""NodeRestriction: what a stolen node credential cannot do."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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


TOKENS = [
    {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "vault"}}]}},
    {"name": "d", "csi": {"driver": "d.example.com"}},
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
        uids[name] = json.loads(await root.create("pods", pod(name, node, volumes=TOKENS), "default"))["metadata"][
            "uid"
        ]
        await root.create("resourceslices.resource.k8s.io", devices(node, node))
        await root.create(LEASES, {"metadata": {"name": node}}, "kube-node-lease")
    driver = {"metadata": {"name": "d.example.com"}, "spec": {"tokenRequests": [{"audience": "safe"}]}}
    await root.create("csidrivers.storage.k8s.io", driver)
    rules = [{"apiGroups": [""], "resources": ["friend"], "verbs": ["request-serviceaccounts-token-audience"]}]
    await root.create("clusterroles.rbac.authorization.k8s.io", {"metadata": {"name": "r"}, "rules": rules})
    nodes = [{"kind": "Group", "name": NODES, "apiGroup": "rbac.authorization.k8s.io"}]
    role = {"kind": "ClusterRole", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": "b"}, "subjects": nodes, "roleRef": role}
    await root.create("clusterrolebindings.rbac.authorization.k8s.io", binding)
    return plane.client(NODE, "kubelet"), uids


def labels(**values: str) -> Attempt:
    def attempt(client: LocalClient, uids: Obj) -> Awaitable[object]:
        named = {key.replace("__", "/").replace("_", "."): value for key, value in values.items()}
        return client.patch("nodes", "n1", {"metadata": {"labels": named}})

    return attempt


def spec(name: str, **fields: Any) -> Attempt:
    return lambda client, uids: client.patch("nodes", name, {"spec": fields})


def token(bound: str, uid: str | None = "", kind: str = "Pod") -> Attempt:
    """A token for the account ``robot``; ``uid`` '' takes the right one."""

    def attempt(client: LocalClient, uids: Obj) -> Awaitable[object]:
        reference: Obj = {"apiVersion": "v1", "kind": kind, "name": bound}
        if uid is not None:
            reference["uid"] = uid or uids.get(bound, "")
        wanted = {"spec": {"boundObjectRef": reference} if bound else {}}
        return client.create("serviceaccounts", wanted, "default", name="robot", subresource="token")

    return attempt


def audience(*names: str) -> Attempt:
    """A token for the pod ``mine`` and others than the API server."""

    def attempt(client: LocalClient, uids: Obj) -> Awaitable[object]:
        reference = {"apiVersion": "v1", "kind": "Pod", "name": "mine", "uid": uids["mine"]}
        wanted = {"spec": {"boundObjectRef": reference, "audiences": list(names)}}
        return client.create("serviceaccounts", wanted, "default", name="robot", subresource="token")

    return attempt


def devices(name: str, node: str) -> Obj:
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    return {"metadata": {"name": name}, "spec": {"driver": "d.example.com", "pool": pool, "nodeName": node}}


def resource_slice(node: str) -> Attempt:
    return lambda client, uids: client.create("resourceslices.resource.k8s.io", devices("s", node))


def signing_request(name: str, signer: str = "kubernetes.io/kubelet-serving") -> Attempt:
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, NODES)]
    )
    key = ec.generate_private_key(ec.SECP256R1())
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    text = base64.b64encode(asked.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"signerName": signer, "request": text, "usages": ["digital signature", "server auth"]}
    obj = {"metadata": {"name": "r"}, "spec": spec}
    return lambda client, uids: client.create("certificatesigningrequests.certificates.k8s.io", obj)


CLAIM = {"name": "gpu", "resourceClaimTemplateName": "t"}


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
    ("token without a pod", token(""), False),
    ("token without a uid", token("mine", None), False),
    ("token with a wrong uid", token("mine", "wrong"), False),
    ("token bound to the node", token("n1", kind="Node"), False),
    ("token for whom the pod projects one", audience("vault"), True),
    ("token for whom a driver of the pod wants one", audience("safe"), True),
    ("token for somebody else", audience("bank"), False),
    ("token for somebody else that a role allows", audience("friend"), True),
    ("token for two", audience("vault", "safe"), False),
    ("own devices", resource_slice("n1"), True),
    ("another node's devices", resource_slice("n2"), False),
    ("remove own devices", lambda c, u: c.delete("resourceslices.resource.k8s.io", "n1"), True),
    ("remove another node's devices", lambda c, u: c.delete("resourceslices.resource.k8s.io", "n2"), False),
    ("a certificate for itself", signing_request("system:node:n1"), True),
    ("a certificate for another node", signing_request("system:node:n2"), False),
    ("a certificate of another signer", signing_request("system:node:n2", "example.com/s"), True),
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
    ("a mirror pod with the deprecated account", mirror(serviceAccount="robot"), False),
    ("a mirror pod with a claim made for it", mirror(resourceClaims=[CLAIM]), False),
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
