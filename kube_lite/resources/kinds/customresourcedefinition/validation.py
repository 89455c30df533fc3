"""Rules of CustomResourceDefinitions beyond the schema; those of their versions are in ``versions``."""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.field import (
    IMMUTABLE,
    Errors,
    GoLiteral,
    child,
    forbidden,
    index,
    invalid,
    not_supported,
    required,
)
from kube_lite.resources.kinds.customresourcedefinition.printed import go_version
from kube_lite.resources.kinds.customresourcedefinition.versions import validate_shared_parts, validate_versions
from kube_lite.resources.kinds.webhookconfiguration import validate_client_config
from kube_lite.resources.meta import Obj
from kube_lite.resources.metadata import annotation_path

APPROVAL = "api-approved.kubernetes.io"
_MIXED_CASE = "may have mixed case, but should otherwise match: "
_PROTECTED = (".k8s.io", ".kubernetes.io")


_KINDS = ("plural", "singular", "kind", "listKind")


def _names(named: Obj, path: str) -> Errors:
    return [required(child(path, name)) for name in _KINDS if not named.get(name)] + _spelling(named, path)


def _spelling(named: Obj, path: str) -> Errors:
    found: Errors = []
    for name in _KINDS:
        value, mixed = named.get(name, ""), name in ("kind", "listKind")
        if value and (problems := names.dns_1035_label(value.lower() if mixed else value)):
            told = ",".join(problems)
            found.append(invalid(child(path, name), value, _MIXED_CASE + told if mixed else told))
    for name in ("shortNames", "categories"):
        for i, value in enumerate(named.get(name) or ()):
            if problems := names.dns_1035_label(value):
                found.append(invalid(index(child(path, name), i), value, ",".join(problems)))
    if named.get("kind") and named.get("kind") == named.get("listKind"):
        found.append(invalid(child(path, "listKind"), named["listKind"], "kind and listKind may not be the same"))
    return found


def _group(group: str) -> Errors:
    if not group:
        return [required("spec.group")]
    if problems := names.dns_subdomain(group):
        return [invalid("spec.group", group, ",".join(problems))]
    return [] if "." in group else [invalid("spec.group", group, "should be a domain with at least one dot")]


def _conversion(conversion: Obj) -> Errors:
    strategy, webhook = conversion.get("strategy", ""), conversion.get("webhook")
    at = "spec.conversion"
    if strategy != "Webhook":
        found: Errors = [] if strategy else [required(f"{at}.strategy")]
        if strategy not in ("", "None"):
            found.append(not_supported(f"{at}.strategy", strategy, ("None", "Webhook")))
        for part, name in (("clientConfig", "webhookClientConfig"), ("conversionReviewVersions",) * 2):
            if (webhook or {}).get(part) is not None:
                detail = "should not be set when strategy is not set to Webhook"
                found.append(forbidden(f"{at}.{name}", detail))
        return found
    config = (webhook or {}).get("clientConfig")
    found = []
    if config is None:
        found.append(required(f"{at}.webhookClientConfig", "required when strategy is set to Webhook"))
    else:
        found.extend(validate_client_config(config, f"{at}.webhookClientConfig"))
    versions = (webhook or {}).get("conversionReviewVersions") or []
    where = f"{at}.conversionReviewVersions"
    if not versions:
        found.append(required(where))
    elif not {"v1", "v1beta1"} & set(versions):
        found.append(invalid(where, versions, "must include at least one of v1, v1beta1"))
    return found


def _has_defaults(schema: object) -> bool:
    """Whether a schema fills fields in, at whatever depth."""
    if not isinstance(schema, dict):
        return False
    maps = [schema.get(name) for name in ("properties", "patternProperties", "definitions")]
    lists = [schema.get(name) for name in ("allOf", "anyOf", "oneOf")]
    below = [schema.get(name) for name in ("items", "additionalProperties", "not")]
    below += [sub for named in maps if isinstance(named, dict) for sub in named.values()]
    below += [sub for listed in lists if isinstance(listed, list) for sub in listed]
    return schema.get("default") is not None or any(map(_has_defaults, below))


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found = _group(spec.get("group", ""))
    scope = spec.get("scope", "")
    if scope not in ("Cluster", "Namespaced"):
        choices = ("Cluster", "Namespaced")
        found.append(not_supported("spec.scope", scope, choices) if scope else required("spec.scope"))
    if spec.get("preserveUnknownFields"):
        schemas = [(version.get("schema") or {}).get("openAPIV3Schema") for version in spec.get("versions") or ()]
        if any(map(_has_defaults, schemas)):
            detail = "must be false in order to use defaults in the schema"
            found.append(invalid("spec.preserveUnknownFields", True, detail))
        detail = "cannot set to true, set x-preserve-unknown-fields to true in spec.versions[*].schema instead"
        found.append(invalid("spec.preserveUnknownFields", True, detail))
    found.extend(validate_versions(spec))
    found.extend(_names(spec.get("names") or {}, "spec.names"))
    found.extend(validate_shared_parts(spec.get("versions") or []))
    return found + _conversion(spec.get("conversion") or {})


def validate_stored_versions(obj: Obj) -> Errors:
    """The versions in which objects may be stored are served ones, the storage version among them."""
    stored = (obj.get("status") or {}).get("storedVersions") or []
    versions = (obj.get("spec") or {}).get("versions") or []
    at = "status.storedVersions"
    if not stored:
        return [invalid(at, GoLiteral("[]string(nil)"), "must have at least one stored version")]
    found: Errors = []
    left = {name: position for position, name in enumerate(stored)}
    for version in versions:
        name = version.get("name", "")
        if left.pop(name, None) is None and version.get("storage"):
            detail = f"must have the storage version {name}"
            found.append(invalid(at, go_version(version, versions), detail))
    return found + [invalid(index(at, i), name, "must appear in spec.versions") for name, i in left.items()]


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


def validate_create(obj: Obj) -> Errors:
    """The rules for a new definition."""
    spec = obj.get("spec") or {}
    found: Errors = []
    wanted, meta = f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}", obj.get("metadata") or {}
    for part in ("generateName", "name"):
        if (given := meta.get(part)) and given != wanted:
            found.append(invalid(f"metadata.{part}", given, 'must be spec.names.plural+"."+spec.group'))
    return found + _validate(obj) + validate_stored_versions(obj) + _protected(obj)


def validate_status(new: Obj, old: Obj) -> Errors:
    """The names that were accepted are spelled as names are; there may be none yet."""
    return _spelling((new.get("status") or {}).get("acceptedNames") or {}, "status.acceptedNames")


def _established(obj: Obj) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)


def validate_update(new: Obj, old: Obj) -> Errors:
    """The rules for a changed definition: what objects and paths are known by stays."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    found = _validate(new)
    if _established(old):
        if after.get("scope") != before.get("scope"):
            found.append(invalid("spec.scope", after.get("scope", ""), IMMUTABLE))
        kinds = ((after.get("names") or {}).get("kind"), (before.get("names") or {}).get("kind"))
        if kinds[0] != kinds[1]:
            found.append(invalid("spec.names.kind", kinds[0] or "", IMMUTABLE))
    if after.get("group") != before.get("group"):
        found.append(invalid("spec.group", after.get("group", ""), IMMUTABLE))
    plurals = ((after.get("names") or {}).get("plural"), (before.get("names") or {}).get("plural"))
    if plurals[0] != plurals[1]:
        found.append(invalid("spec.names.plural", plurals[0] or "", IMMUTABLE))
    return found + validate_stored_versions(new)
