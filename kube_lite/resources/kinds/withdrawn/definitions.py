"""CustomResourceDefinitions of apiextensions.k8s.io/v1beta1: what all versions share stands at the top.

Conversion, defaults and rules are those of Kubernetes' ``pkg/apis/apiextensions/v1beta1``: schema, subresources and
columns are hoisted where all versions have the same, a definition without ``versions`` has the one in ``version``,
and unknown fields are kept unless it says otherwise.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kube_lite.resources import names
from kube_lite.resources.field import Errors, invalid
from kube_lite.resources.kinds import customresourcedefinition
from kube_lite.resources.kinds.customresourcedefinition.validation import PRUNES
from kube_lite.resources.kinds.customresourcedefinition.versions import SCHEMA_NEEDED
from kube_lite.resources.kinds.withdrawn.legacy import Conversion, Release, legacy
from kube_lite.resources.meta import Obj

_CURRENT = customresourcedefinition.RESOURCES[0]
_SHARED = (("validation", "schema"), ("subresources", "subresources"), ("additionalPrinterColumns",) * 2)
"""Names at the top of an old definition, and in a version."""


def _columns(holder: Obj, old: str, new: str) -> Obj:
    listed = holder.get("additionalPrinterColumns")
    if not listed:
        return holder
    made = [{new if key == old else key: value for key, value in column.items()} for column in listed]
    return {**holder, "additionalPrinterColumns": made}


def _version_up(version: Obj, shared: dict[str, Any]) -> Obj:
    return _columns({**version, **shared}, "JSONPath", "jsonPath")


def _conversion_up(conversion: Obj) -> Obj:
    made = {k: v for k, v in conversion.items() if k not in ("webhookClientConfig", "conversionReviewVersions")}
    webhook: Obj = {}
    if conversion.get("webhookClientConfig") is not None:
        webhook["clientConfig"] = conversion["webhookClientConfig"]
    if conversion.get("conversionReviewVersions"):
        webhook["conversionReviewVersions"] = conversion["conversionReviewVersions"]
    return {**made, "webhook": webhook} if webhook else made


def _conversion_down(conversion: Obj) -> Obj:
    made = {key: value for key, value in conversion.items() if key != "webhook"}
    webhook = conversion.get("webhook") or {}
    if webhook.get("clientConfig") is not None:
        made["webhookClientConfig"] = webhook["clientConfig"]
    if webhook.get("conversionReviewVersions"):
        made["conversionReviewVersions"] = webhook["conversionReviewVersions"]
    return made


def up(obj: Obj) -> Obj:
    """The v1 form of a v1beta1 definition."""
    spec = dict(obj.get("spec") or {})
    shared = {new: spec[old] for old, new in _SHARED if spec.get(old)}
    for old, _ in _SHARED:
        spec.pop(old, None)
    only = spec.pop("version", None)
    versions = spec.get("versions") or ([{"name": only, "served": True, "storage": True}] if only else [])
    if versions:
        spec["versions"] = [_version_up(version, shared) for version in versions]
    if spec.get("conversion") is not None:
        spec["conversion"] = _conversion_up(spec["conversion"])
    if not spec.get("preserveUnknownFields"):
        spec.pop("preserveUnknownFields", None)
    return {**obj, "spec": spec}


def down(obj: Obj) -> Obj:
    """The v1beta1 form of a v1 definition."""
    spec = dict(obj.get("spec") or {})
    versions = [_columns(version, "jsonPath", "JSONPath") for version in spec.get("versions") or ()]
    for old, new in _SHARED:
        first = versions[0].get(new) if versions else None
        if first and all(version.get(new) == first for version in versions):
            spec[old] = first
            versions = [{key: value for key, value in version.items() if key != new} for version in versions]
    if versions:
        spec["version"] = versions[0].get("name", "")
        spec["versions"] = versions
    if spec.get("conversion") is not None:
        spec["conversion"] = _conversion_down(spec["conversion"])
    spec["preserveUnknownFields"] = bool(spec.get("preserveUnknownFields"))
    return {**obj, "spec": spec}


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("scope"):
        spec["scope"] = "Namespaced"
    if not spec.get("versions") and spec.get("version"):
        spec["versions"] = [{"name": spec["version"], "served": True, "storage": True}]
    if not spec.get("version") and spec.get("versions"):
        spec["version"] = spec["versions"][0].get("name", "")
    if spec.get("preserveUnknownFields") is None:
        spec["preserveUnknownFields"] = True
    conversion = spec.get("conversion") or {}
    if conversion.get("strategy") == "Webhook" and not conversion.get("conversionReviewVersions"):
        conversion["conversionReviewVersions"] = ["v1beta1"]
    service = (conversion.get("webhookClientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", 443)
    _CURRENT.default(obj)


def _told(obj: Obj, problems: Errors) -> Errors:
    """Old definitions need no schema, and may keep unknown fields."""
    spec = obj.get("spec") or {}
    found = [p for p in problems if not p.message.endswith((SCHEMA_NEEDED, PRUNES))]
    first, version = (spec.get("versions") or [{}])[0].get("name", ""), spec.get("version", "")
    if version and version != first and spec.get("versions"):
        if wrong := names.dns_1035_label(version):
            found.append(invalid("spec.version", version, ",".join(wrong)))
        found.append(invalid("spec.version", version, "must match the first version in spec.versions"))
    return found


_BETA = legacy(_CURRENT, "v1beta1", Release("v1.16", "v1.22"), conversion=Conversion(up, down), errors=_told)

RESOURCES = (
    # names, versions and status are where they are today; converted and back, a wrong version would be mended
    replace(_BETA, default=_default, prepare_create=_CURRENT.prepare_create, prepare_update=_CURRENT.prepare_update),
)
