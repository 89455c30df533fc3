"""Whether the schema of a CustomResourceDefinition's version is in order.

Four questions, in this order: does it use keywords as Kubernetes does (here), is it structural (``structure``), are
its defaults valid (``default_check``), and are its CEL rules in order (``rule_check``). The last is asked only of
parts with which nothing else is wrong. Messages are those of ``apiextensions-apiserver``, the order that of v1.20.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from kube_lite.resources.field import (
    Errors,
    GoLiteral,
    child,
    forbidden,
    go_strings,
    index,
    invalid,
    key,
    not_supported,
    required,
)
from kube_lite.resources.structural.default_check import validate_defaults
from kube_lite.resources.structural.problems import Schema, mapping
from kube_lite.resources.structural.rule_check import validate_rules, validate_words
from kube_lite.resources.structural.structure import validate_structure

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_LIST_TYPES: Final = ("atomic", "set", "map")
_MAP_TYPES: Final = ("atomic", "granular")
_SUBSCHEMAS: Final = ("items", "additionalProperties", "not")
_NAMED: Final = ("properties", "patternProperties", "definitions", "dependencies")
_LISTED: Final = ("allOf", "oneOf", "anyOf")
_UNSUPPORTED: Final = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_EMPTY_TOO: Final = frozenset({"$ref", "additionalItems", "dependencies"})
"""Keywords that are refused even when they say nothing."""
_IDENTITY: Final = frozenset({"metadata", "kind", "apiVersion"})
_AT_ROOT: Final = {
    "Description": "description",
    "Type": "type",
    "Format": "format",
    "Title": "title",
    "Maximum": "maximum",
    "ExclusiveMaximum": "exclusiveMaximum",
    "Minimum": "minimum",
    "ExclusiveMinimum": "exclusiveMinimum",
    "MaxLength": "maxLength",
    "MinLength": "minLength",
    "Pattern": "pattern",
    "MaxItems": "maxItems",
    "MinItems": "minItems",
    "UniqueItems": "uniqueItems",
    "MultipleOf": "multipleOf",
    "Required": "required",
    "Items": "items",
    "Properties": "properties",
    "ExternalDocs": "externalDocs",
    "Example": "example",
    "XPreserveUnknownFields": "x-kubernetes-preserve-unknown-fields",
    "XValidations": "x-kubernetes-validations",
}
"""What a root may say whose status is validated apart from it: Go's name of each keyword."""


class _Place(msgspec.Struct, frozen=True):
    """What surrounds a node: whether it is the root or describes an object's identity, and why it has no defaults."""

    root: bool = False
    in_meta: bool = False
    no_defaults: str = ""


class _Found(msgspec.Struct):
    """Problems, and the nodes (by ``id``) at or below which there are some."""

    errors: Errors = msgspec.field(default_factory=list)
    broken: set[int] = msgspec.field(default_factory=set)


def validate_schema(schema: Schema, path: str, *, has_status: bool = False, structural: bool = True) -> Errors:
    """What is wrong with the schema of one version.

    :param has_status: whether a version with this schema has the status subresource
    :param structural: whether it must be structural, as all but some definitions of v1beta1 must
    """
    found = _root(schema, path) if has_status else []
    if schema.get("nullable"):
        found.append(forbidden(child(path, "nullable"), "nullable cannot be true at the root"))
    keywords = _Found()
    _node(schema, path, _Place(root=True), keywords)
    found += keywords.errors
    if not structural:
        return found
    if unsupported := unsupported_keyword(schema):
        return found or [invalid(path, "", f"OpenAPIV3Schema '{unsupported}' is not supported")]
    told = validate_structure(schema, path) or validate_defaults(schema, path)
    return found + (told or validate_rules(schema, path, keywords.broken))


def unsupported_keyword(schema: Schema) -> str:
    """A keyword that no structural schema can have, if this one or one inside it does; else empty."""
    if schema.get("$schema"):
        return "schema"
    for name in _UNSUPPORTED:
        if schema.get(name) or (name == "additionalItems" and schema.get(name) is not None):
            return name
    if isinstance(schema.get("items"), list) or schema.get("x-kubernetes-preserve-unknown-fields") is False:
        return "items" if isinstance(schema.get("items"), list) else "x-kubernetes-preserve-unknown-fields"
    return next(filter(None, (unsupported_keyword(sub) for sub in _inner(schema))), "")


def _inner(schema: Schema) -> list[Schema]:
    inner = [schema.get(name) for name in _SUBSCHEMAS]
    inner += [sub for name in _NAMED for sub in mapping(schema.get(name)).values()]
    inner += [sub for name in _LISTED for sub in schema.get(name) or ()]
    return [sub for sub in inner if isinstance(sub, Mapping)]


def _root(schema: Schema, path: str) -> Errors:
    """Status is validated by what stands under its name, so nothing above may say more of it."""
    kind = schema.get("type", "")
    if kind not in ("", "object"):
        detail = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        return [invalid(child(path, "type"), kind, detail)]
    said = {name for name, value in schema.items() if value not in (None, "", False, [], {})}
    if said <= set(_AT_ROOT.values()):
        return []
    shown = GoLiteral("apiextensions.JSONSchemaProps{" + ", ".join(sorted(said)) + "}")
    allowed = f"[{' '.join(_AT_ROOT)}]"
    detail = f"only {allowed} fields are allowed at the root of the schema if the status subresource is enabled"
    return [invalid(path, shown, detail)]


def _node(schema: Schema, path: str, place: _Place, found: _Found) -> None:
    before = len(found.errors)
    found.errors += _keywords(schema, path, place)
    _below(schema, path, place, found)
    found.errors += _lists(schema, path)
    for i, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        found.errors += validate_words(rule, index(child(path, "x-kubernetes-validations"), i), schema)
    if len(found.errors) > before:
        found.broken.add(id(schema))


def _keywords(schema: Schema, path: str, place: _Place) -> Errors:
    found: Errors = []
    kind = schema.get("type", "")
    if kind and kind not in _TYPES:
        found.append(not_supported(child(path, "type"), kind, _TYPES))
    if place.no_defaults and schema.get("default") is not None:
        found.append(forbidden(child(path, "default"), f"must not be set {place.no_defaults}"))
    found += [
        forbidden(child(path, name), f"{name} is not supported")
        for name in _UNSUPPORTED
        if schema.get(name) or (name in _EMPTY_TOO and schema.get(name) is not None)
    ]
    if kind == "null":
        detail = "type cannot be set to null, use nullable as an alternative"
        found.append(forbidden(child(path, "type"), detail))
    if schema.get("items") and isinstance(schema["items"], list):
        found.append(forbidden(child(path, "items"), "items must be a schema object and not an array"))
    if place.in_meta and schema.get("x-kubernetes-embedded-resource"):
        detail = "must not be used inside of resource meta"
        found.append(forbidden(child(path, "x-kubernetes-embedded-resource"), detail))
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        found.append(forbidden(child(path, "uniqueItems"), detail))
    additional = schema.get("additionalProperties")
    if schema.get("properties") and additional is not None and additional is not True:
        detail = "additionalProperties and properties are mutual exclusive"
        found.append(forbidden(child(path, "additionalProperties"), detail))
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        at = child(path, "x-kubernetes-preserve-unknown-fields")
        found.append(invalid(at, False, "must be true or undefined"))
    return found


def _below(schema: Schema, path: str, place: _Place, found: _Found) -> None:
    plain = replace(place, root=False)
    additional = schema.get("additionalProperties")
    if isinstance(additional, Mapping):
        reason = "inside additionalProperties applying to object metadata" if place.in_meta else place.no_defaults
        _node(additional, child(path, "additionalProperties"), replace(plain, no_defaults=reason), found)
    for name, sub in mapping(schema.get("properties")).items():
        below = plain
        if name in _IDENTITY and (place.root or schema.get("x-kubernetes-embedded-resource")):
            reason = f"in top-level {name}" if place.root else place.no_defaults
            below = replace(below, in_meta=True, no_defaults=reason)
        _node(sub, key(child(path, "properties"), name), below, found)
    if schema.get("not") is not None:
        _node(schema["not"], child(path, "not"), plain, found)
    for name in _LISTED:
        for i, sub in enumerate(schema.get(name) or ()):
            _node(sub, index(child(path, name), i), plain, found)
    for name in ("definitions", "dependencies"):
        for word, sub in mapping(schema.get(name)).items():
            if isinstance(sub, Mapping):
                _node(sub, key(child(path, name), word), plain, found)
    items = schema.get("items")
    if isinstance(items, Mapping):
        _node(items, child(path, "items"), plain, found)
    for i, sub in enumerate(items if isinstance(items, list) else ()):
        _node(sub, index(child(path, "items"), i), plain, found)


# ---- lists and maps


def _lists(schema: Schema, path: str) -> Errors:
    list_type, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or ()
    at, keys_at = child(path, "x-kubernetes-list-type"), child(path, "x-kubernetes-list-map-keys")
    found: Errors = []
    map_type = schema.get("x-kubernetes-map-type")
    if map_type is not None:
        found += _must_be(schema, path, "object", "x-kubernetes-map-type")
        if map_type not in _MAP_TYPES:
            found.append(not_supported(child(path, "x-kubernetes-map-type"), map_type, _MAP_TYPES))
    if list_type is not None:
        wrong = _must_be(schema, path, "array", "x-kubernetes-list-type")
        found += wrong or (_set_items(schema, path) if list_type == "set" else [])
        if list_type not in _LIST_TYPES:
            found.append(not_supported(at, list_type, _LIST_TYPES))
    if keys and list_type != "map":
        detail = "must be map if x-kubernetes-list-map-keys is non-empty"
        found.append(required(at, detail) if list_type is None else invalid(at, list_type, detail))
    if list_type == "map":
        if not keys:
            found.append(required(keys_at, "must not be empty if x-kubernetes-list-type is map"))
        found += _map_items(schema, path, keys)
    if list_type in ("set", "map") and isinstance(schema.get("items"), Mapping):
        found += _never_null(schema["items"], child(path, "items"), list_type, keys)
    return found


def _must_be(schema: Schema, path: str, wanted: str, extension: str) -> Errors:
    given, at = schema.get("type", ""), child(path, "type")
    detail = f"must be {wanted} if {extension} is specified"
    if given == wanted:
        return []
    return [invalid(at, given, detail) if given else required(at, detail)]


def _set_items(schema: Schema, path: str) -> Errors:
    """Sets hold what is compared as a whole."""
    items = mapping(schema.get("items"))
    extension, default = {
        "array": ("x-kubernetes-list-type", "atomic"),
        "object": ("x-kubernetes-map-type", None),
    }.get(items.get("type", ""), ("", "atomic"))
    if (items.get(extension) or default) == "atomic":
        return []
    detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
    return [invalid(child(child(path, "items"), extension), items.get("x-kubernetes-list-type"), detail)]


def _map_items(schema: Schema, path: str, keys: Any) -> Errors:
    """Lists with keys hold objects whose keys are scalars of their own."""
    items, at = schema.get("items"), child(path, "items")
    if items is None:
        return [required(at, "must have a schema if x-kubernetes-list-type is map")]
    if not isinstance(items, Mapping):
        return [invalid(at, GoLiteral("[]"), "must only have a single schema if x-kubernetes-list-type is map")]
    kind = items.get("type", "")
    if kind != "object":
        return [invalid(child(at, "type"), kind, "must be object if parent array's x-kubernetes-list-type is map")]
    found: Errors = []
    known, seen = mapping(items.get("properties")), set()
    keys_at = child(path, "x-kubernetes-list-map-keys")
    for name in keys:
        if name not in known:
            found.append(invalid(keys_at, go_strings(keys), "entries must all be names of item properties"))
        elif known[name].get("type") in ("array", "object"):
            detail = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            found.append(invalid(child(key(child(at, "properties"), name), "type"), kind, detail))
        if name in seen:
            found.append(invalid(keys_at, go_strings(keys), "must not contain duplicate entries"))
        seen.add(name)
    return found


def _never_null(items: Schema, at: str, list_type: str, keys: Any) -> Errors:
    found: Errors = []
    if items.get("nullable"):
        found.append(forbidden(child(at, "nullable"), f"cannot be nullable when x-kubernetes-list-type is {list_type}"))
    known, needed = mapping(items.get("properties")), items.get("required") or ()
    for name in keys if list_type == "map" else ():
        if name not in known:
            continue
        place, start = key(child(at, "properties"), name), "this property is in x-kubernetes-list-map-keys, so it"
        if name not in needed and known[name].get("default") is None:
            found.append(required(child(place, "default"), f"{start} must have a default or be a required property"))
        if known[name].get("nullable"):
            found.append(forbidden(child(place, "nullable"), f"{start} cannot be nullable"))
    return found
