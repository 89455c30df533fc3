"""Rules of the versions of a CustomResourceDefinition: schema, subresources, columns, selectable fields."""

from __future__ import annotations

from collections.abc import Collection

from kube_lite.resources import names
from kube_lite.resources.field import Errors, child, duplicate, index, invalid, required, too_many
from kube_lite.resources.kinds.customresourcedefinition.printed import HOISTED, go_versions, is_shared
from kube_lite.resources.meta import Obj
from kube_lite.resources.structural.check import validate_schema
from kube_lite.resources.structural.field_path import Found, find_field

_NOT_SELECTABLE = (
    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
)
SCHEMA_NEEDED = "schemas are required"
_STORAGE = "must have exactly one version marked as storage version"
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")


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


def _version(version: Obj, path: str, shared: Collection[str], structural: bool) -> Errors:
    """Problems of one version but for the parts that all versions share."""
    name = version.get("name", "")
    found: Errors = [invalid(child(path, "name"), name, ",".join(names.dns_1035_label(name)))]
    if not names.dns_1035_label(name):
        found.clear()
    found.extend(_deprecation(version, child(path, "deprecationWarning")))
    own = {part: None if part in shared else version.get(part) for part in HOISTED}
    has_status = _has_status(version)
    found.extend(_schema(own["schema"], child(path, "schema"), has_status=has_status, structural=structural))
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


def _has_status(version: Obj) -> bool:
    return (version.get("subresources") or {}).get("status") is not None


def _schema(validation: Obj | None, path: str, *, has_status: bool, structural: bool) -> Errors:
    schema = (validation or {}).get("openAPIV3Schema")
    if schema is None:
        return []
    return validate_schema(schema, child(path, "openAPIV3Schema"), has_status=has_status, structural=structural)


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
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    seen: set[str] = set()
    for i, one in enumerate(fields):
        text = one.get("jsonPath", "")
        at = child(index(child(path, "selectableFields"), i), "jsonPath")
        if not text:
            found.append(required(at))
            continue
        place = find_field(text, schema, brackets=False)
        if not isinstance(place, Found):
            found.append(invalid(at, text, f"is an invalid path: {place}"))
            continue
        if place.steps[:1] == ("metadata",):
            found.append(invalid(at, text, "must not point to fields in metadata"))
        if place.schema.get("type") not in ("string", "boolean", "integer"):
            found.append(invalid(at, text, _NOT_SELECTABLE))
        if place.path in seen:
            found.append(duplicate(at, text))
        seen.add(place.path)
    if len(seen) > MOST_SELECTABLE:
        found.append(too_many(child(path, "selectableFields"), len(seen), MOST_SELECTABLE))
    return found


def _schemas(versions: list[Obj], old: list[Obj]) -> Errors:
    """Every version has a schema; where one had none, as v1beta1 allows, those have one that are served and prune."""
    lacking = [i for i, version in enumerate(versions) if _schema_of(version) is None]
    if any(_schema_of(version) is None for version in old):
        return []
    return [required(f"{index('spec.versions', i)}.schema.openAPIV3Schema", SCHEMA_NEEDED) for i in lacking]


def _schema_of(version: Obj) -> Obj | None:
    found: Obj | None = (version.get("schema") or {}).get("openAPIV3Schema")
    return found


def validate_versions(spec: Obj, *, structural: bool = True, old: Obj | None = None) -> Errors:
    """Problems of the list of versions, and of the first one, which old clients know as the version.

    :param structural: whether schemas must be structural
    :param old: the spec before an update
    """
    versions = spec.get("versions") or []
    found = _schemas(versions, (old or {}).get("versions") or [])
    shared = [part for part in HOISTED if is_shared(versions, part)]
    for i, version in enumerate(versions):
        found.extend(_version(version, index("spec.versions", i), shared, structural))
    seen = [version.get("name", "") for version in versions]
    if len(set(seen)) != len(seen):
        found.append(invalid("spec.versions", go_versions(spec.get("versions")), "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        found.append(invalid("spec.versions", go_versions(spec.get("versions")), _STORAGE))
    first = seen[0] if seen else ""
    if first and (problems := names.dns_1035_label(first)):
        found.append(invalid("spec.version", first, ",".join(problems)))
    return found


def validate_shared_parts(versions: list[Obj], *, structural: bool = True) -> Errors:
    """Problems of what all versions share, which are told once, as if it stood above the versions."""
    one = {part: versions[0].get(part) if versions and is_shared(versions, part) else None for part in HOISTED}
    has_status = any(map(_has_status, versions))
    found = _schema(one["schema"], "spec.validation", has_status=has_status, structural=structural)
    found += _subresources(one["subresources"], "spec.subresources")
    return found + _columns(one["additionalPrinterColumns"], "spec.additionalPrinterColumns")
