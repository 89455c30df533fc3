"""Types of the API, compiled on first use from the published definitions.

A :class:`Type` is a node of a small graph: what a value is (object, map, list or one of the scalars), its
fields or items, and the facts that merging needs: list types and keys, merge keys and patch strategies, what is
atomic. Pruning, strategic merge, server-side apply and OpenAPI all read the same nodes. Built-in types come
from the package ``kubernetes-validate``, whose rewriting is undone here: there a field is nullable exactly where
it is not required, every ``enum`` is an injected apiVersion or kind, and Quantity and IntOrString are choices.
Those of custom resources are ``custom_schema``'s.

Descriptions are not held: the file stays as one block of bytes (1.6 MB) of which each definition is a slice,
decoded when its type is first wanted. Versions that were withdrawn are derived from it (``withdrawn``).

    type_of("io.k8s.api.core.v1.Pod") -> Type      built in, cached
    type_for("apps", "v1", "Deployment") -> Type   the same by group, version and kind
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from kube_lite.resources import withdrawn
from kube_lite.resources.shapes import (
    ALWAYS_OF,
    KEPT_LISTS_OF,
    LIST_KEY_DEFAULTS,
    NAMED_GO_TYPES,
    NAMED_LISTS,
    POINTER_SCALARS_OF,
    POINTER_STRUCTS_OF,
    PRINTED_STRINGS_OF,
    VALUE_SCALARS,
    VALUE_SCALARS_OF,
    VALUE_STRUCTS_OF,
    VALUE_TIMES,
    short_name,
)

SCHEMA_VERSION: Final = "v1.36.0-local"
"""The folder of ``kubernetes-validate`` that is read: structure of Kubernetes v1.36."""

OBJECT: Final = 0
MAP: Final = 1
LIST: Final = 2
STRING: Final = 3
INTEGER: Final = 4
NUMBER: Final = 5
BOOLEAN: Final = 6
QUANTITY: Final = 7
TIME: Final = 8
MICRO_TIME: Final = 9
INT_OR_STRING: Final = 10
BYTES: Final = 11
ANY: Final = 12
"""Kinds of node; ``ANY`` holds whatever JSON it is given."""

META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
OBJECT_META: Final = META + "ObjectMeta"

_SPECIAL: Final = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": (QUANTITY, "resource.Quantity"),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": (INT_OR_STRING, "intstr.IntOrString"),
    META + "Time": (TIME, "v1.Time"),
    META + "MicroTime": (MICRO_TIME, "v1.MicroTime"),
    META + "FieldsV1": (ANY, "v1.FieldsV1"),
    META + "Patch": (ANY, "v1.Patch"),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": (ANY, "runtime.RawExtension"),
}


JSON_SCHEMA: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_SUBSCHEMAS: Final = {JSON_SCHEMA + "OrBool": "bool", JSON_SCHEMA + "OrArray": "array"}


class Field:
    """A field of an object type.

    ``drop_empty`` says that the field's zero is not stored (see ``shapes``), ``always`` that something is
    printed even where nothing was set. ``strategies`` and ``merge_key`` are those of strategic merge patch.
    """

    __slots__ = ("always", "drop_empty", "merge_key", "name", "nullable", "required", "strategies", "type")

    def __init__(self, name: str, type_: Type) -> None:
        self.name = name
        self.type = type_
        self.required = False
        self.drop_empty = False
        self.always = False
        self.nullable = False
        """Of a pointer that is always printed: what is printed is null."""
        self.strategies: tuple[str, ...] = ()
        self.merge_key = ""


class Type:
    """What a value may be. Compared by identity; every built-in definition has exactly one."""

    __slots__ = (
        "additions",
        "atomic",
        "completes",
        "custom",
        "definition",
        "embedded",
        "fields",
        "go",
        "int64",
        "item",
        "key_defaults",
        "keys",
        "kind",
        "list_type",
        "plan",
        "preserve",
        "subschema",
    )

    def __init__(self, kind: int, go: str = "") -> None:
        self.kind = kind
        self.go = go
        """Name of the Go type, for messages: ``v1.Container``, ``int32``."""
        self.definition = ""
        self.fields: dict[str, Field] = {}
        self.plan: dict[str, tuple[int, bool, Type]] = {}
        """``fields`` as the decoder reads them: kind, whether the zero is dropped, type."""
        self.item: Type | None = None
        """Of a map or a list; also the type of additional properties of an object."""
        self.list_type = "atomic"
        self.keys: tuple[str, ...] = ()
        self.key_defaults: Mapping[str, Any] = {}
        self.atomic = False
        """An object or map that is owned and replaced as a whole."""
        self.preserve = False
        """Unknown fields are kept (custom resources only)."""
        self.embedded = False
        self.subschema = ""
        """Of a schema inside a schema, which upstream reads on its own: what else may stand there."""
        self.custom = False
        """Of a custom resource: wrong types are left to validation, zeros are kept."""
        self.int64 = False
        self.completes = False
        """Whether this type, or one below it, has fields that are always printed."""
        self.additions: tuple[list[tuple[str, int]], list[tuple[str, Type]]] | None = None
        """The fields that are always printed, and those to look into for more; worked out on first use."""

    @property
    def go_struct(self) -> str:
        """``Container`` of ``v1.Container``."""
        return self.go.rpartition(".")[2]

    def at(self, *path: str) -> Type:
        """The type below ``path``; list items and map values are ``*``. :raises KeyError: no such field"""
        node = self
        for step in path:
            below = node.item if step == "*" else node.fields[step].type
            if below is None:
                raise KeyError(step)
            node = below
        return node

    def __repr__(self) -> str:
        return f"<Type {self.definition or self.go or self.kind}>"


class _Schema(msgspec.Struct):
    """The part of a definition that types are made of."""

    type: Any = None
    format: str = ""
    ref: str = msgspec.field(name="$ref", default="")
    properties: dict[str, _Schema] = {}
    required: list[str] = []
    items: _Schema | None = None
    additional: _Schema | bool | None = msgspec.field(name="additionalProperties", default=None)
    merge_key: str = msgspec.field(name="x-kubernetes-patch-merge-key", default="")
    strategy: str = msgspec.field(name="x-kubernetes-patch-strategy", default="")
    list_type: str = msgspec.field(name="x-kubernetes-list-type", default="")
    list_keys: list[str] = msgspec.field(name="x-kubernetes-list-map-keys", default=[])
    map_type: str = msgspec.field(name="x-kubernetes-map-type", default="")
    gvk: list[dict[str, str]] = msgspec.field(name="x-kubernetes-group-version-kind", default=[])

    @property
    def json_type(self) -> str:
        """The type without the null that the package adds."""
        return str(self.type[0]) if isinstance(self.type, list) else str(self.type or "")


class _File(msgspec.Struct):
    definitions: dict[str, msgspec.Raw] = msgspec.field(name="$defs")


@cache
def definitions() -> dict[str, msgspec.Raw]:
    """Every definition as its JSON text, keyed by name (``io.k8s.api.core.v1.Pod``)."""
    spec = find_spec("kubernetes_validate")  # found, not imported: its imports cost more than its data
    if spec is None or spec.origin is None:
        raise RuntimeError("the package kubernetes-validate is not installed")
    file = Path(spec.origin).parent / "kubernetes-json-schema" / SCHEMA_VERSION / "_definitions.json"
    published = msgspec.json.decode(file.read_bytes(), type=_File).definitions
    return {**published, **withdrawn.definitions(published)}


class _Kinds(msgspec.Struct):
    gvk: list[dict[str, str]] = msgspec.field(name="x-kubernetes-group-version-kind", default=[])


@cache
def kinds() -> dict[tuple[str, str, str], str]:
    """Names of the definitions by (group, version, kind); of shared ones (DeleteOptions) the plain name wins."""
    found: dict[tuple[str, str, str], str] = {}
    decoder = msgspec.json.Decoder(_Kinds)
    for name, raw in definitions().items():
        for entry in decoder.decode(raw).gvk:
            found.setdefault((entry["group"], entry["version"], entry["kind"]), name)
    return found


ATOMIC = (
    "apis.meta.v1.LabelSelector",
    "MatchResources",
    "NamedRuleWithOperations",
    "ParamKind",
    "ParamRef",
    "Variable",
)
"""Endings of the definitions that are owned as a whole. Others are marked atomic too (references, Service
selectors), but the recordings own their fields one by one, as every server before that mark did: see
docs/decisions.md."""

ATOMIC_LISTS_OF = frozenset({"apiextensions.v1.CustomResourceDefinitionStatus.conditions"})
"""Lists that have keys today, but are owned as a whole in the recordings."""

_types: dict[str, Type] = {}
_decoder = msgspec.json.Decoder(_Schema)


def type_of(definition: str) -> Type:
    """The type of a built-in definition. :raises KeyError: there is none of that name"""
    known = _types.get(definition)
    return known if known is not None else _compile(definition)


def type_for(group: str, version: str, kind: str) -> Type:
    """The type of a built-in kind. :raises KeyError: there is none"""
    return type_of(kinds()[group, version, kind])


def _go_name(definition: str) -> str:
    package, _, name = definition.rpartition(".")
    return f"{package.rpartition('.')[2]}.{name}"


def _compile(definition: str) -> Type:
    special = _SPECIAL.get(definition)
    if special is not None:
        made = Type(*special)
        _types[definition] = made
        return made
    schema = _decoder.decode(definitions()[definition])
    made = Type(OBJECT if schema.properties else ANY, _go_name(definition))
    made.definition = definition
    made.subschema = _SUBSCHEMAS.get(definition, "")
    _types[definition] = made  # before its fields: JSONSchemaProps contains itself
    if not schema.properties:
        if schema.json_type == "object":  # an empty struct
            made.kind = OBJECT
        return made
    made.atomic = schema.map_type == "atomic" and definition.endswith(ATOMIC)
    top_level = bool(schema.gvk)
    for name, sub in schema.properties.items():
        short = short_name(withdrawn.like(definition, name))
        field = _field(short, name, sub, name in schema.required, top_level, made.go.partition(".")[0])
        made.fields[name] = field
        made.plan[name] = (field.type.kind, field.drop_empty, field.type)
    made.completes = any(f.always or _completes(f.type) for f in made.fields.values())
    return made


def _completes(type_: Type) -> bool:
    return type_.completes or (type_.item is not None and type_.item.completes)


def _field(owner: str, name: str, schema: _Schema, required: bool, top_level: bool, package: str) -> Field:
    where = f"{owner}.{name}"
    field = Field(name, _node(schema, where, package))
    kind = field.type.kind
    field.required = required
    field.always = where in ALWAYS_OF
    field.nullable = where in POINTER_SCALARS_OF or (where in ALWAYS_OF and kind == OBJECT)
    if kind in (LIST, MAP, BYTES):
        field.always |= required
        # An empty list that is always printed is owned by who sent it, and then stored as null (``complete``).
        field.drop_empty = (kind == MAP or not field.always) and where not in KEPT_LISTS_OF
    elif kind == STRING:
        field.always |= required and owner in PRINTED_STRINGS_OF
        field.drop_empty = not required and not field.always and where not in POINTER_SCALARS_OF
    elif kind in (INTEGER, NUMBER, BOOLEAN):
        field.always |= required
        value = (name in VALUE_SCALARS or where in VALUE_SCALARS_OF) and where not in POINTER_SCALARS_OF
        field.drop_empty = value and not field.always
    elif kind in (TIME, MICRO_TIME):
        field.always |= required or name in VALUE_TIMES
    elif kind == OBJECT:
        value = where in VALUE_STRUCTS_OF or schema.ref.endswith((".ObjectMeta", ".ListMeta"))
        field.always |= (required and where not in POINTER_STRUCTS_OF) or value
        field.always |= top_level and name in ("spec", "status")
    field.strategies = tuple(s for s in schema.strategy.split(",") if s)
    field.merge_key = schema.merge_key
    if top_level and name in ("apiVersion", "kind"):
        field.always = False
    return field


def _named(names: Mapping[str, str], where: str, package: str) -> str:
    """The Go name of a type; a withdrawn version has types of its own under the names of today's."""
    name = names.get(where, "")
    today, _, own = name.partition(".")
    return f"{package}.{own}" if own and where.split(".")[-3] == today else name


def _node(schema: _Schema, where: str, package: str) -> Type:
    """The type of a property, item or value. ``where`` is its place in the Go API, ``package`` that of its version."""
    if schema.ref:
        made = type_of(schema.ref.rpartition("/")[2])
        return made
    json_type = schema.json_type
    if json_type == "object":
        made = Type(MAP)
        made.item = _node(schema.additional, where, package) if isinstance(schema.additional, _Schema) else Type(ANY)
        made.go = _named(NAMED_GO_TYPES, where, package) or f"map[string]{made.item.go}"
    elif json_type == "array":
        made = Type(LIST)
        made.item = _node(schema.items, where, package) if schema.items is not None else Type(ANY)
        if where not in ATOMIC_LISTS_OF:
            made.list_type = schema.list_type or "atomic"
            made.keys = tuple(schema.list_keys)
        made.key_defaults = {**_zero_keys(made.item, made.keys), **LIST_KEY_DEFAULTS.get(where, {})}
        made.go = _named(NAMED_LISTS, where, package) or f"[]{made.item.go}"
    else:
        made = scalar(json_type, schema.format)
        if where in NAMED_GO_TYPES and made.kind == STRING:
            made = Type(STRING, _named(NAMED_GO_TYPES, where, package))
    return made


def _zero_keys(item: Type, keys: tuple[str, ...]) -> dict[str, Any]:
    """Required keys of a list's items are zero where an item leaves them out, and refused by validation later."""
    zeros = {STRING: "", INTEGER: 0}
    held = {key: item.fields[key] for key in keys if key in item.fields}
    return {key: zeros[f.type.kind] for key, f in held.items() if f.required and f.type.kind in zeros}


@cache
def scalar(json_type: str, fmt: str) -> Type:
    """Scalars are shared: there are only a handful."""
    if json_type == "string":
        if fmt == "byte":
            return Type(BYTES, "[]uint8")
        return Type(TIME, "v1.Time") if fmt == "date-time" else Type(STRING, "string")
    if json_type == "integer":
        made = Type(INTEGER, "int32" if fmt == "int32" else "int64")
        made.int64 = fmt != "int32"
        return made
    if json_type == "number":
        return Type(NUMBER, "float64")
    if json_type == "boolean":
        return Type(BOOLEAN, "bool")
    return Type(ANY)
