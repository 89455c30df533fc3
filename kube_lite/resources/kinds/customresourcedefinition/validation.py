"""Rules of CustomResourceDefinitions beyond the schema; those of their versions are in ``versions``."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

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
from kube_lite.resources.kinds.customresourcedefinition.formats import below
from kube_lite.resources.kinds.customresourcedefinition.printed import go_version
from kube_lite.resources.kinds.customresourcedefinition.versions import validate_shared_parts, validate_versions
from kube_lite.resources.kinds.webhookconfiguration import validate_client_config
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.metadata import annotation_path

APPROVAL = "api-approved.kubernetes.io"
_MIXED_CASE = "may have mixed case, but should otherwise match: "
_PROTECTED = (".k8s.io", ".kubernetes.io")
PRUNES: Final = "cannot set to true, set x-preserve-unknown-fields to true in spec.versions[*].schema instead"
_REVIEWS: Final = "conversionReviewVersions"
_KNOWN_REVIEWS: Final = ("v1", "v1beta1")
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)

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


def _conversion(conversion: Obj, old: Obj | None) -> Errors:
    strategy, webhook = conversion.get("strategy", ""), conversion.get("webhook") or {}
    at = "spec.conversion"
    config = webhook.get("clientConfig")
    if strategy != "Webhook":
        found: Errors = [] if strategy else [required(f"{at}.strategy")]
        if strategy not in ("", "None"):
            found.append(not_supported(f"{at}.strategy", strategy, ("None", "Webhook")))
        for value, name in ((config, "webhookClientConfig"), (webhook.get(_REVIEWS) or None, _REVIEWS)):
            if value is not None:
                detail = "should not be set when strategy is not set to Webhook"
                found.append(forbidden(f"{at}.{name}", detail))
        return found
    found = []
    if config is None:
        found.append(required(f"{at}.webhookClientConfig", "required when strategy is set to Webhook"))
    else:
        found.extend(validate_client_config(config, f"{at}.webhookClientConfig"))
        bundle = config.get("caBundle")
        if bundle and not _may_lack_certificates(old) and not has_certificates(bundle):
            detail = "unable to load root certificates: unable to parse bytes as PEM block"
            found.append(invalid(f"{at}.webhookClientConfig.caBundle", _go_bytes(bundle), detail))
    return found + _review_versions(webhook.get(_REVIEWS) or [], f"{at}.{_REVIEWS}", old)


def _go_bytes(text: str) -> GoLiteral:
    """Bytes, sent as base64, as Go prints them."""
    return GoLiteral(f"[]uint8{{{', '.join(f'0x{byte:x}' for byte in base64.b64decode(text))}}}")


def _may_lack_certificates(old: Obj | None) -> bool:
    """A bundle without certificates is let be until the definition is established, or where it was so before."""
    if old is None or not is_established(old):
        return True
    before = dig(old, "spec", "conversion", "webhook", "clientConfig", "caBundle")
    return bool(before) and not has_certificates(before)


def has_certificates(bundle: str) -> bool:
    """Whether a CA bundle, base64 of PEM, holds a certificate."""
    try:
        blocks = _CERTIFICATE.findall(base64.b64decode(bundle))
        return any(base64.b64decode(block)[:1] == b"\x30" for block in blocks)  # DER begins with a sequence
    except ValueError:
        return False


def _review_versions(versions: list[str], at: str, old: Obj | None) -> Errors:
    if not versions:
        return [required(at)]
    found: Errors = []
    for i, version in enumerate(versions):
        if version in versions[:i]:
            found.append(invalid(index(at, i), version, "duplicate version"))
        else:
            found += [invalid(index(at, i), version, problem) for problem in names.dns_1035_label(version)]
    before = dig(old or {}, "spec", "conversion", "webhook", _REVIEWS) or _KNOWN_REVIEWS
    if not set(_KNOWN_REVIEWS) & set(versions) and set(_KNOWN_REVIEWS) & set(before):
        found.append(invalid(at, versions, f"must include at least one of {', '.join(_KNOWN_REVIEWS)}"))
    return found


def _has(schema: object, has: Callable[[Obj], bool]) -> bool:
    """Whether a schema has something, at whatever depth."""
    return isinstance(schema, dict) and (has(schema) or any(_has(inner, has) for inner in below(schema)))


_EXTENSIONS = (
    *("x-kubernetes-embedded-resource", "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys"),
    *("x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type", "x-kubernetes-validations"),
)


def _any_schema(spec: Obj, has: Callable[[Obj], bool]) -> bool:
    """Whether a schema of a version, or one inside it, has something."""
    schemas = ((version.get("schema") or {}).get("openAPIV3Schema") for version in spec.get("versions") or ())
    return any(_has(schema, has) for schema in schemas)


def _needs_structure(spec: Obj) -> bool:
    """Whether schemas must be structural: unless unknown fields are kept, and nothing is asked that needs it."""
    if not spec.get("preserveUnknownFields"):
        return True
    return _any_schema(spec, lambda s: s.get("default") is not None or any(s.get(name) for name in _EXTENSIONS))


def _kept_unknown(obj: Obj | None) -> bool:
    return bool(((obj or {}).get("spec") or {}).get("preserveUnknownFields"))


def _validate(obj: Obj, old: Obj | None) -> Errors:
    spec = obj.get("spec") or {}
    found = _group(spec.get("group", ""))
    scope = spec.get("scope", "")
    if scope not in ("Cluster", "Namespaced"):
        choices = ("Cluster", "Namespaced")
        found.append(not_supported("spec.scope", scope, choices) if scope else required("spec.scope"))
    kept = bool(spec.get("preserveUnknownFields"))
    if kept and _any_schema(spec, lambda schema: schema.get("default") is not None):
        detail = "must be false in order to use defaults in the schema"
        found.append(invalid("spec.preserveUnknownFields", True, detail))
    if kept and not _kept_unknown(old):
        found.append(invalid("spec.preserveUnknownFields", True, PRUNES))
    structural = _needs_structure(spec)
    found.extend(validate_versions(spec, structural=structural, old=(old or {}).get("spec")))
    found.extend(_names(spec.get("names") or {}, "spec.names"))
    found.extend(validate_shared_parts(spec.get("versions") or [], structural=structural))
    conversion = spec.get("conversion") or {}
    if kept and conversion.get("strategy", "None") != "None":
        detail = "must be None if spec.preserveUnknownFields is true"
        found.append(invalid("spec.conversion.strategy", conversion["strategy"], detail))
    return found + _conversion(conversion, old)


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


class Approval(Enum):
    """Whether a definition in a protected group says that it may be there, and where."""

    MISSING = "MissingAnnotation"
    UNAPPROVED = "UnapprovedAnnotation"
    APPROVED = "ApprovedAnnotation"
    INVALID = "InvalidAnnotation"


def is_protected(group: str) -> bool:
    """Whether a group is the community's."""
    return group.endswith(_PROTECTED) or group in ("k8s.io", "kubernetes.io")


def approval_of(obj: Obj) -> tuple[Approval, str]:
    """What a definition's annotation says, and how upstream puts it."""
    value = ((obj.get("metadata") or {}).get("annotations") or {}).get(APPROVAL) or ""
    see = "see https://github.com/kubernetes/enhancements/pull/1111"
    if not value:
        return Approval.MISSING, f'protected groups must have approval annotation "{APPROVAL}", {see}'
    if value.startswith("unapproved"):
        return Approval.UNAPPROVED, f'not approved: "{value}"'
    parts = urlsplit(value)
    if parts.scheme and parts.netloc:
        return Approval.APPROVED, f"approved in {value}"
    reason = f'with either a URL or a reason starting with "unapproved", {see}'
    return Approval.INVALID, f'protected groups must have approval annotation "{APPROVAL}" {reason}'


def _protected(obj: Obj, old: Obj | None) -> Errors:
    if not is_protected((obj.get("spec") or {}).get("group", "")):
        return []
    state, told = approval_of(obj)
    if old is not None and approval_of(old)[0] is state:
        return []
    if state is Approval.MISSING:
        return [required(annotation_path(APPROVAL), told)]
    if state is Approval.INVALID:
        return [invalid(annotation_path(APPROVAL), obj["metadata"]["annotations"][APPROVAL], told)]
    return []


def validate_create(obj: Obj) -> Errors:
    """The rules for a new definition."""
    spec = obj.get("spec") or {}
    found: Errors = []
    wanted, meta = f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}", obj.get("metadata") or {}
    for part in ("generateName", "name"):
        if (given := meta.get(part)) and given != wanted:
            found.append(invalid(f"metadata.{part}", given, 'must be spec.names.plural+"."+spec.group'))
    return found + _validate(obj, None) + validate_stored_versions(obj) + _protected(obj, None)


def validate_status(new: Obj, old: Obj) -> Errors:
    """The names that were accepted are spelled as names are; there may be none yet."""
    return _spelling((new.get("status") or {}).get("acceptedNames") or {}, "status.acceptedNames")


def is_established(obj: Obj) -> bool:
    """Whether a definition has been served."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)


def validate_update(new: Obj, old: Obj) -> Errors:
    """The rules for a changed definition: what objects and paths are known by stays."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    found = _validate(new, old)
    if is_established(old):
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
    return found + validate_stored_versions(new) + _protected(new, old)
