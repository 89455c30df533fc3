"""Authorization: may this user do this.

A fixed policy until RBAC objects decide: administrators may do everything; a node its own Node and Lease, the
pods bound to it and what these name; controllers and scheduler, which run inside this process, what they are
for. Everything else is refused, with upstream's message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kube_lite.api.admission.plugin import Objects
from kube_lite.api.request_info import RequestInfo
from kube_lite.api.user import MASTERS, NODES, User
from kube_lite.errors import Forbidden, qualified
from kube_lite.resources.meta import Obj, dig

READ = ("get", "list", "watch")
NODE_PREFIX = "system:node:"
CONTROLLER_NAMESPACE = "kube-system"
PUBLIC_PATHS = ("/livez", "/readyz", "/healthz", "/kube-lite/cacerts")
"""What anybody may read, so that load balancers and probes need no secret."""
DISCOVERY_PATHS = ("/api", "/apis", "/openapi", "/version")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked for, as in a SubjectAccessReview."""

    user: User
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""

    @property
    def is_resource(self) -> bool:
        """Whether this is about objects rather than a path."""
        return not self.path

    @property
    def full_resource(self) -> str:
        """``pods/log``."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def attributes_of(user: User, info: RequestInfo) -> Attributes:
    """What a request asks for."""
    if not info.is_resource:
        return Attributes(user, info.verb, path=info.path)
    return Attributes(
        user=user,
        verb=info.verb,
        group=info.group,
        version=info.version,
        resource=info.resource,
        subresource=info.subresource,
        namespace=info.namespace,
        name=info.name,
        field_selector=info.param("fieldSelector"),
    )


Rule = Callable[[Attributes], bool]


class Authorizer:
    """The fixed policy; ``objects`` lets the node rules see what a node's pods name."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def allows(self, attributes: Attributes) -> bool:
        """Whether the user may do this."""
        user = attributes.user
        if MASTERS in user.groups:
            return True
        if attributes.path and attributes.verb in ("get", "head"):
            if attributes.path.startswith(PUBLIC_PATHS):
                return True
            return "system:authenticated" in user.groups and attributes.path.startswith(DISCOVERY_PATHS)
        if user.how == "in-process" and user.name.startswith("system:"):
            return not attributes.path
        if NODES in user.groups and user.name.startswith(NODE_PREFIX):
            return self._node_allows(user.name[len(NODE_PREFIX) :], attributes)
        if "system:bootstrappers" in user.groups:
            return attributes.full_resource == "nodes/join" and attributes.group == "node.kube-lite.io"
        return attributes.resource in _SELF_REVIEWS and "system:authenticated" in user.groups

    def _node_allows(self, node: str, a: Attributes) -> bool:
        if a.group == "node.kube-lite.io":
            return a.name == node
        rule = _NODE_RULES.get((a.group, a.resource))
        if rule is not None:
            return rule(self, node, a)
        return False

    def _own_node(self, node: str, a: Attributes) -> bool:
        if a.verb in READ:
            return True
        return a.verb == "create" or (a.name == node and a.verb in ("update", "patch"))

    def _own_lease(self, node: str, a: Attributes) -> bool:
        if a.namespace != "kube-node-lease":
            return False
        return a.verb == "create" or (a.name == node and a.verb in ("get", "update", "patch", "delete"))

    def _own_pods(self, node: str, a: Attributes) -> bool:
        if a.name:
            pod = self._objects.lookup("pods", a.namespace, a.name)
            bound = pod is not None and dig(pod, "spec", "nodeName") == node
            allowed = a.verb in ("get", "watch", "delete") or (
                a.subresource == "status" and a.verb in ("patch", "update")
            )
            return allowed and bound
        return a.verb in ("list", "watch") and f"spec.nodeName={node}" in a.field_selector.split(",")

    def _named_by_own_pods(self, node: str, a: Attributes) -> bool:
        if a.verb not in READ or not a.name or not a.namespace:
            return False
        return any(
            a.name in named_by(pod).get(a.resource, ())
            for pod in self._objects.select("pods", a.namespace)
            if dig(pod, "spec", "nodeName") == node
        )

    def _own_tokens(self, node: str, a: Attributes) -> bool:
        if a.subresource != "token" or a.verb != "create":
            return False
        return any(
            dig(pod, "spec", "serviceAccountName") == a.name
            for pod in self._objects.select("pods", a.namespace)
            if dig(pod, "spec", "nodeName") == node
        )

    def _read_only(self, node: str, a: Attributes) -> bool:
        return a.verb in READ and not a.subresource

    def _events(self, node: str, a: Attributes) -> bool:
        return a.verb in ("create", "patch", "update")


_SELF_REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")

_NODE_RULES: dict[tuple[str, str], Callable[[Authorizer, str, Attributes], bool]] = {
    ("", "nodes"): Authorizer._own_node,
    ("coordination.k8s.io", "leases"): Authorizer._own_lease,
    ("", "pods"): Authorizer._own_pods,
    ("", "configmaps"): Authorizer._named_by_own_pods,
    ("", "secrets"): Authorizer._named_by_own_pods,
    ("", "persistentvolumeclaims"): Authorizer._named_by_own_pods,
    ("", "serviceaccounts"): Authorizer._own_tokens,
    ("", "services"): Authorizer._read_only,
    ("discovery.k8s.io", "endpointslices"): Authorizer._read_only,
    ("node.k8s.io", "runtimeclasses"): Authorizer._read_only,
    ("", "events"): Authorizer._events,
    ("events.k8s.io", "events"): Authorizer._events,
}


def named_by(pod: Obj) -> dict[str, set[str]]:
    """Names of the secrets, configmaps and claims in a pod's namespace that the pod refers to, by plural."""
    found: dict[str, set[str]] = {"secrets": set(), "configmaps": set(), "persistentvolumeclaims": set()}
    spec = pod.get("spec") or {}
    for secret in spec.get("imagePullSecrets") or ():
        found["secrets"].add(secret.get("name", ""))
    for volume in spec.get("volumes") or ():
        found["secrets"].add(dig(volume, "secret", "secretName", default=""))
        found["configmaps"].add(dig(volume, "configMap", "name", default=""))
        found["persistentvolumeclaims"].add(dig(volume, "persistentVolumeClaim", "claimName", default=""))
        for source in dig(volume, "projected", "sources", default=[]):
            found["secrets"].add(dig(source, "secret", "name", default=""))
            found["configmaps"].add(dig(source, "configMap", "name", default=""))
    containers = [c for group in ("containers", "initContainers", "ephemeralContainers") for c in spec.get(group) or ()]
    for container in containers:
        for env in container.get("env") or ():
            found["secrets"].add(dig(env, "valueFrom", "secretKeyRef", "name", default=""))
            found["configmaps"].add(dig(env, "valueFrom", "configMapKeyRef", "name", default=""))
        for source in container.get("envFrom") or ():
            found["secrets"].add(dig(source, "secretRef", "name", default=""))
            found["configmaps"].add(dig(source, "configMapRef", "name", default=""))
    return found


def refusal(a: Attributes, reason: str = "") -> Forbidden:
    """The 403 in upstream's words."""
    tail = f": {reason}" if reason else ""
    if a.path:
        return Forbidden(f'forbidden: User "{a.user.name}" cannot {a.verb} path "{a.path}"{tail}', {})
    where = f' in the namespace "{a.namespace}"' if a.namespace else " at the cluster scope"
    what = f'User "{a.user.name}" cannot {a.verb} resource "{a.full_resource}" in API group "{a.group}"{where}{tail}'
    quoted = f' "{a.name}"' if a.name else ""
    details = {k: v for k, v in (("name", a.name), ("group", a.group), ("kind", a.resource)) if v}
    return Forbidden(f"{qualified(a.resource, a.group)}{quoted} is forbidden: {what}", details)
