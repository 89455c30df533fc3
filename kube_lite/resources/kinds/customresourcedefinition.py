"""CustomResourceDefinitions: kinds made at run time. Their schemas are checked where they are compiled."""

from __future__ import annotations

from collections.abc import Collection

from kube_lite import clock
from kube_lite.resources import names
from kube_lite.resources.columns import PathError, simple_path
from kube_lite.resources.field import (
    IMMUTABLE,
    Errors,
    GoLiteral,
    child,
    duplicate,
    forbidden,
    index,
    invalid,
    not_supported,
    required,
    show,
    too_many,
)
from kube_lite.resources.kinds.webhookconfiguration import validate_client_config
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.metadata import annotation_path
from kube_lite.resources.registry import Resource, status
from kube_lite.resources.structural.check import validate_schema

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""Finalizer under which a definition waits until its objects are gone."""
APPROVAL = "api-approved.kubernetes.io"
_GO = "apiextensions.CustomResourceDefinitionVersion"
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
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", 443)
    for version in spec.get("versions") or ():
        for column in version.get("additionalPrinterColumns") or ():
            column.setdefault("priority", 0)
            if not column["priority"]:
                del column["priority"]
    state = obj.get("status") or {}
    stored = [v.get("name", "") for v in spec.get("versions") or () if v.get("storage")]
    if stored and not state.get("storedVersions"):
        obj["status"] = {**state, "storedVersions": stored[:1]}


def _prepare_create(obj: Obj) -> None:
    """Which version is stored; names are accepted by the controller."""
    stored = [v.get("name", "") for v in (obj.get("spec") or {}).get("versions") or () if v.get("storage")]
    obj["status"] = {"storedVersions": stored[:1], "acceptedNames": {"plural": "", "kind": ""}}


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
    kinds = ("plural", "singular", "kind", "listKind")
    found: Errors = [required(child(path, name)) for name in kinds if not named.get(name)]
    for name in kinds:
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


_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")


_HOISTED = ("schema", "subresources", "additionalPrinterColumns")
"""What upstream's internal form keeps once when all versions share it, and so does not print with each."""


def _go_pointer(value: object, go_type: str) -> str:
    return f"(*{go_type})(nil)" if value is None else f"(*{go_type})(0xc000000000)"


def _go_columns(columns: list[Obj] | None) -> str:
    name = "[]apiextensions.CustomResourceColumnDefinition"
    if columns is None:
        return f"{name}(nil)"
    parts = (("Name", "name"), ("Type", "type"), ("Format", "format"), ("Description", "description"))
    shown = [
        "{"
        + "".join(f"{go}:{show(c.get(key, ''))}, " for go, key in parts)
        + f"Priority:{c.get('priority') or 0}, JSONPath:{show(c.get('jsonPath', ''))}"
        + "}"
        for c in columns
    ]
    return f"{name}{{{', '.join(name.removeprefix('[]') + one for one in shown)}}}"


def _go_version(version: Obj, versions: list[Obj]) -> GoLiteral:
    """A version as Go prints v1.20's internal form of it."""
    own = {part: None if _shared(versions, part) else version.get(part) for part in _HOISTED}
    schema, subresources = (_go_pointer(own[part], f"apiextensions.CustomResource{name}") for part, name in _POINTERS)
    flags = "".join(
        f", {name.capitalize()}:{str(bool(version.get(name))).lower()}" for name in ("served", "storage", "deprecated")
    )
    return GoLiteral(
        f"{_GO}{{Name:{show(version.get('name', ''))}{flags}, "
        f"DeprecationWarning:{_go_pointer(version.get('deprecationWarning'), 'string')}, Schema:{schema}, "
        f"Subresources:{subresources}, AdditionalPrinterColumns:{_go_columns(own['additionalPrinterColumns'])}}}"
    )


_POINTERS = (("schema", "Validation"), ("subresources", "Subresources"))


def _go_versions(versions: list[Obj] | None) -> GoLiteral:
    if versions is None:
        return GoLiteral(f"[]{_GO}(nil)")
    return GoLiteral(f"[]{_GO}{{{', '.join(_go_version(version, versions) for version in versions)}}}")


def _simple_path(path: str, at: str) -> Errors:
    if not path:
        return [invalid(at, path, "must not be empty")]
    return [] if path.startswith(".") else [invalid(at, path, "must be a simple json path starting with .")]


def _column(column: Obj, at: str) -> Errors:
    found: Errors = [] if column.get("name") else [required(child(at, "name"))]
    kind = column.get("type", "")
    if not kind:
        found.append(required(child(at, "type"), "must be one of " + ",".join(_COLUMN_TYPES)))
    elif kind not in _COLUMN_TYPES:
        found.append(invalid(child(at, "type"), kind, "must be one of " + ",".join(_COLUMN_TYPES)))
    if (shape := column.get("format")) and shape not in _COLUMN_FORMATS:
        found.append(invalid(child(at, "format"), shape, "must be one of " + ",".join(_COLUMN_FORMATS)))
    path = column.get("jsonPath", "")
    if not path:
        return [*found, required(child(at, "JSONPath"))]
    return found + _simple_path(path, child(at, "JSONPath"))


def _scale(scale: Obj, at: str) -> Errors:
    found: Errors = []
    for name, prefix in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        text = scale.get(name, "")
        where = child(at, name)
        if not text:
            found.append(required(where))
        elif wrong := _simple_path(text, where):
            found.extend(wrong)
        elif not text.startswith(prefix):
            found.append(invalid(where, text, f"should be a json path under {prefix[:-1]}"))
    if text := scale.get("labelSelectorPath"):
        where = child(at, "labelSelectorPath")
        if wrong := _simple_path(text, where):
            found.extend(wrong)
        elif not text.startswith((".spec.", ".status.")):
            found.append(invalid(where, text, "should be a json path under either .spec or .status"))
    return found


def _shared(versions: list[Obj], part: str) -> bool:
    """Whether upstream's internal form holds this part once, so that messages name it without a version."""
    return all(version.get(part) == versions[0].get(part) for version in versions)


def _version(version: Obj, path: str, shared: Collection[str]) -> Errors:
    """Problems of one version but for the parts that all versions share."""
    name = version.get("name", "")
    found: Errors = [invalid(child(path, "name"), name, ",".join(names.dns_1035_label(name)))]
    if not names.dns_1035_label(name):
        found.clear()
    found.extend(_deprecation(version, child(path, "deprecationWarning")))
    own = {part: None if part in shared else version.get(part) for part in _HOISTED}
    found.extend(_schema(own["schema"], child(path, "schema")))
    found.extend(_subresources(own["subresources"], child(path, "subresources")))
    found.extend(_columns(own["additionalPrinterColumns"], child(path, "additionalPrinterColumns")))
    return found + _selectable(version, path)


LONGEST_WARNING = 256
"""Bytes of a deprecation warning."""


def _deprecation(version: Obj, at: str) -> Errors:
    text = version.get("deprecationWarning")
    if text is None:
        return []
    if not version.get("deprecated"):
        return [invalid(at, text, "can only be set for deprecated versions")]
    found: Errors = []
    if len(text.encode()) > LONGEST_WARNING:
        found.append(invalid(at, text, f"must be <= {LONGEST_WARNING} characters long"))
    if not text:
        found.append(invalid(at, text, "must not be an empty string"))
    hidden = next((i for i, sign in enumerate(text) if not sign.isprintable()), None)
    if hidden is not None:
        where = len(text[:hidden].encode())
        detail = f"must only contain printable UTF-8 characters; non-printable character found at index {where}"
        found.append(invalid(at, text, detail))
    return found


def _schema(validation: Obj | None, path: str) -> Errors:
    schema = (validation or {}).get("openAPIV3Schema")
    return [] if schema is None else validate_schema(schema, child(path, "openAPIV3Schema"))


def _subresources(subresources: Obj | None, path: str) -> Errors:
    scale = (subresources or {}).get("scale")
    return [] if scale is None else _scale(scale, child(path, "scale"))


def _columns(columns: list[Obj] | None, path: str) -> Errors:
    return [problem for i, column in enumerate(columns or ()) for problem in _column(column, index(path, i))]


MOST_SELECTABLE = 8
"""Selectable fields of one version at most (apiextensions ``MaxSelectableFields``)."""


def _selectable(version: Obj, path: str) -> Errors:
    fields = version.get("selectableFields") or ()
    found: Errors = []
    if len(fields) > MOST_SELECTABLE:
        found.append(too_many(child(path, "selectableFields"), len(fields), MOST_SELECTABLE))
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    seen: set[str] = set()
    for i, one in enumerate(fields):
        text = one.get("jsonPath", "")
        at = child(index(child(path, "selectableFields"), i), "jsonPath")
        if not text:
            found.append(required(at))
            continue
        if text in seen:
            found.append(duplicate(at, text))
        seen.add(text)
        try:
            steps = simple_path(text)
        except PathError:
            found.append(invalid(at, text, "is an invalid path: not a simple json path"))
            continue
        node = schema
        for step in steps:
            node = (node.get("properties") or {}).get(step) or {}
        if steps[:1] == ["metadata"]:
            found.append(invalid(at, text, "must not point to fields in metadata"))
        elif node.get("type") not in ("string", "boolean", "integer"):
            found.append(invalid(at, text, "is an invalid path: does not refer to a valid field"))
    return found


def _group(group: str) -> Errors:
    if not group:
        return [required("spec.group")]
    if problems := names.dns_subdomain(group):
        return [invalid("spec.group", group, ",".join(problems))]
    return [] if "." in group else [invalid("spec.group", group, "should be a domain with at least one dot")]


def _versions(spec: Obj) -> Errors:
    """Problems of the list of versions, and of the first one, which old clients know as the version."""
    versions = spec.get("versions") or []
    found: Errors = [
        required(f"{index('spec.versions', i)}.schema.openAPIV3Schema", "schemas are required")
        for i, version in enumerate(versions)
        if (version.get("schema") or {}).get("openAPIV3Schema") is None
    ]
    shared = [part for part in _HOISTED if _shared(versions, part)]
    for i, version in enumerate(versions):
        found.extend(_version(version, index("spec.versions", i), shared))
    seen = [version.get("name", "") for version in versions]
    if len(set(seen)) != len(seen):
        found.append(invalid("spec.versions", _go_versions(spec.get("versions")), "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        found.append(invalid("spec.versions", _go_versions(spec.get("versions")), _STORAGE))
    first = seen[0] if seen else ""
    if first and (problems := names.dns_1035_label(first)):
        found.append(invalid("spec.version", first, ",".join(problems)))
    return found


def _shared_parts(versions: list[Obj]) -> Errors:
    """Problems of what all versions share, which are told once, as if it stood above the versions."""
    one = {part: versions[0].get(part) if versions and _shared(versions, part) else None for part in _HOISTED}
    found = _schema(one["schema"], "spec.validation") + _subresources(one["subresources"], "spec.subresources")
    return found + _columns(one["additionalPrinterColumns"], "spec.additionalPrinterColumns")


def _conversion(conversion: Obj) -> Errors:
    strategy, webhook = conversion.get("strategy", ""), conversion.get("webhook")
    at = "spec.conversion"
    if strategy == "None":
        if webhook is not None:
            detail = "should not be set when strategy is not set to Webhook"
            return [forbidden(f"{at}.webhookClientConfig", detail)]
        return []
    if strategy != "Webhook":
        return [
            not_supported(f"{at}.strategy", strategy, ("None", "Webhook")) if strategy else required(f"{at}.strategy")
        ]
    config = (webhook or {}).get("clientConfig")
    found: Errors = []
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
    found.extend(_versions(spec))
    found.extend(_names(spec.get("names") or {}, "spec.names"))
    found.extend(_shared_parts(spec.get("versions") or []))
    return found + _conversion(spec.get("conversion") or {})


def _stored_versions(obj: Obj) -> Errors:
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
            found.append(invalid(at, _go_version(version, versions), detail))
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


def _validate_create(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    if name_of(obj) and name_of(obj) != f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}":
        found.append(invalid("metadata.name", name_of(obj), 'must be spec.names.plural+"."+spec.group'))
    return found + _validate(obj) + _stored_versions(obj) + _protected(obj)


def _established(obj: Obj) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)


def _validate_update(new: Obj, old: Obj) -> Errors:
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
        owns_status=True,
        begin_delete=_begin_delete,
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        validate=_validate_create,
        validate_update=_validate_update,
    ),
)
