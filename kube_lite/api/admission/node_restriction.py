"""NodeRestriction: a node changes its own Node, lease and pods, and nothing that would draw workloads to it.

The Node authorizer decides by what a request's path shows; this looks at the objects in it (upstream:
``plugin/pkg/admission/noderestriction``).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kube_lite.api.admission.certificate_approval import REQUESTS
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.authz.node import LEASES, MIRROR, node_name, references
from kube_lite.errors import ApiError, not_found
from kube_lite.resources.meta import Obj, dig

AUDIENCE_VERB = "request-serviceaccounts-token-audience"
"""The verb on an audience, taken for a resource, that lets a node ask for tokens which no volume names."""
RESTRICTED = "node-restriction.kubernetes.io"
KUBELET_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/instance-type",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
    }
)
"""The labels under ``kubernetes.io`` and ``k8s.io`` that a node may set on itself (``kubelet/pkg/apis``)."""
KUBELET_SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")
KUBELET_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")
"""Prefixes, with all below them, under which a node may set any label."""


class NodeRestriction:
    """Refuses what a node may not write."""

    name = "NodeRestriction"
    resources = None

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Check a write by a node. :raises Forbidden: it is none of the node's business"""
        node = node_name(request.user)
        if node is None:
            return
        if not node:
            raise _refused(request, f'could not determine node from user "{request.user.name}"')
        check = _CHECKS.get(request.resource.group_resource)
        if check is not None:
            check(request, node, objects)


def _refused(request: AdmissionRequest, why: str) -> ApiError:
    return request.refused(why)


def _operation(request: AdmissionRequest) -> str:
    return f'unexpected operation "{request.operation}"'


# ---- pods


def _pod(request: AdmissionRequest, node: str, objects: Objects) -> None:
    if request.subresource == "status":
        return _pod_status(request, node)
    if request.subresource == "eviction":
        if _node_of(request, objects) != node:
            raise _refused(request, f"node {node} can only evict pods with spec.nodeName set to itself")
        return None
    if request.subresource:
        why = f"unexpected pod subresource \"{request.subresource}\", only 'status' and 'eviction' are allowed"
        raise _refused(request, why)
    if request.operation == "CREATE":
        return _new_pod(request, node, objects)
    if request.operation != "DELETE":
        raise _refused(request, f'{_operation(request)}, node "{node}" can only create and delete mirror pods')
    if _node_of(request, objects) != node:
        raise _refused(request, f'node "{node}" can only delete pods with spec.nodeName set to itself')
    return None


def _node_of(request: AdmissionRequest, objects: Objects) -> str:
    pod = objects.lookup("pods", request.namespace, request.name)
    if pod is None:
        raise not_found("pods", "", request.name)
    return str(dig(pod, "spec", "nodeName", default=""))


def _new_pod(request: AdmissionRequest, node: str, objects: Objects) -> None:
    pod = request.obj or {}
    if MIRROR not in (dig(pod, "metadata", "annotations") or {}):
        raise _refused(request, f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods')
    if dig(pod, "spec", "nodeName") != node:
        raise _refused(request, f'node "{node}" can only create pods with spec.nodeName set to itself')
    why = _wrong_owner(pod, node, objects)
    if why:
        raise _refused(request, why)
    spec = pod.get("spec") or {}
    if spec.get("serviceAccountName"):
        raise _refused(request, f'node "{node}" can not create pods that reference a service account')
    named = references(pod)
    for plural in ("secrets", "configmaps", "persistentvolumeclaims", "resourceclaims"):
        if named[plural] or (plural == "resourceclaims" and spec.get("resourceClaims")):
            raise _refused(request, f'node "{node}" can not create pods that reference {plural}')
    for volume in spec.get("volumes") or ():
        if any("clusterTrustBundle" in source for source in dig(volume, "projected", "sources") or ()):
            raise _refused(request, f'node "{node}" can not create pods that reference clustertrustbundles')


def _wrong_owner(pod: Obj, node: str, objects: Objects) -> str:
    owners = dig(pod, "metadata", "ownerReferences") or []
    if len(owners) > 1:
        return f'node "{node}" can only create pods with a single owner reference set to itself'
    owner: Mapping[str, Any] = owners[0] if owners else {}
    if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
        return f'node "{node}" can only create pods with an owner reference set to itself'
    if not owner.get("controller"):
        return f'node "{node}" can only create pods with a controller owner reference set to itself'
    if owner.get("blockOwnerDeletion"):
        return f'node "{node}" must not set blockOwnerDeletion on an owner reference'
    host = objects.lookup("nodes", "", node)
    if host is None:
        raise not_found("nodes", "", node)
    if owner.get("uid") != host["metadata"]["uid"]:
        return f"node {node} UID mismatch: expected {owner.get('uid')} got {host['metadata']['uid']}"
    return ""


def _pod_status(request: AdmissionRequest, node: str) -> None:
    if request.operation != "UPDATE" or request.old is None or request.obj is None:
        raise _refused(request, _operation(request))
    old, new = request.old, request.obj
    if dig(old, "spec", "nodeName") != node:
        raise _refused(request, f'node "{node}" can only update pod status for pods with spec.nodeName set to itself')
    if (dig(old, "metadata", "labels") or {}) != (dig(new, "metadata", "labels") or {}):
        raise _refused(request, f'node "{node}" cannot update labels through pod status')
    claims = [dig(pod, "status", "resourceClaimStatuses") or [] for pod in (old, new)]
    if claims[0] != claims[1]:
        raise _refused(request, f'node "{node}" cannot update resource claim statues')
    extended = [dig(pod, "status", "extendedResourceClaimStatus") for pod in (old, new)]
    if extended[0] != extended[1]:
        raise _refused(request, f'node "{node}" cannot update extended resource claim status')


# ---- nodes


def _node(request: AdmissionRequest, node: str, objects: Objects) -> None:
    if request.name != node:
        raise _refused(request, f'node "{node}" is not allowed to modify node "{request.name}"')
    new = request.obj or {}
    if request.operation == "CREATE":
        wrong = _forbidden_labels(dig(new, "metadata", "labels") or {}, {})
        if wrong:
            why = f'node "{node}" is not allowed to set the following labels: {", ".join(wrong)}'
            raise _refused(request, why)
        if dig(new, "spec", "configSource") is not None:
            raise _refused(request, f'node "{node}" is not allowed to create pods with a non-nil configSource')
    if request.operation != "UPDATE":
        return
    old = request.old or {}
    if (dig(new, "spec", "taints") or []) != (dig(old, "spec", "taints") or []):
        raise _refused(request, f'node "{node}" is not allowed to modify taints')
    source = dig(new, "spec", "configSource")
    if source is not None and source != dig(old, "spec", "configSource"):
        raise _refused(request, f'node "{node}" is not allowed to update configSource to a new non-nil configSource')
    wrong = _forbidden_labels(dig(new, "metadata", "labels") or {}, dig(old, "metadata", "labels") or {})
    if wrong:
        raise _refused(request, f"is not allowed to modify labels: {', '.join(wrong)}")
    if dig(new, "metadata", "ownerReferences") != dig(old, "metadata", "ownerReferences"):
        raise _refused(request, f'node "{node}" is not allowed to modify ownerReferences')


def _forbidden_labels(new: Mapping[str, str], old: Mapping[str, str]) -> list[str]:
    changed = {key for key in {*new, *old} if new.get(key) != old.get(key)}
    return sorted(key for key in changed if not _may_set(key))


def _may_set(label: str) -> bool:
    namespace = label.partition("/")[0] if "/" in label else ""

    def under(domain: str) -> bool:
        return namespace == domain or namespace.endswith(f".{domain}")

    if under(RESTRICTED):
        return False
    if not under("kubernetes.io") and not under("k8s.io"):
        return True
    return label in KUBELET_LABELS or any(under(domain) for domain in KUBELET_NAMESPACES)


# ---- the rest


def _claim(request: AdmissionRequest, node: str, objects: Objects) -> None:
    if request.subresource != "status":
        raise _refused(request, "may only update PVC status")
    if request.operation != "UPDATE" or request.old is None or request.obj is None:
        raise _refused(request, _operation(request))
    if _without_sizes(request.old) != _without_sizes(request.obj):
        why = f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions'
        raise _refused(request, why)


def _without_sizes(claim: Obj) -> Obj:
    sizes = ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses")
    status = {key: value for key, value in (claim.get("status") or {}).items() if key not in sizes}
    outside = ("resourceVersion", "managedFields")
    meta = {key: value for key, value in claim["metadata"].items() if key not in outside}
    return {**claim, "metadata": meta, "status": status}


def _service_account(request: AdmissionRequest, node: str, objects: Objects) -> None:
    if request.operation != "CREATE" or request.subresource != "token":
        return
    bound = dig(request.obj or {}, "spec", "boundObjectRef") or {}
    if (bound.get("apiVersion"), bound.get("kind")) != ("v1", "Pod") or not bound.get("name"):
        raise _refused(request, "node requested token not bound to a pod")
    if not bound.get("uid"):
        raise _refused(request, "node requested token with a pod binding without a uid")
    pod = objects.lookup("pods", request.namespace, bound["name"])
    if pod is None:
        raise not_found("pods", "", bound["name"])
    if pod["metadata"]["uid"] != bound["uid"]:
        why = f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record. "
        raise _refused(request, why + "The object might have been deleted and then recreated")
    if dig(pod, "spec", "nodeName") != node:
        raise _refused(request, "node requested token bound to a pod scheduled on a different node")
    _audience(request, pod, objects)


def _audience(request: AdmissionRequest, pod: Obj, objects: Objects) -> None:
    """A node asks for tokens that its pod will use, or that somebody lets it ask for."""
    named = dig(request.obj or {}, "spec", "audiences") or []
    if len(named) > 1:
        raise _refused(request, "node may only request 0 or 1 audiences")
    audience = named[0] if named else ""
    volumes = dig(pod, "spec", "volumes") or ()
    if any(audience in _audiences(volume, pod, objects) for volume in volumes):
        return
    asked = Attributes(
        request.user,
        AUDIENCE_VERB,
        version="v1",
        resource=audience,
        namespace=request.namespace,
        name=request.name,
    )
    if not objects.decide(asked)[0]:
        why = f'audience "{audience}" not found in pod spec volume, {request.user.name} is not authorized'
        raise _refused(request, f"{why} to request tokens for this audience")


def _audiences(volume: Obj, pod: Obj, objects: Objects) -> Iterator[str]:
    """For whom the tokens are that come with a volume: what it projects, or what its driver wants."""
    for source in dig(volume, "projected", "sources") or ():
        if source.get("serviceAccountToken") is not None:
            yield source["serviceAccountToken"].get("audience") or ""
    driver = dig(volume, "csi", "driver")
    claim = dig(volume, "persistentVolumeClaim", "claimName")
    if volume.get("ephemeral"):
        claim = f"{pod['metadata']['name']}-{volume['name']}"
    if claim:
        found = objects.lookup("persistentvolumeclaims", pod["metadata"]["namespace"], claim) or {}
        bound = objects.lookup("persistentvolumes", "", dig(found, "spec", "volumeName") or "") or {}
        driver = dig(bound, "spec", "csi", "driver")
    wanting = objects.lookup("csidrivers.storage.k8s.io", "", driver) if driver else None
    for wanted in dig(wanting or {}, "spec", "tokenRequests") or ():
        yield wanted.get("audience") or ""


def _lease(request: AdmissionRequest, node: str, objects: Objects) -> None:
    if request.namespace != LEASES:
        raise _refused(request, f'can only access leases in the "{LEASES}" system namespace')
    if _written_name(request) != node:
        raise _refused(request, "can only access node lease with the same name as the requesting node")


def _csi_node(request: AdmissionRequest, node: str, objects: Objects) -> None:
    if _written_name(request) != node:
        raise _refused(request, "can only access CSINode with the same name as the requesting node")


def _slice(request: AdmissionRequest, node: str, objects: Objects) -> None:
    written = request.obj if request.operation == "CREATE" else request.old
    if request.operation in ("CREATE", "DELETE") and dig(written or {}, "spec", "nodeName") != node:
        verb = request.operation.lower()
        raise _refused(request, f"can only {verb} ResourceSlice with the same NodeName as the requesting node")


def _certificate(request: AdmissionRequest, node: str, objects: Objects) -> None:
    if request.operation != "CREATE" or dig(request.obj or {}, "spec", "signerName") not in KUBELET_SIGNERS:
        return
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        asked = x509.load_pem_x509_csr(base64.b64decode(str(dig(request.obj or {}, "spec", "request", default=""))))
    except ValueError as error:
        raise _refused(request, f"unable to parse csr: {error}") from error
    names = asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if [name.value for name in names] != [f"system:node:{node}"]:
        raise _refused(request, f"can only create a node CSR with CN=system:node:{node}")


def _written_name(request: AdmissionRequest) -> str:
    return str(dig(request.obj or {}, "metadata", "name", default="")) or request.name


_CHECKS: dict[str, Callable[[AdmissionRequest, str, Objects], None]] = {
    "pods": _pod,
    "nodes": _node,
    "persistentvolumeclaims": _claim,
    "serviceaccounts": _service_account,
    "leases.coordination.k8s.io": _lease,
    "csinodes.storage.k8s.io": _csi_node,
    "resourceslices.resource.k8s.io": _slice,
    REQUESTS: _certificate,
}
