"""Whether a custom resource's schema is structural, and what else upstream demands of it.

Only structural schemas can be pruned and defaulted: every node says its type outside of anyOf and the like, and what
stands inside those never adds a field. Messages are those of ``apiextensions-apiserver``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from kube_lite.resources.field import Errors, child, forbidden, index, invalid, key, not_supported, required
from kube_lite.resources.regexes import go_regex
from kube_lite.resources.structural.problems import Problem
from kube_lite.resources.structural.rule_check import validate_rules
from kube_lite.resources.structural.validate import compile_check

Schema = Mapping[str, Any]

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_LIST_TYPES: Final = ("atomic", "set", "map")
_MAP_TYPES: Final = ("atomic", "granular")
_FALSE, _UNDEFINED = "must be false to be structural", "must be undefined to be structural"
_EXTENSIONS: Final = {
    "x-kubernetes-preserve-unknown-fields": _FALSE,
    "x-kubernetes-embedded-resource": _FALSE,
    "x-kubernetes-int-or-string": _FALSE,
    "x-kubernetes-list-type": _UNDEFINED,
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-map-type": _UNDEFINED,
}
"""What stands only where a schema says which fields there are, and how that is told."""
_EMPTY_TOO: Final = ("$ref", "additionalItems")
"""Keywords that are refused even when they say nothing."""
_FORBIDDEN: Final = {
    "definitions": "definitions is not supported",
    "dependencies": "dependencies is not supported",
    "id": "id is not supported",
    "patternProperties": "patternProperties is not supported",
    "additionalItems": "additionalItems is not supported",
    "$ref": "$ref is not supported",
}


_OBJECT_AT_ROOT = "must be object at the root"


def validate_schema(schema: Schema, path: str) -> Errors:
    """What is wrong with the schema of one version."""
    found = _node(schema, path, is_root=True)
    if schema.get("nullable"):
        found.append(forbidden(child(path, "nullable"), "nullable cannot be true at the root"))
    if found:
        return found
    if _names_a_dialect(schema):
        return [invalid(path, "", "OpenAPIV3Schema 'schema' is not supported")]
    return _defaults(schema, path, is_root=True) + validate_rules(schema, path)


def _node(schema: Schema, path: str, *, is_root: bool = False, in_logic: bool = False) -> Errors:
    found: Errors = [
        forbidden(child(path, name), detail)
        for name, detail in _FORBIDDEN.items()
        if schema.get(name) or (name in _EMPTY_TOO and schema.get(name) is not None)
    ]
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        at = child(path, "x-kubernetes-preserve-unknown-fields")
        found.append(invalid(at, False, "must be true or undefined"))
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        found.append(forbidden(child(path, "uniqueItems"), detail))
    found += _type(schema, path, is_root, in_logic)
    found += _lists(schema, path)
    pattern = schema.get("pattern")
    if pattern:
        try:
            go_regex(pattern)
        except re.error as error:
            detail = f"must be a valid regular expression, but isn't: {error}"
            found.append(invalid(child(path, "pattern"), pattern, detail))
    if in_logic:
        found += [
            forbidden(child(path, name), detail)
            for name, detail in _EXTENSIONS.items()
            if schema.get(name) or (detail is _UNDEFINED and schema.get(name) is not None)
        ]
    return found + _below(schema, path, in_logic=in_logic)


def _type(schema: Schema, path: str, is_root: bool, in_logic: bool) -> Errors:
    wanted = schema.get("type", "")
    at = child(path, "type")
    either = schema.get("x-kubernetes-int-or-string")
    if wanted and wanted not in _TYPES:
        unknown = not_supported(at, wanted, _TYPES)
        if in_logic:
            return [unknown, forbidden(at, "must be empty to be structural")]
        return [unknown, invalid(at, wanted, _OBJECT_AT_ROOT)] if is_root else [unknown]
    if in_logic:
        if wanted and not (either or _is_int_or_string_choice(schema)):
            return [forbidden(at, "must be empty to be structural")]
        return []
    if is_root and wanted not in ("", "object"):
        return [invalid(at, wanted, _OBJECT_AT_ROOT)]
    if either:
        if wanted:
            detail = "must be empty if x-kubernetes-int-or-string is true"
            return [forbidden(at, detail)]
        return []
    if schema.get("x-kubernetes-embedded-resource"):
        if wanted != "object":
            detail = "must be object if x-kubernetes-embedded-resource is true"
            return [invalid(at, wanted, detail) if wanted else required(at, detail)]
        if not schema.get("properties") and not schema.get("x-kubernetes-preserve-unknown-fields"):
            detail = (
                "must not be empty if x-kubernetes-embedded-resource is true "
                "without x-kubernetes-preserve-unknown-fields"
            )
            return [required(child(path, "properties"), detail)]
    if not wanted and not schema.get("x-kubernetes-preserve-unknown-fields"):
        items = "for specified array items" if path.endswith(".items") else "for specified object fields"
        return [required(at, f"must not be empty {'at the root' if is_root else items}")]
    return []


def _is_int_or_string_choice(schema: Schema) -> bool:
    return set(schema) == {"type"} and schema["type"] in ("integer", "string")


def _lists(schema: Schema, path: str) -> Errors:
    found: Errors = []
    list_type = schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    at = child(path, "x-kubernetes-list-type")
    keys_at = child(path, "x-kubernetes-list-map-keys")
    items = schema.get("items")
    if list_type is not None:
        found += _must_be(schema, path, "array", "x-kubernetes-list-type")
        if list_type not in _LIST_TYPES:
            found.append(not_supported(at, list_type, _LIST_TYPES))
    if list_type == "map" and not keys:
        found.append(required(keys_at, "must not be empty if x-kubernetes-list-type is map"))
    if keys and list_type != "map":
        detail = "must be map if x-kubernetes-list-map-keys is non-empty"
        found.append(invalid(at, list_type, detail) if list_type else required(at, detail))
    if schema.get("type") == "array" and not isinstance(items, Mapping):
        found.append(required(child(path, "items"), "must be specified"))
    elif list_type == "map" and isinstance(items, Mapping):
        properties, needed = items.get("properties") or {}, items.get("required") or ()
        for i, name in enumerate(keys):
            if name not in properties:
                detail = "entries must all be names of item properties"
                found.append(invalid(index(keys_at, i), name, detail))
            elif name not in needed and "default" not in properties[name]:
                detail = (
                    "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required "
                    "property"
                )
                found.append(required(child(key(child(child(path, "items"), "properties"), name), "default"), detail))
    map_type = schema.get("x-kubernetes-map-type")
    if map_type is not None:
        found += _must_be(schema, path, "object", "x-kubernetes-map-type")
        if map_type not in _MAP_TYPES:
            found.append(not_supported(child(path, "x-kubernetes-map-type"), map_type, _MAP_TYPES))
    return found


def _must_be(schema: Schema, path: str, wanted: str, extension: str) -> Errors:
    given, at = schema.get("type", ""), child(path, "type")
    detail = f"must be {wanted} if {extension} is specified"
    if given == wanted:
        return []
    return [invalid(at, given, detail) if given else required(at, detail)]


def _names_a_dialect(schema: Schema) -> bool:
    """Whether the schema, or one inside it, has a ``$schema``."""
    if schema.get("$schema"):
        return True
    inner = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for name in ("allOf", "anyOf", "oneOf"):
        inner += schema.get(name) or []
    inner.append(schema.get("not"))
    return any(_names_a_dialect(sub) for sub in inner if isinstance(sub, Mapping))


def _below(schema: Schema, path: str, *, in_logic: bool) -> Errors:
    found: Errors = []
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    if properties and additional:
        detail = "additionalProperties and properties are mutual exclusive"
        found.append(forbidden(child(path, "additionalProperties"), detail))
    for name, sub in properties.items():
        found += _node(sub, key(child(path, "properties"), name), in_logic=in_logic)
    if isinstance(additional, Mapping):
        found += _node(additional, child(path, "additionalProperties"), in_logic=in_logic)
    items = schema.get("items")
    if isinstance(items, list) and items:
        found.append(forbidden(child(path, "items"), "items must be a schema object and not an array"))
    elif isinstance(items, Mapping):
        found += _node(items, child(path, "items"), in_logic=in_logic)
    for name in ("allOf", "anyOf", "oneOf"):
        for i, sub in enumerate(schema.get(name) or ()):
            if not (schema.get("x-kubernetes-int-or-string") and _is_int_or_string_choice(sub)):
                found += _logic(schema, sub, index(child(path, name), i))
    if schema.get("not"):
        found += _logic(schema, schema["not"], child(path, "not"))
    return found


def _logic(outer: Schema, inner: Schema, path: str) -> Errors:
    """A schema below anyOf and the like; the fields that it names must be named outside, too."""
    found: Errors = []
    if inner.get("additionalProperties") is not None:
        found.append(forbidden(child(path, "additionalProperties"), _UNDEFINED))
    for name, detail in (
        ("default", _UNDEFINED),
        ("description", "must be empty to be structural"),
        ("title", "must be empty to be structural"),
        ("nullable", _FALSE),
    ):
        if inner.get(name) or (name == "default" and name in inner):
            found.append(forbidden(child(path, name), detail))
    found += _node(inner, path, in_logic=True)
    return found + _completeness(outer, inner, path)


def _completeness(outer: Schema, inner: Schema, path: str) -> Errors:
    found: Errors = []
    known = outer.get("properties") or {}
    for name, sub in (inner.get("properties") or {}).items():
        if name in known:
            found += _completeness(known[name], sub, key(child(path, "properties"), name))
        elif not isinstance(outer.get("additionalProperties"), Mapping) and not outer.get(
            "x-kubernetes-preserve-unknown-fields"
        ):
            where = path.rpartition(".anyOf")[0] or path.rpartition(".oneOf")[0] or path.rpartition(".allOf")[0]
            place = key(child(where or path.rpartition(".not")[0], "properties"), name)
            found.append(required(place, f"because it is defined in {key(child(path, 'properties'), name)}"))
    return found


# ---- defaults


def _defaults(schema: Schema, path: str, *, is_root: bool = False) -> Errors:
    found: Errors = []
    if "default" in schema:
        if is_root:
            found.append(forbidden(child(path, "default"), "must not be set at the root"))
        else:
            found += _default(schema, child(path, "default"))
    for name, sub in (schema.get("properties") or {}).items():
        if is_root and name == "metadata":
            continue
        found += _defaults(sub, key(child(path, "properties"), name))
    for name in ("items", "additionalProperties"):
        sub = schema.get(name)
        if isinstance(sub, Mapping):
            found += _defaults(sub, child(path, name))
    return found


def _default(schema: Schema, at: str) -> Errors:
    """A default must be valid itself."""
    problems: list[Problem] = []
    compile_check(schema)(schema["default"], None, problems)
    return [
        type(p.error)(
            p.error.reason, at + (f".{p.error.field}" if p.error.field not in ("", "<nil>") else ""), p.error.message
        )
        for p in problems
    ]
