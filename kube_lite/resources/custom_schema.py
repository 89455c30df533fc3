"""Types of custom resources, made from the structural schemas of their definitions (see ``schema``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kube_lite.resources.schema import (
    ANY,
    BOOLEAN,
    INT_OR_STRING,
    INTEGER,
    LIST,
    MAP,
    NUMBER,
    OBJECT,
    OBJECT_META,
    STRING,
    Field,
    Type,
    scalar,
    type_of,
)


def from_openapi(schema: Mapping[str, Any], *, top_level: bool = True) -> Type:
    """The type of a custom resource, from its structural ``openAPIV3Schema``.

    At the top level, and in embedded resources, apiVersion, kind and metadata are those of every object.
    Unlike built-in types it keeps zeros and empty collections, and leaves wrong types to validation.
    """
    made = _custom_node(schema)
    if top_level or made.embedded:
        _add_object_fields(made)
    return made


def _add_object_fields(made: Type) -> None:
    if made.kind != OBJECT:
        return
    for name in ("apiVersion", "kind"):
        _put(made, name, scalar("string", ""))
    _put(made, "metadata", type_of(OBJECT_META))


def _put(owner: Type, name: str, type_: Type) -> None:
    owner.fields[name] = Field(name, type_)
    owner.plan[name] = (type_.kind, False, type_)


_OPENAPI_KINDS: Final = {"string": STRING, "integer": INTEGER, "number": NUMBER, "boolean": BOOLEAN}
_OPENAPI_GO: Final = {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool"}


def _custom_node(schema: Mapping[str, Any]) -> Type:
    json_type = schema.get("type", "")
    if schema.get("x-kubernetes-int-or-string"):
        made = Type(INT_OR_STRING, "intstr.IntOrString")
    elif json_type == "array":
        made = Type(LIST)
        items = schema.get("items")
        made.item = _custom_node(items) if isinstance(items, Mapping) else _custom(Type(ANY))
        made.list_type = schema.get("x-kubernetes-list-type", "atomic")
        made.keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
        made.key_defaults = _custom_key_defaults(items, made.keys)
    elif json_type in _OPENAPI_KINDS:
        made = Type(_OPENAPI_KINDS[json_type], _OPENAPI_GO[json_type])
        made.int64 = schema.get("format") != "int32"
    elif json_type == "object" or schema.get("properties") or schema.get("additionalProperties"):
        made = _custom_object(schema)
    else:
        made = Type(ANY)
    return _custom(made)


def _custom(made: Type) -> Type:
    made.custom = True
    return made


def _custom_object(schema: Mapping[str, Any]) -> Type:
    additional = schema.get("additionalProperties")
    properties = schema.get("properties") or {}
    if additional and not properties:
        made = Type(MAP)
        made.item = _custom_node(additional) if isinstance(additional, Mapping) else _custom(Type(ANY))
    else:
        made = Type(OBJECT)
        for name, sub in properties.items():
            _put(made, name, _custom_node(sub))
    made.preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    made.atomic = schema.get("x-kubernetes-map-type") == "atomic"
    made.embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    if made.embedded:
        _add_object_fields(made)
    return made


def _custom_key_defaults(items: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    properties = items.get("properties") or {} if isinstance(items, Mapping) else {}
    return {k: properties[k]["default"] for k in keys if "default" in properties.get(k, {})}
