"""The Node authorizer: a node sees what its pods name and nothing of others."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.authz.node import references
from kube_lite.api.plane import Plane
from kube_lite.api.user import AUTHENTICATED, NODES, User
from tests.plane import admin, started_plane

NODE = User("system:node:n1", groups=(NODES, AUTHENTICATED))
Obj = dict[str, Any]


def pod(name: str, node: str) -> Obj:
    """A pod that names one object of each kind, called after it."""
    volumes = [
        {"name": "a", "secret": {"secretName": f"{name}-secret"}},
        {"name": "b", "configMap": {"name": f"{name}-map"}},
        {"name": "c", "persistentVolumeClaim": {"claimName": f"{name}-claim"}},
        {
            "name": "d",
            "projected": {
                "sources": [{"secret": {"name": f"{name}-projected"}}, {"configMap": {"name": f"{name}-pmap"}}]
            },
        },
    ]
    env = [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": f"{name}-env", "key": "k"}}},
        {"name": "B", "valueFrom": {"configMapKeyRef": {"name": f"{name}-emap", "key": "k"}}},
    ]
    sources = [{"secretRef": {"name": f"{name}-from"}}, {"configMapRef": {"name": f"{name}-mfrom"}}]
    containers = [{"name": "c", "image": "i", "env": env, "envFrom": sources}]
    spec: Obj = {
        "nodeName": node,
        "serviceAccountName": f"{name}-account",
        "imagePullSecrets": [{"name": f"{name}-pull"}],
        "containers": containers,
        "volumes": volumes,
    }
    return {"metadata": {"name": name}, "spec": spec}


async def world() -> Plane:
    """Two nodes with one pod each; the claim of each pod is bound to a volume."""
    plane = await started_plane(disabled=["ServiceAccount"])
    client = admin(plane)
    for node, name in (("n1", "mine"), ("n2", "theirs")):
        await client.create("nodes", {"metadata": {"name": node}})
        await client.create("pods", pod(name, node), "default")
        claim: Obj = {
            "metadata": {"name": f"{name}-claim"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "volumeName": f"{name}-volume",
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
        await client.create("persistentvolumeclaims", claim, "default")
        csi = {
            "driver": "d",
            "volumeHandle": name,
            "nodeStageSecretRef": {"name": f"{name}-stage", "namespace": "vault"},
        }
        kept: Obj = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "csi": csi}
        await client.create("persistentvolumes", {"metadata": {"name": f"{name}-volume"}, "spec": kept})
        pool = {"name": node, "resourceSliceCount": 1, "generation": 1}
        part: Obj = {"driver": "d", "nodeName": node, "pool": pool}
        await client.create("resourceslices.resource.k8s.io", {"metadata": {"name": f"{name}-slice"}, "spec": part})
    mirror = pod("mirror", "n1")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    await client.create("pods", mirror, "default")
    return plane


def ask(
    verb: str, what: str, name: str = "", namespace: str = "default", group: str = "", fields: str = ""
) -> Attributes:
    resource, _, subresource = what.partition("/")
    return Attributes(NODE, verb, group, "v1", resource, subresource, namespace, name, "", fields)


COORDINATION, STORAGE, OWN = "coordination.k8s.io", "storage.k8s.io", "node.kube-lite.io"
RESOURCES = "resource.k8s.io"
CELLS: list[tuple[Attributes, bool]] = [
    *((ask("get", "secrets", f"mine-{kind}"), True) for kind in ("secret", "projected", "env", "from", "pull")),
    *((ask("get", "secrets", f"theirs-{kind}"), False) for kind in ("secret", "projected", "env", "from", "pull")),
    *((ask("get", "configmaps", f"mine-{kind}"), True) for kind in ("map", "pmap", "emap", "mfrom")),
    *((ask("get", "configmaps", f"theirs-{kind}"), False) for kind in ("map", "pmap", "emap", "mfrom")),
    (ask("get", "secrets", "mine-secret", "kube-system"), False),
    (ask("watch", "secrets", "mine-secret"), True),
    (ask("list", "secrets", "mine-secret"), True),
    (ask("list", "secrets"), False),
    (ask("list", "secrets", namespace=""), False),
    (ask("update", "secrets", "mine-secret"), False),
    (ask("delete", "secrets", "mine-secret"), False),
    (ask("create", "secrets"), False),
    (ask("get", "persistentvolumeclaims", "mine-claim"), True),
    (ask("get", "persistentvolumeclaims", "theirs-claim"), False),
    (ask("list", "persistentvolumeclaims"), False),
    (ask("patch", "persistentvolumeclaims/status", "mine-claim"), True),
    (ask("patch", "persistentvolumeclaims/status", "theirs-claim"), False),
    (ask("get", "persistentvolumes", "mine-volume", ""), True),
    (ask("get", "persistentvolumes", "theirs-volume", ""), False),
    (ask("create", "serviceaccounts/token", "mine-account"), True),
    (ask("create", "serviceaccounts/token", "theirs-account"), False),
    (ask("get", "serviceaccounts", "mine-account"), True),
    (ask("get", "serviceaccounts", "theirs-account"), False),
    (ask("list", "serviceaccounts", "mine-account"), False),
    (ask("get", "secrets", "mine-stage", "vault"), True),
    (ask("get", "secrets", "mine-stage"), False),
    (ask("get", "secrets", "theirs-stage", "vault"), False),
    (ask("get", "secrets", "mirror-secret"), False),
    (ask("create", "serviceaccounts/token", "mirror-account"), False),
    (ask("get", "pods", "mirror"), True),
    (ask("get", "resourceslices", "mine-slice", "", RESOURCES), True),
    (ask("get", "resourceslices", "theirs-slice", "", RESOURCES), False),
    (ask("delete", "resourceslices", "theirs-slice", "", RESOURCES), False),
    (ask("create", "resourceslices", "", "", RESOURCES), True),
    (ask("list", "resourceslices", "", "", RESOURCES), False),
    (ask("list", "resourceslices", "", "", RESOURCES, "spec.nodeName=n1"), True),
    (ask("deletecollection", "resourceslices", "", "", RESOURCES, "spec.nodeName=n2"), False),
    (ask("get", "pods", "mine"), True),
    (ask("get", "pods", "theirs"), False),
    (ask("list", "pods", namespace="", fields="spec.nodeName=n1"), True),
    (ask("watch", "pods", namespace="", fields="spec.nodeName=n1,status.phase!=Failed"), True),
    (ask("list", "pods", namespace="", fields="spec.nodeName=n2"), False),
    (ask("list", "pods", namespace="", fields="spec.nodeName!=n1"), False),
    (ask("list", "pods", namespace=""), False),
    (ask("get", "pods/log", "mine"), False),
    (ask("create", "pods/exec", "mine"), False),
    (ask("create", "pods/binding", "mine"), False),
    (ask("patch", "pods/status", "mine"), True),
    (ask("patch", "pods", "mine"), False),
    (ask("deletecollection", "pods"), False),
    (ask("patch", "nodes", "n1", ""), True),
    (ask("patch", "nodes/status", "n1", ""), True),
    (ask("delete", "nodes", "n1", ""), False),
    (ask("get", "nodes/proxy", "n2", ""), False),
    (ask("update", "leases", "n1", "kube-node-lease", COORDINATION), True),
    (ask("update", "leases", "n2", "kube-node-lease", COORDINATION), False),
    (ask("update", "leases", "n1", "kube-system", COORDINATION), False),
    (ask("list", "leases", "", "kube-node-lease", COORDINATION), False),
    (ask("get", "csinodes", "n1", "", STORAGE), True),
    (ask("get", "csinodes", "n2", "", STORAGE), False),
    (ask("list", "services", namespace=""), True),
    (ask("create", "events"), True),
    (ask("list", "namespaces", namespace=""), False),
    (ask("get", "nodes/tunnel", "n1", "", OWN), True),
    (ask("get", "nodes/tunnel", "n2", "", OWN), False),
    (ask("create", "clusterrolebindings", "", "", "rbac.authorization.k8s.io"), False),
    (Attributes(NODE, "get", path="/metrics"), False),
]


def test_a_node_reaches_what_is_its_own_and_nothing_else() -> None:
    async def main() -> None:
        authorizer = (await world()).authorizer
        assert [(a, want) for a, want in CELLS if authorizer.allows(a) is not want] == []
        assert [(a, want) for a, want in CELLS if authorizer.decide(a).allowed is not want] == []

    anyio.run(main)


@pytest.mark.parametrize(
    "user",
    [
        User("system:node:n1", groups=(AUTHENTICATED,)),
        User("n1", groups=(NODES, AUTHENTICATED)),
        User("system:node:", groups=(NODES, AUTHENTICATED)),
    ],
)
def test_name_and_group_make_a_node(user: User) -> None:
    async def main() -> None:
        authorizer = (await world()).authorizer
        assert not authorizer.allows(Attributes(user, "get", "", "v1", "secrets", "", "default", "mine-secret"))

    anyio.run(main)


def test_a_node_loses_sight_of_a_pods_secrets_with_the_pod() -> None:
    async def main() -> None:
        plane = await world()
        secret = ask("get", "secrets", "mine-secret")
        assert plane.authorizer.allows(secret)
        await admin(plane).delete("pods", "mine", "default", grace_period_seconds=0)
        assert not plane.authorizer.allows(secret)
        await admin(plane).create("pods", pod("mine", "n1"), "default")
        assert plane.authorizer.allows(secret)

    anyio.run(main)


def test_an_ephemeral_volume_is_a_claim_named_after_pod_and_volume() -> None:
    found = references({"metadata": {"name": "p"}, "spec": {"volumes": [{"name": "v", "ephemeral": {"x": 1}}]}})
    assert found["persistentvolumeclaims"] == {"p-v"}


def test_nodes_whose_pods_are_gone_are_forgotten() -> None:
    async def main() -> None:
        plane = await world()
        pods = plane.authorizer.nodes._pods
        assert pods.refer_to("n2", "secrets", "default", "theirs-secret")
        await admin(plane).delete("pods", "theirs", "default", grace_period_seconds=0)
        assert not pods.refer_to("n2", "secrets", "default", "theirs-secret")
        assert set(pods._by_node) == {"n1"}

    anyio.run(main)
