"""Discovery: which groups, versions and resources are served, legacy and aggregated.

Documents are built from the registry on demand and kept until the registry changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from kube_lite.api.http import encode_json
from kube_lite.resources.registry import Registry, Resource

AGGREGATED = "apidiscovery.k8s.io"

GROUP_ORDER = (
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "extensions",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "resource.k8s.io",
)
"""Upstream's group priorities (kube-apiserver ``apiVersionPriorities``), highest first; others follow by name.

``extensions`` is one of the others: clients take the first group that has a kind, and must find Deployments in apps.
"""


CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""The order in which upstream lists the verbs of custom resources."""


def _group_rank(group: str) -> tuple[int, str]:
    return (GROUP_ORDER.index(group) if group in GROUP_ORDER else len(GROUP_ORDER), group)


_HASHED_AS = {
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): "v1beta1",
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): "v1beta1",
    ("apiextensions.k8s.io", "customresourcedefinitions"): "v1beta1",
    ("apiregistration.k8s.io", "apiservices"): "v1beta1",
    ("autoscaling", "horizontalpodautoscalers"): "v1",
    ("batch", "cronjobs"): "v1beta1",
    ("certificates.k8s.io", "certificatesigningrequests"): "v1beta1",
    ("coordination.k8s.io", "leases"): "v1beta1",
    ("discovery.k8s.io", "endpointslices"): "v1beta1",
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): "v1beta1",
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): "v1beta1",
    ("networking.k8s.io", "ingresses"): "v1beta1",
    ("networking.k8s.io", "ingressclasses"): "v1beta1",
    ("node.k8s.io", "runtimeclasses"): "v1beta1",
    ("policy", "poddisruptionbudgets"): "v1beta1",
    ("storage.k8s.io", "csidrivers"): "v1beta1",
}
"""Versions over which ``storageVersionHash`` is worked out, by group and plural, where that is not the stored one."""
_OLDEST = ("", "extensions")
"""Groups older than the kind of their document, which gives no version of it for the sake of old clients."""


_VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Kubernetes' version order: v2 before v1 before v1beta2 before v1alpha1, then others by name.

    apimachinery ``version.CompareKubeAwareVersionStrings``.
    """
    found = _VERSION.fullmatch(version)
    if found is None:
        return (1, 0, 0, version)
    stability = {"alpha": -1, "beta": -2}.get(found[2], -3)
    return (stability, -int(found[1]), -int(found[3] or 0), "")


class Discovered(Protocol):
    """A version that another server answers for."""

    @property
    def resources(self) -> Iterable[Mapping[str, Any]]:
        """Its resources as in aggregated discovery."""
        ...

    @property
    def fresh(self) -> bool:
        """Whether that server answers now."""
        ...


_SINGULAR = frozenset(
    (
        "v1",
        "apps/v1",
        "batch/v1",
        "autoscaling/v2",
        "networking.k8s.io/v1",
        "policy/v1",
        "storage.k8s.io/v1",
        "discovery.k8s.io/v1",
        "admissionregistration.k8s.io/v1",
    )
)
"""Versions that tell the singular names of built-in kinds, as upstream does since v1.27: some clients find kinds by
them. The documents of the other versions are the recorded ones, in which clients derive it from the kind."""


class Discovery:
    """The discovery documents of a registry."""

    def __init__(self, registry: Registry, address: str) -> None:
        self._registry = registry
        self._address = address
        self._kept: dict[str, tuple[bytes, str]] = {}
        self.elsewhere: Mapping[tuple[str, str], Discovered] = {}
        """Groups and versions that other servers answer for."""
        self.on_change: list[Callable[[], None]] = []

    def changed(self) -> None:
        """Forget the documents: the registry serves other resources now."""
        self._kept.clear()
        for listener in self.on_change:
            listener()

    def groups(self) -> dict[str, list[str]]:
        """Versions by group in order of preference, those of other servers too while these answer."""
        found = self.own_groups()
        for (group, version), other in self.elsewhere.items():
            if other.fresh and version not in found.setdefault(group, []):
                found[group] = sorted([*found[group], version], key=version_rank)
        return found

    def own_groups(self) -> dict[str, list[str]]:
        """Versions by group in order of preference; '' is the core group."""
        found: dict[str, list[str]] = {}
        for resource in self._registry:
            versions = found.setdefault(resource.group, [])
            if resource.version not in versions:
                versions.append(resource.version)
        for versions in found.values():
            versions.sort(key=version_rank)
        return {g: found[g] for g in sorted(found, key=_group_rank)}

    def is_custom(self, group: str) -> bool:
        """Whether a group holds nothing but custom resources."""
        own = [resource for resource in self._registry if resource.group == group]
        return bool(own) and all(resource.custom for resource in own)

    def _document(self, name: str, value: Any) -> tuple[bytes, str]:
        body = encode_json(value)
        kept = self._kept[name] = (body, '"' + hashlib.sha256(body).hexdigest()[:32].upper() + '"')
        return kept

    def api_versions(self) -> tuple[bytes, str]:
        """``/api``, with its ETag."""
        kept = self._kept.get("/api")
        return kept or self._document(
            "/api",
            {
                "kind": "APIVersions",
                "versions": ["v1"],
                "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": self._address}],
            },
        )

    def group_list(self) -> tuple[bytes, str]:
        """``/apis``, with its ETag."""
        kept = self._kept.get("/apis")
        if kept:
            return kept
        groups = [self._group(g, v) for g, v in self.groups().items() if g]
        return self._document("/apis", {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})

    @staticmethod
    def _group(group: str, versions: list[str]) -> dict[str, Any]:
        listed = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions]
        return {"name": group, "versions": listed, "preferredVersion": listed[0]}

    def group(self, group: str) -> tuple[bytes, str] | None:
        """``/apis/{group}``, None when there is no such group."""
        name = f"/apis/{group}"
        if name in self._kept:
            return self._kept[name]
        versions = self.groups().get(group)
        if not versions or not group:
            return None
        return self._document(name, {"kind": "APIGroup", "apiVersion": "v1", **self._group(group, versions)})

    def resources(self, group: str, version: str) -> tuple[bytes, str] | None:
        """``/apis/{group}/{version}`` or ``/api/v1``, None when it is not served."""
        name = f"{group}/{version}"
        if name in self._kept:
            return self._kept[name]
        served = [r for r in self._registry if r.group == group and r.version == version]
        if not served:
            return None
        entries = [e for r in sorted(served, key=lambda r: r.plural) for e in self._entries(r)]
        document: dict[str, Any] = {"kind": "APIResourceList"}
        if group not in _OLDEST:
            document["apiVersion"] = "v1"
        document["groupVersion"] = f"{group}/{version}" if group else version
        document["resources"] = entries
        return self._document(name, document)

    @staticmethod
    def _entries(resource: Resource) -> Iterable[dict[str, Any]]:
        if resource.verbs:
            entry: dict[str, Any] = {
                "name": resource.plural,
                "singularName": resource.singular_name if resource.custom or resource.api_version in _SINGULAR else "",
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": list(CUSTOM_VERBS) if resource.custom else sorted(resource.verbs),
            }
            if resource.short_names:
                entry["shortNames"] = list(resource.short_names)
            if resource.categories:
                entry["categories"] = list(resource.categories)
            if "create" in resource.verbs and not resource.answered_only:
                entry["storageVersionHash"] = storage_hash(resource)
            yield entry
        subresources = resource.subresources.items()
        for name, sub in subresources if resource.custom else sorted(subresources):
            entry = {
                "name": f"{resource.plural}/{name}",
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": sub.kind or resource.kind,
                "verbs": sorted(sub.verbs),
            }
            if sub.kind and (sub.group, sub.version) != (resource.group, resource.version):
                entry = {"name": entry["name"], "singularName": "", "namespaced": resource.namespaced}
                if sub.group:
                    entry["group"] = sub.group
                if sub.version:
                    entry["version"] = sub.version
                entry |= {"kind": sub.kind, "verbs": sorted(sub.verbs)}
            yield entry

    def aggregated(self, core: bool, version: str) -> tuple[bytes, str]:
        """``/api`` or ``/apis`` as APIGroupDiscoveryList in ``v2`` or ``v2beta1``."""
        name = f"{core} {version}"
        if name in self._kept:
            return self._kept[name]
        listed = self.groups()
        for group, stale in self.elsewhere:
            if stale not in listed.setdefault(group, []):
                listed[group] = [*listed[group], stale]
        groups = [
            {
                "metadata": {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None},
                "versions": [self._aggregated_version(group, v) for v in versions],
            }
            for group, versions in listed.items()
            if bool(group) != core
        ]
        document = {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"{AGGREGATED}/{version}",
            "metadata": {},
            "items": groups,
        }
        return self._document(name, document)

    def _aggregated_version(self, group: str, version: str) -> dict[str, Any]:
        other = self.elsewhere.get((group, version))
        if other is not None:
            freshness = "Current" if other.fresh else "Stale"
            return {"version": version, "resources": list(other.resources), "freshness": freshness}
        served = sorted(
            (r for r in self._registry if r.group == group and r.version == version), key=lambda r: r.plural
        )
        return {
            "version": version,
            "resources": [self._aggregated_resource(r) for r in served],
            "freshness": "Current",
        }

    @staticmethod
    def _aggregated_resource(resource: Resource) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "resource": resource.plural,
            "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "singularResource": resource.singular_name,
            "verbs": sorted(resource.verbs),
        }
        if resource.short_names:
            entry["shortNames"] = list(resource.short_names)
        if resource.categories:
            entry["categories"] = list(resource.categories)
        subs = [
            {
                "subresource": name,
                "responseKind": {
                    "group": sub.group if sub.kind else resource.group,
                    "version": (sub.version if sub.kind else resource.version) or resource.version,
                    "kind": sub.kind or resource.kind,
                },
                "verbs": sorted(sub.verbs),
            }
            for name, sub in sorted(resource.subresources.items())
        ]
        if subs:
            entry["subresources"] = subs
        return entry


def storage_hash(resource: Resource) -> str:
    """Identifies the stored version: base64 of SHA-256 over group/version/kind, 8 bytes (apiserver ``discovery``).

    Clients compare it with an earlier one and nothing else, so it may stay what it was when betas were stored.
    """
    import base64

    group = "" if resource.storage_group == "core" else resource.storage_group or resource.group
    version = _HASHED_AS.get((group, resource.plural)) or resource.storage_version or resource.version
    text = f"{group}/{version}/{resource.kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()
