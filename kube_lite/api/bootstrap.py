"""What a cluster has before anybody creates anything: its namespaces, its own Service, the range of Services'
addresses, the system priorities, roles, and how its requests share the server."""

from __future__ import annotations

import ipaddress

from kube_lite import clock, errors
from kube_lite.api import deletion, flow_objects
from kube_lite.api.options import DeleteOptions, WriteOptions
from kube_lite.api.role_bootstrap import ensure_roles
from kube_lite.api.target import Target
from kube_lite.api.user import SERVER
from kube_lite.api.verbs import Verbs
from kube_lite.resources.kinds.secret import TRACKING
from kube_lite.resources.meta import Obj

NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "default")
_OPTIONS = WriteOptions(field_manager="kube-lite")

PRIORITIES = (
    (
        "system-node-critical",
        2000001000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2000000000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
)
"""Upstream's scheduling/v1 ``SystemPriorityClasses``."""


async def ensure(verbs: Verbs, group_resource: str, namespace: str, obj: Obj) -> None:
    """Create an object unless one of that name is there."""
    resource = verbs.storage.registry.named(group_resource)
    assert resource is not None, group_resource
    obj = {"kind": resource.kind, "apiVersion": resource.api_version, **obj}
    if verbs.storage.item(resource, namespace, obj["metadata"]["name"]) is not None:
        return
    try:
        await verbs.create(Target(resource, namespace, ""), obj, SERVER, _OPTIONS)
    except errors.AlreadyExists:
        return


async def keep(verbs: Verbs, group_resource: str, obj: Obj, field: str) -> None:
    """Create an object in ``default``, or give ``field`` the wanted value where it is there with another.

    The server may have moved to another address or port since it was made.
    """
    resource = verbs.storage.registry.named(group_resource)
    assert resource is not None, group_resource
    name = obj["metadata"]["name"]
    if verbs.storage.item(resource, "default", name) is None:
        await ensure(verbs, group_resource, "default", obj)
        return

    async def moved(old: Obj) -> Obj:
        return {**old, field: obj[field]}

    await verbs.guaranteed_update(Target(resource, "default", name), moved, SERVER, _OPTIONS)


async def _retarget(verbs: Verbs, port: int) -> None:
    """Let the ``kubernetes`` Service lead to the port on which the server listens now."""
    resource = verbs.storage.registry.named("services")
    assert resource is not None

    async def moved(old: Obj) -> Obj:
        ports = [{**p, "targetPort": port} if p.get("name") == "https" else p for p in old["spec"].get("ports") or ()]
        return {**old, "spec": {**old["spec"], "ports": ports}}

    await verbs.guaranteed_update(Target(resource, "default", "kubernetes"), moved, SERVER, _OPTIONS)


async def _drop_other_family(verbs: Verbs, family: str) -> None:
    """Delete the server's slice when it holds addresses of another family: a slice never changes its own."""
    resource = verbs.storage.registry.named("endpointslices.discovery.k8s.io")
    assert resource is not None
    there = verbs.objects.lookup("endpointslices.discovery.k8s.io", "default", "kubernetes")
    if there is not None and there.get("addressType") != family:
        await deletion.delete(verbs, Target(resource, "default", "kubernetes"), SERVER, DeleteOptions())


CIDR_FINALIZER = "networking.k8s.io/service-cidr-finalizer"


async def _service_cidr(verbs: Verbs, cidr: str) -> None:
    """Show from which range Services get their addresses; it is held, since addresses of it are in use."""
    known = "servicecidrs.networking.k8s.io"
    metadata = {"name": "kubernetes", "finalizers": [CIDR_FINALIZER]}
    await ensure(verbs, known, "", {"metadata": metadata, "spec": {"cidrs": [cidr]}})
    made = verbs.objects.lookup(known, "", "kubernetes")
    if made is None or (made.get("status") or {}).get("conditions"):
        return
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
        "lastTransitionTime": clock.timestamp(),
    }
    shown = {**made, "metadata": dict(made["metadata"]), "status": {"conditions": [ready]}}
    await verbs.objects.internal_status(known, "", shown)


async def bootstrap(verbs: Verbs, cidr: str, service_ip: str, address: str, port: int) -> None:
    """Create what is missing.

    :param cidr: the range of Services' addresses
    :param service_ip: ClusterIP of ``default/kubernetes``
    :param address: where the API server listens, as pods reach it
    """
    for name in NAMESPACES:
        await ensure(verbs, "namespaces", "", {"metadata": {"name": name}})
    await ensure_roles(verbs)
    await flow_objects.ensure(verbs)
    tracking = {"metadata": {"name": TRACKING}, "data": {"since": clock.now().date().isoformat()}}
    await ensure(verbs, "configmaps", "kube-system", tracking)
    for name, value, description in PRIORITIES:
        body: Obj = {"metadata": {"name": name}, "value": value, "description": description}
        await ensure(verbs, "priorityclasses.scheduling.k8s.io", "", body)
    await _service_cidr(verbs, cidr)
    labels = {"component": "apiserver", "provider": "kubernetes"}
    service: Obj = {
        "metadata": {"name": "kubernetes", "labels": labels},
        "spec": {
            "clusterIP": service_ip,
            "type": "ClusterIP",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
        },
    }
    await ensure(verbs, "services", "default", service)
    await _retarget(verbs, port)
    if ipaddress.ip_address(address).is_loopback:
        return  # no pod can reach it, and endpoints on loopback are invalid
    endpoints: Obj = {
        "metadata": {"name": "kubernetes", "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{"addresses": [{"ip": address}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}],
    }
    await keep(verbs, "endpoints", endpoints, "subsets")
    family = f"IPv{ipaddress.ip_address(address).version}"
    await _drop_other_family(verbs, family)
    endpoint_slice: Obj = {
        "metadata": {"name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": family,
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }
    for part in ("endpoints", "ports"):
        await keep(verbs, "endpointslices.discovery.k8s.io", endpoint_slice, part)
