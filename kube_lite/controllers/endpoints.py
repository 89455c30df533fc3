"""Endpoints: the older form of EndpointSlices, one object per Service (upstream: ``pkg/controller/endpoint``)."""

from __future__ import annotations

from typing import Any

from kube_lite.controllers.base import Context, Controller, Requeue, batch_delay
from kube_lite.controllers.removal import delete_seen
from kube_lite.controllers.service_endpoints import (
    HEADLESS_LABEL,
    TRIGGER_TIME,
    ResolvedPort,
    addresses,
    families,
    family,
    hostname,
    is_headless,
    is_managed,
    kept_labels,
    may_be_endpoint,
    resolve_ports,
    selected,
    services_of,
    target,
    trigger_time,
)
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import Obj, ObjectView
from kube_lite.resources.views import Service

NAMES = ("endpoints", "endpoints-controller", "endpoint")

OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"


class StoredEndpoints(ObjectView, frozen=True):
    """Endpoints, their contents as JSON: they are compared and written, not read."""

    subsets: list[dict[str, Any]] = []


class EndpointsController(Controller):
    """Keeps the Endpoints of Services that have a selector."""

    name = "endpoints"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._sizes: dict[str, int] = {}
        self.workers = ctx.settings.workers
        self._capacity = ctx.settings.endpoints_capacity
        self._client = ctx.client_for("endpoint-controller")
        self._services = self.source(ctx.informers.get("services", Service))
        self._endpoints = self.source(ctx.informers.get("endpoints", StoredEndpoints))
        self._pods = self.source(
            ctx.informers.get("pods", Pod), lambda pod: services_of(self._services, pod), self._delay
        )

    def _delay(self, key: str) -> float:
        return batch_delay(self._sizes.get(key, 0))

    async def reconcile(self, key: str) -> Requeue | None:
        """Make the Endpoints of the Service say what its pods are."""
        service = self._services.get(key)
        stored = self._endpoints.get(key)
        if service is None:
            self._sizes.pop(key, None)
            if stored is not None and TRIGGER_TIME in stored.metadata.annotations:
                await delete_seen(self._client, "endpoints", stored.metadata)
            return None
        if not is_managed(service):
            return None
        pods = selected(self._pods, service)
        self._sizes[key] = len(pods)
        tolerant = service.spec.publish_not_ready_addresses
        fit = [pod for pod in pods if may_be_endpoint(pod, terminating=tolerant)]
        subsets, truncated = self._truncate(self._subsets(service, fit))
        labels = {k: v for k, v in service.metadata.labels.items() if k != HEADLESS_LABEL}
        if is_headless(service):
            labels[HEADLESS_LABEL] = ""
        await self._write(service, stored, subsets, labels, trigger_time(service, fit), truncated)
        return None

    def _subsets(self, service: Service, pods: list[Pod]) -> list[Obj]:
        """Addresses grouped by the ports that they have in common."""
        groups: dict[tuple[ResolvedPort, ...], tuple[list[Obj], list[Obj]]] = {}
        primary = families(service)[0]
        for pod in pods:
            ip = next((ip for ip in addresses(pod) if family(ip) == primary), None)
            ports = resolve_ports(service, pod)
            if ip is None or (not ports and service.spec.ports) or (not ports and not is_headless(service)):
                continue
            reference = {**target(pod), "resourceVersion": pod.metadata.resource_version}
            address: Obj = {"ip": ip, "targetRef": reference}
            if name := hostname(service, pod):
                address["hostname"] = name
            if pod.spec.node_name:
                address["nodeName"] = pod.spec.node_name
            ready = pod.ready or service.spec.publish_not_ready_addresses
            groups.setdefault(ports, ([], []))[0 if ready else 1].append(address)
        subsets = []
        for ports, (ready_ones, others) in groups.items():
            subset: Obj = {}
            if ready_ones:
                subset["addresses"] = sorted(ready_ones, key=_address_order)
            if others:
                subset["notReadyAddresses"] = sorted(others, key=_address_order)
            if ports:
                subset["ports"] = [port.as_json() for port in ports]
            subsets.append(subset)
        return sorted(subsets, key=lambda subset: str(subset.get("ports")))

    def _truncate(self, subsets: list[Obj]) -> tuple[list[Obj], bool]:
        """At most so many addresses; ready ones stay first."""
        room = self._capacity
        total = sum(len(s.get("addresses", ())) + len(s.get("notReadyAddresses", ())) for s in subsets)
        if total <= room:
            return subsets, False
        kept = [dict(subset) for subset in subsets]
        for kind in ("addresses", "notReadyAddresses"):
            for subset in kept:
                if kind in subset:
                    subset[kind] = subset[kind][:room]
                    room -= len(subset[kind])
                    if not subset[kind]:
                        del subset[kind]
        return [subset for subset in kept if "addresses" in subset or "notReadyAddresses" in subset], True

    async def _write(
        self,
        service: Service,
        stored: StoredEndpoints | None,
        subsets: list[Obj],
        labels: dict[str, str],
        trigger: str,
        truncated: bool,
    ) -> None:
        namespace, name = service.metadata.namespace, service.metadata.name
        annotations: Obj = {TRIGGER_TIME: trigger or None, OVER_CAPACITY: "truncated" if truncated else None}
        if stored is None:
            kept = {key: value for key, value in annotations.items() if value}
            metadata: Obj = {"name": name, "labels": labels, "annotations": kept}
            obj: Obj = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
            await self._client.create("endpoints", {**obj, "subsets": subsets} if subsets else obj, namespace)
            return
        noted = stored.metadata.annotations.get(OVER_CAPACITY) == "truncated"
        if (
            _unversioned(stored.subsets) == _unversioned(subsets)
            and stored.metadata.labels == labels
            and noted == truncated
        ):
            return
        meta = stored.metadata
        change = {
            "resourceVersion": meta.resource_version,
            "labels": kept_labels(meta, labels),
            "annotations": annotations,
        }
        patch = {"metadata": change, "subsets": subsets or None}
        await self._client.patch("endpoints", name, patch, namespace)


def _unversioned(subsets: list[Obj]) -> list[Obj]:
    """Subsets without the revisions of pods, of which each change would be a write."""
    found = []
    for subset in subsets:
        plain = dict(subset)
        for kind in ("addresses", "notReadyAddresses"):
            if kind in subset:
                plain[kind] = [{**a, "targetRef": _unversioned_reference(a.get("targetRef"))} for a in subset[kind]]
        found.append(plain)
    return found


def _unversioned_reference(reference: Obj | None) -> Obj:
    return {name: value for name, value in (reference or {}).items() if name != "resourceVersion"}


def _address_order(address: Obj) -> tuple[Any, ...]:
    """By number, not by text."""
    ip: str = address["ip"]
    parts = tuple(int(part) for part in ip.split(".")) if ":" not in ip else ()
    return (parts, ip, address["targetRef"]["uid"])


def build(ctx: Context) -> Controller:
    """The controller."""
    return EndpointsController(ctx)
