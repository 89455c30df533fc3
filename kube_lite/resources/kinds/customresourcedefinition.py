"""CustomResourceDefinitions: kinds made at run time. Their schemas are checked where they are compiled."""

from __future__ import annotations

from kube_lite import clock
from kube_lite.resources import names
from kube_lite.resources.field import IMMUTABLE, Errors, child, index, invalid, not_supported, required
from kube_lite.resources.kinds.webhookconfiguration import validate_client_config
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.metadata import annotation_path
from kube_lite.resources.registry import Resource, status
from kube_lite.resources.rules import dns_subdomain

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""Finalizer under which a definition waits until its objects are gone."""
APPROVAL = "api-approved.kubernetes.io"
_STORAGE = "must have exactly one version marked as storage version"
_MIXED_CASE = "may have mixed case, but should otherwise match: "
_PROTECTED = (".k8s.io", ".kubernetes.io")


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    named = spec.setdefault("names", {})
    kind = named.get("kind", "")
    if not named.get("singular") and kind:
        named["singular"] = kind.lower()
    if not named.get("listKind") and kind:
        named["listKind"] = f"{kind}List"
    conversion = spec.setdefault("conversion", {})
    if not conversion.get("strategy"):
        conversion["strategy"] = "None"
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", 443)
    for version in spec.get("versions") or ():
        for column in version.get("additionalPrinterColumns") or ():
            column.setdefault("priority", 0)
            if not column["priority"]:
                del column["priority"]


def _prepare_create(obj: Obj) -> None:
    """Which version is stored; names are accepted by the controller."""
    stored = [v.get("name", "") for v in (obj.get("spec") or {}).get("versions") or () if v.get("storage")]
    obj["status"] = {"storedVersions": stored, "acceptedNames": {"plural": "", "kind": ""}}


def _prepare_update(new: Obj, old: Obj) -> None:
    state = dict(old.get("status") or {})
    stored = list(state.get("storedVersions") or ())
    for version in (new.get("spec") or {}).get("versions") or ():
        if version.get("storage") and version.get("name") not in stored:
            stored.append(version.get("name", ""))
    new["status"] = {**state, "storedVersions": stored}


def set_condition(state: Obj, kind: str, value: bool, reason: str, message: str) -> None:
    """Put a condition into a CRD's status; its time moves only when its value does."""
    conditions = [dict(c) for c in state.get("conditions") or ()]
    state["conditions"] = conditions
    truth = "True" if value else "False"
    for known in conditions:
        if known.get("type") == kind:
            if known.get("status") != truth:
                known["lastTransitionTime"] = clock.timestamp()
            known.update(status=truth, reason=reason, message=message)
            return
    conditions.append(
        {
            "type": kind,
            "status": truth,
            "lastTransitionTime": clock.timestamp(),
            "reason": reason,
            "message": message,
        }
    )


def _begin_delete(new: Obj, old: Obj) -> None:
    """Hold the definition until its objects are gone."""
    meta = new["metadata"]
    meta.pop("deletionGracePeriodSeconds", None)
    if "generation" in old["metadata"]:
        meta["generation"] = old["metadata"]["generation"]
    if CLEANUP not in (meta.get("finalizers") or ()):
        meta["finalizers"] = [*(meta.get("finalizers") or ()), CLEANUP]
    new["status"] = dict(new.get("status") or {})
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    set_condition(new["status"], "Terminating", True, "InstanceDeletionPending", message)


def _names(named: Obj, path: str) -> Errors:
    found: Errors = []
    for name in ("plural", "singular", "kind", "listKind"):
        value = named.get(name, "")
        at = child(path, name)
        mixed = name in ("kind", "listKind")
        if not value:
            if name in ("plural", "kind", "listKind"):
                found.append(required(at))
            continue
        for problem in names.dns_1035_label(value.lower() if mixed else value):
            found.append(invalid(at, value, _MIXED_CASE + problem if mixed else problem))
    for name in ("shortNames", "categories"):
        for i, value in enumerate(named.get(name) or ()):
            for problem in names.dns_1035_label(value):
                found.append(invalid(index(child(path, name), i), value, problem))
    if named.get("kind") and named.get("kind") == named.get("listKind"):
        found.append(invalid(child(path, "listKind"), named["listKind"], "kind and listKind may not be the same"))
    return found


_COLUMN_TYPES = frozenset({"boolean", "date", "integer", "number", "string"})
_COLUMN_FORMATS = frozenset({"byte", "date", "date-time", "double", "float", "int32", "int64", "password"})


def _version(version: Obj, path: str) -> Errors:
    found: Errors = []
    name = version.get("name", "")
    for problem in names.dns_1035_label(name):
        found.append(invalid(child(path, "name"), name, problem))
    if (version.get("schema") or {}).get("openAPIV3Schema") is None:
        found.append(required(child(child(path, "schema"), "openAPIV3Schema"), "schemas are required"))
    for i, column in enumerate(version.get("additionalPrinterColumns") or ()):
        at = index(child(path, "additionalPrinterColumns"), i)
        if not column.get("name"):
            found.append(required(child(at, "name")))
        kind = column.get("type", "")
        if kind not in _COLUMN_TYPES:
            found.append(not_supported(child(at, "type"), kind, _COLUMN_TYPES) if kind else required(child(at, "type")))
        if (shape := column.get("format")) and shape not in _COLUMN_FORMATS:
            found.append(not_supported(child(at, "format"), shape, _COLUMN_FORMATS))
        if not column.get("jsonPath"):
            found.append(required(child(at, "jsonPath")))
    scale = (version.get("subresources") or {}).get("scale")
    if scale is not None:
        at = child(child(path, "subresources"), "scale")
        for name, prefix in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
            text = scale.get(name, "")
            if not text:
                found.append(required(child(at, name)))
            elif not text.startswith(prefix):
                found.append(invalid(child(at, name), text, f"should be a json path under {prefix[:-1]}"))
    return found


def _conversion(conversion: Obj) -> Errors:
    strategy, webhook = conversion.get("strategy", ""), conversion.get("webhook")
    at = "spec.conversion"
    if strategy == "None":
        if webhook is not None:
            return [invalid(f"{at}.webhook", "", "should not be set when strategy is not set to Webhook")]
        return []
    if strategy != "Webhook":
        return [
            not_supported(f"{at}.strategy", strategy, ("None", "Webhook")) if strategy else required(f"{at}.strategy")
        ]
    if webhook is None or webhook.get("clientConfig") is None:
        return [required(f"{at}.webhook.clientConfig", "required when strategy is set to Webhook")]
    found = validate_client_config(webhook["clientConfig"], f"{at}.webhook.clientConfig")
    versions = webhook.get("conversionReviewVersions") or []
    if not {"v1", "v1beta1"} & set(versions):
        where = f"{at}.webhook.conversionReviewVersions"
        found.append(
            invalid(where, versions, "must include at least one of v1, v1beta1") if versions else required(where)
        )
    return found


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    group, named, versions = spec.get("group", ""), spec.get("names") or {}, spec.get("versions") or []
    found: Errors = []
    if name_of(obj) != f"{named.get('plural', '')}.{group}":
        found.append(invalid("metadata.name", name_of(obj), 'must be spec.names.plural+"."+spec.group'))
    if not group:
        found.append(required("spec.group"))
    else:
        found.extend(dns_subdomain(group, "spec.group"))
        if "." not in group:
            found.append(invalid("spec.group", group, "should be a domain with at least one dot"))
    scope = spec.get("scope", "")
    if scope not in ("Cluster", "Namespaced"):
        choices = ("Cluster", "Namespaced")
        found.append(not_supported("spec.scope", scope, choices) if scope else required("spec.scope"))
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-preserve-unknown-fields to true in spec.versions[*].schema instead"
        )
        found.append(invalid("spec.preserveUnknownFields", True, detail))
    seen = [version.get("name", "") for version in versions]
    if len(set(seen)) != len(seen):
        found.append(invalid("spec.versions", versions, "must contain unique version names"))
    for i, version in enumerate(versions):
        found.extend(_version(version, index("spec.versions", i)))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        found.append(invalid("spec.versions", versions, _STORAGE))
    found.extend(_names(named, "spec.names"))
    found.extend(_conversion(spec.get("conversion") or {}))
    return found


def _stored_versions(obj: Obj) -> Errors:
    stored = (obj.get("status") or {}).get("storedVersions") or []
    served = [version.get("name") for version in (obj.get("spec") or {}).get("versions") or ()]
    if not stored:
        return [invalid("status.storedVersions", None, "must have at least one stored version")]
    at = "status.storedVersions"
    return [
        invalid(index(at, i), name, "must appear in spec.versions")
        for i, name in enumerate(stored)
        if name not in served
    ]


def _protected(obj: Obj) -> Errors:
    group = (obj.get("spec") or {}).get("group", "")
    if not (group.endswith(_PROTECTED) or group in ("k8s.io", "kubernetes.io")):
        return []
    value = ((obj.get("metadata") or {}).get("annotations") or {}).get(APPROVAL)
    see = "see https://github.com/kubernetes/enhancements/pull/1111"
    if not value:
        detail = f'protected groups must have approval annotation "{APPROVAL}", {see}'
        return [required(annotation_path(APPROVAL), detail)]
    if not value.startswith(("http://", "https://", "unapproved")):
        detail = (
            f'protected groups must have approval annotation "{APPROVAL}" with either a URL or a reason starting with '
            f'"unapproved", {see}'
        )
        return [invalid(annotation_path(APPROVAL), value, detail)]
    return []


def _validate_create(obj: Obj) -> Errors:
    return _validate(obj) + _stored_versions(obj) + _protected(obj)


def _established(obj: Obj) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)


def _validate_update(new: Obj, old: Obj) -> Errors:
    after, before = new.get("spec") or {}, old.get("spec") or {}
    found = _validate(new)
    if _established(old):
        if after.get("scope") != before.get("scope"):
            found.append(invalid("spec.scope", after.get("scope"), IMMUTABLE))
        kinds = ((after.get("names") or {}).get("kind"), (before.get("names") or {}).get("kind"))
        if kinds[0] != kinds[1]:
            found.append(invalid("spec.names.kind", kinds[0], IMMUTABLE))
    if after.get("group") != before.get("group"):
        found.append(invalid("spec.group", after.get("group"), IMMUTABLE))
    plurals = ((after.get("names") or {}).get("plural"), (before.get("names") or {}).get("plural"))
    if plurals[0] != plurals[1]:
        found.append(invalid("spec.names.plural", plurals[0], IMMUTABLE))
    return found + _stored_versions(new)


RESOURCES = (
    Resource(
        kind="CustomResourceDefinition",
        plural="customresourcedefinitions",
        group="apiextensions.k8s.io",
        definition="io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources={"status": status(validate=lambda new, old: _stored_versions(new))},
        allow_unconditional_update=False,
        begin_delete=_begin_delete,
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        validate=_validate_create,
        validate_update=_validate_update,
    ),
)
