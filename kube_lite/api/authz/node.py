"""The Node authorizer: a node may see what the pods bound to it name, and write what is its own.

Which pods are a node's is kept as an index that catches up with the pods' events when a node asks; what a pod
names is read from it once per revision. So a node's question costs a walk over its own pods, however many pods
there are. What a request does not show (the name of an object being created, the fields that change) is checked
by the NodeRestriction admission plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kube_lite.api.authz.attributes import READ, Attributes
from kube_lite.api.authz.default_roles import NODE_RULES
from kube_lite.api.authz.rules import RuleIndex
from kube_lite.api.following import Following
from kube_lite.api.http import decode_json
from kube_lite.api.storage import Storage
from kube_lite.api.user import NODES, User
from kube_lite.resources.meta import Obj, dig
from kube_lite.store.ring import Item

NODE_PREFIX = "system:node:"
LEASES = "kube-node-lease"
MIRROR = "kubernetes.io/config.mirror"
"""The annotation of mirror pods."""
OWN_GROUP = "node.kube-lite.io"
"""kube-lite's side doors for node executors."""

References = dict[str, frozenset[str]]
"""By plural: the names in the pod's namespace that a pod refers to."""

_SLICE_VERBS = ("get", "watch", "list", "create", "update", "patch", "delete", "deletecollection")
ALLOWED = None
Answer = str | None
"""None when it is allowed; else why not, or '' when there is nothing to say."""


def node_name(user: User) -> str | None:
    """The node that a user is; '' when it is a node without a name, None when it is none."""
    if NODES not in user.groups or not user.name.startswith(NODE_PREFIX):
        return None
    return user.name[len(NODE_PREFIX) :]


class NodeAuthorizer:
    """Answers for users that are nodes."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._static = RuleIndex((rule, "") for rule in NODE_RULES)
        self._pods = NodePods(storage)

    def answer(self, a: Attributes) -> Answer:
        """None when a node may do this; else why not."""
        node = node_name(a.user)
        if node is None:
            return ""
        if not node:
            return f'unknown node for user "{a.user.name}"'
        if a.group == OWN_GROUP:
            return ALLOWED if a.name == node else "a node can only use the paths of its own name"
        special = _SPECIAL.get((a.group, a.resource)) if not a.path else None
        if special is not None:
            return special(self, node, a)
        return ALLOWED if self._static.allows(a) is not None else ""

    # ---- one rule for each resource that is not the same for all nodes

    def _related(self, node: str, a: Attributes) -> Answer:
        if not a.name:
            return "No Object name found"
        if self._pods.refer_to(node, a.resource, a.namespace, a.name):
            return ALLOWED
        return f"no relationship found between node '{node}' and this object"

    def _read_related(self, node: str, a: Attributes) -> Answer:
        if a.verb not in READ:
            return "can only read resources of this type"
        if a.subresource:
            return "cannot read subresource"
        if not a.namespace:
            return "can only read namespaced object of this type"
        return self._related(node, a)

    def _get_related(self, node: str, a: Attributes) -> Answer:
        if a.verb != "get":
            return "can only get individual resources of this type"
        if a.subresource:
            return "cannot get subresource"
        return self._related(node, a)

    def _claim(self, node: str, a: Attributes) -> Answer:
        if a.subresource != "status":
            return self._get_related(node, a)
        if a.verb not in ("update", "patch"):
            return "can only get/update/patch this type"
        return self._related(node, a)

    def _attachment(self, node: str, a: Attributes) -> Answer:
        if a.verb != "get":
            return "can only get individual resources of this type"
        found = self._storage.lookup("volumeattachments.storage.k8s.io", "", a.name)
        if found is not None and dig(found, "spec", "nodeName") == node and not a.subresource:
            return ALLOWED
        return f"no relationship found between node '{node}' and this object"

    def _account(self, node: str, a: Attributes) -> Answer:
        if not a.subresource and a.verb == "get":  # for what is asked of registries with the account's tokens
            return self._related(node, a)
        if a.verb != "create" or not a.name:
            return "can only create tokens for individual service accounts"
        if a.subresource != "token":
            return "can only create token subresource of serviceaccount"
        return self._related(node, a)

    def _slice(self, node: str, a: Attributes) -> Answer:
        if a.subresource:
            return "cannot authorize ResourceSlice subresources"
        if a.verb == "create":  # of which node it is says the object, which admission looks at
            return ALLOWED
        if a.verb in ("get", "update", "patch", "delete"):
            found = self._storage.lookup("resourceslices.resource.k8s.io", "", a.name)
            own = found is not None and dig(found, "spec", "nodeName") == node
            return ALLOWED if own else f"no relationship found between node '{node}' and this object"
        if a.verb not in ("list", "watch", "deletecollection"):
            return f"only the following verbs are allowed for a ResourceSlice: {', '.join(_SLICE_VERBS)}"
        if a.field("spec.nodeName") == node:
            return ALLOWED
        return "can only list/watch/deletecollection resourceslices with nodeName field selector"

    def _lease(self, node: str, a: Attributes) -> Answer:
        if a.verb not in ("get", "create", "update", "patch", "delete"):
            return "can only get, create, update, patch, or delete a node lease"
        if a.namespace != LEASES:
            return f'can only access leases in the "{LEASES}" system namespace'
        if a.verb != "create" and a.name != node:
            return "can only access node lease with the same name as the requesting node"
        return ALLOWED

    def _csi_node(self, node: str, a: Attributes) -> Answer:
        if a.verb not in ("get", "create", "update", "patch", "delete"):
            return "can only get, create, update, patch, or delete a CSINode"
        if a.subresource:
            return "cannot authorize CSINode subresources"
        if a.verb != "create" and a.name != node:
            return "can only access CSINode with the same name as the requesting node"
        return ALLOWED

    def _node(self, node: str, a: Attributes) -> Answer:
        if a.subresource == "status":
            return ALLOWED if a.verb in ("update", "patch") else ""
        if a.subresource:
            return ""
        if a.verb in ("create", "update", "patch"):
            return ALLOWED
        if a.verb not in READ:
            return ""
        if a.name == node:
            return ALLOWED
        if not a.name:
            return f"node '{node}' cannot read all nodes, only its own Node object"
        return f"node '{node}' cannot read '{a.name}', only its own Node object"

    def _pod(self, node: str, a: Attributes) -> Answer:
        if a.subresource == "status":
            return ALLOWED if a.verb in ("update", "patch") else ""
        if a.subresource == "eviction":
            return ALLOWED if a.verb == "create" else ""
        if a.subresource:
            return ""
        if a.verb == "get":
            return self._related(node, a)
        if a.verb in ("list", "watch"):
            if a.field("spec.nodeName") == node:
                return ALLOWED
            return self._related(node, a) if a.name else "can only list/watch pods with spec.nodeName field selector"
        return ALLOWED if a.verb in ("create", "delete") else ""


_SPECIAL: dict[tuple[str, str], Callable[[NodeAuthorizer, str, Attributes], Answer]] = {
    ("", "secrets"): NodeAuthorizer._read_related,
    ("", "configmaps"): NodeAuthorizer._read_related,
    ("", "persistentvolumeclaims"): NodeAuthorizer._claim,
    ("", "persistentvolumes"): NodeAuthorizer._get_related,
    ("resource.k8s.io", "resourceclaims"): NodeAuthorizer._get_related,
    ("resource.k8s.io", "resourceslices"): NodeAuthorizer._slice,
    ("storage.k8s.io", "volumeattachments"): NodeAuthorizer._attachment,
    ("", "serviceaccounts"): NodeAuthorizer._account,
    ("coordination.k8s.io", "leases"): NodeAuthorizer._lease,
    ("storage.k8s.io", "csinodes"): NodeAuthorizer._csi_node,
    ("", "nodes"): NodeAuthorizer._node,
    ("", "pods"): NodeAuthorizer._pod,
}


class NodePods:
    """The pods of each node, and what they refer to."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._following: Following | None = None
        self._by_node: dict[str, dict[str, Item]] = {}
        self._node_of: dict[str, str] = {}
        self._read: dict[str, tuple[int, References]] = {}

    def _catch_up(self) -> None:
        if self._following is None:
            pods = self._storage.registry.named("pods")
            assert pods is not None
            self._following = Following(self._storage, pods)
        void, changes = self._following.changes()
        if void:
            self._by_node, self._node_of, self._read = {}, {}, {}
        for key, item in changes:
            before = self._node_of.pop(key, "")
            if before:
                of_node = self._by_node[before]
                of_node.pop(key, None)
                if not of_node:
                    del self._by_node[before]
            node = item.fields.get("spec.nodeName", "") if item is not None else ""
            if item is not None and node:
                self._by_node.setdefault(node, {})[key] = item
                self._node_of[key] = node
            else:
                self._read.pop(key, None)

    def refer_to(self, node: str, plural: str, namespace: str, name: str) -> bool:
        """Whether a pod of the node is, or refers to, that object."""
        self._catch_up()
        if plural == "persistentvolumes":
            return any(volume["metadata"]["name"] == name for volume in self._volumes(node))
        for key, item in self._by_node.get(node, {}).items():
            if item.fields.get("metadata.namespace") != namespace:
                continue
            if plural == "pods":
                if item.fields.get("metadata.name") == name:
                    return True
            elif name in self._references(key, item).get(plural, ()):
                return True
        return plural == "secrets" and any((namespace, name) in volume_secrets(v) for v in self._volumes(node))

    def _volumes(self, node: str) -> Iterator[Obj]:
        """The persistent volumes that the claims of the node's pods are bound to."""
        for key, item in self._by_node.get(node, {}).items():
            namespace = item.fields.get("metadata.namespace", "")
            for claim in self._references(key, item)["persistentvolumeclaims"]:
                found = self._storage.lookup("persistentvolumeclaims", namespace, claim)
                name = str(dig(found or {}, "spec", "volumeName", default=""))
                volume = self._storage.lookup("persistentvolumes", "", name) if name else None
                yield volume if volume is not None else {"metadata": {"name": name}}

    def _references(self, key: str, item: Item) -> References:
        known = self._read.get(key)
        if known is None or known[0] != item.revision:
            pod = decode_json(item.value)
            mirror = MIRROR in (pod["metadata"].get("annotations") or {})
            # a node makes these itself, and may not grant itself anything
            known = self._read[key] = (item.revision, references({} if mirror else pod))
        return known[1]


def references(pod: Obj) -> References:
    """The names of the objects in its namespace that a pod refers to, by their plural."""
    found: dict[str, set[str]] = {
        "secrets": set(),
        "configmaps": set(),
        "persistentvolumeclaims": set(),
        "resourceclaims": set(),
    }
    spec = pod.get("spec") or {}
    found["serviceaccounts"] = {spec.get("serviceAccountName") or ""}
    for secret in spec.get("imagePullSecrets") or ():
        found["secrets"].add(secret.get("name", ""))
    for volume in spec.get("volumes") or ():
        for plural, name in _volume_references(pod, volume):
            found[plural].add(name)
    containers = [c for group in ("containers", "initContainers", "ephemeralContainers") for c in spec.get(group) or ()]
    for container in containers:
        for env in container.get("env") or ():
            found["secrets"].add(dig(env, "valueFrom", "secretKeyRef", "name", default=""))
            found["configmaps"].add(dig(env, "valueFrom", "configMapKeyRef", "name", default=""))
        for source in container.get("envFrom") or ():
            found["secrets"].add(dig(source, "secretRef", "name", default=""))
            found["configmaps"].add(dig(source, "configMapRef", "name", default=""))
    claims = [*(spec.get("resourceClaims") or ()), *(dig(pod, "status", "resourceClaimStatuses", default=[]))]
    found["resourceclaims"] = {claim.get("resourceClaimName") or "" for claim in claims}
    return {plural: frozenset(names - {""}) for plural, names in found.items()}


_VOLUME_SECRETS = (
    ("secret", "secretName"),
    ("azureFile", "secretName"),
    ("cephfs", "secretRef", "name"),
    ("csi", "nodePublishSecretRef", "name"),
    ("flexVolume", "secretRef", "name"),
    ("iscsi", "secretRef", "name"),
    ("rbd", "secretRef", "name"),
    ("scaleIO", "secretRef", "name"),
    ("storageos", "secretRef", "name"),
)


def _volume_references(pod: Obj, volume: Obj) -> Iterator[tuple[str, str]]:
    for path in _VOLUME_SECRETS:
        yield "secrets", dig(volume, *path, default="")
    yield "configmaps", dig(volume, "configMap", "name", default="")
    yield "persistentvolumeclaims", dig(volume, "persistentVolumeClaim", "claimName", default="")
    if volume.get("ephemeral"):
        yield "persistentvolumeclaims", f"{pod['metadata']['name']}-{volume.get('name', '')}"
    for source in dig(volume, "projected", "sources", default=[]):
        yield "secrets", dig(source, "secret", "name", default="")
        yield "configmaps", dig(source, "configMap", "name", default="")


_PERSISTENT_SECRETS = (
    ("azureFile", "secretName"),
    ("cephfs", "secretRef", "name"),
    ("csi", "nodeExpandSecretRef", "name"),
    ("csi", "nodePublishSecretRef", "name"),
    ("csi", "nodeStageSecretRef", "name"),
    ("flexVolume", "secretRef", "name"),
    ("iscsi", "secretRef", "name"),
    ("rbd", "secretRef", "name"),
    ("scaleIO", "secretRef", "name"),
    ("storageos", "secretRef", "name"),
)


def volume_secrets(volume: Obj) -> set[tuple[str, str]]:
    """Namespace and name of the secrets that a node needs to mount a persistent volume."""
    spec = volume.get("spec") or {}
    home = dig(spec, "claimRef", "namespace", default="")
    found = set()
    for path in _PERSISTENT_SECRETS:
        name = dig(spec, *path, default="")
        above = path[:-1]
        namespace = dig(spec, above[0], "secretNamespace") if len(above) == 1 else dig(spec, *above, "namespace")
        if name:
            found.add((str(namespace or home), str(name)))
    return found
