"""What upstream's decoder says of JSON that does not fit its type: the slow walk, taken once the fast one failed.

Paths in messages about types are those of Go's struct fields, without list positions; paths of unknown fields
have them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kube_lite.resources.field import show
from kube_lite.resources.scalars import INT32_MAX, INT64_MAX, canonical_base64, canonical_quantity
from kube_lite.resources.schema import (
    ANY,
    BOOLEAN,
    BYTES,
    INT_OR_STRING,
    INTEGER,
    JSON_SCHEMA,
    LIST,
    MAP,
    MICRO_TIME,
    NUMBER,
    OBJECT,
    QUANTITY,
    STRING,
    TIME,
    Type,
    type_of,
)
from kube_lite.resources.structural.problems import go_value
from kube_lite.resources.times import canonical, canonical_micro


def _json_name(value: Any) -> str:
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list) else "object"


def told_by_go(type_: Type, raw: bytes) -> str:
    """The message of upstream's decoder for a JSON body, with the text around the error; '' if it has none."""
    from kube_lite.resources.go.decoder import complaint  # late: most bodies are sound

    return complaint(type_, raw, lambda below, value: _problem_of_text(below, value, _json_name(value)))


def first_problem(type_: Type, obj: Any) -> str:
    """The message for the first value of the wrong type, in document order."""
    if not isinstance(obj, dict):
        return f"json: cannot unmarshal {_json_name(obj)} into Go value of type {type_.go}"
    return next(_problems(type_, obj, type_.go_struct, ""), "json: cannot unmarshal the object")


def _problems(type_: Type, value: Any, struct: str, path: str) -> Iterator[str]:
    """Messages for each value of the wrong type, in document order.

    :param struct: the Go struct that holds the field, ``path`` the names from the root to it, without indices
    """
    if value is None or (type_.custom and type_.kind not in (OBJECT, MAP, LIST)):
        return
    kind = type_.kind
    if kind == OBJECT and isinstance(value, dict):
        for key, sub in value.items():
            below = type_.fields.get(key)
            at = f"{path}.{key}" if path else key
            if below is not None and type_.embedded and key == "metadata":
                told = _problems(below.type, sub, "ObjectMeta", "")
                yield from (f"{at}: Invalid value: {show(go_value(sub))}: {problem}" for problem in told)
            elif below is not None:
                yield from _problems(below.type, sub, type_.go_struct, at)
            elif type_.item is not None:
                yield from _problems(type_.item, sub, struct, path)
    elif (kind == LIST and isinstance(value, list)) or (kind == MAP and isinstance(value, dict)):
        assert type_.item is not None
        for sub in value if isinstance(value, list) else value.values():
            yield from _problems(type_.item, sub, struct, path)
    elif not type_.custom:
        problem = _problem(type_, value, f"{struct}.{path}") if kind != ANY else subschema_problem(type_, value)
        if problem:
            yield problem


def _problem(type_: Type, value: Any, where: str) -> str:
    """What is wrong with one value, or ''."""
    kind = type_.kind
    name = _json_name(value)
    wrong = f"json: cannot unmarshal {name} into Go struct field {where} of type {type_.go}"
    if kind in (OBJECT, LIST, MAP):
        return wrong
    if kind == STRING:
        return "" if isinstance(value, str) else wrong
    if kind == BOOLEAN:
        return "" if isinstance(value, bool) else wrong
    if kind == NUMBER:
        return "" if name == "number" else wrong
    if kind == INTEGER and name == "number":
        limit = INT64_MAX if type_.int64 else INT32_MAX
        fits = isinstance(value, int) and -limit - 1 <= value <= limit
        return "" if fits else wrong.replace("number", f"number {value}", 1)
    if kind == INTEGER:
        return wrong
    return _problem_of_text(type_, value, name)


def _problem_of_text(type_: Type, value: Any, name: str) -> str:
    """The same for types that parse their own text; their messages name no field."""
    kind = type_.kind
    if type_.subschema:
        return subschema_problem(type_, value)
    try:
        if kind == INT_OR_STRING:
            if name == "number" and not (isinstance(value, int) and abs(value) <= INT32_MAX):
                return f"json: cannot unmarshal number {value} into Go value of type int32"
            return "" if name in ("number", "string") else f"json: cannot unmarshal {name} into Go value of type int32"
        if kind == QUANTITY:
            canonical_quantity(value if name in ("string", "number") and not isinstance(value, bool) else name + "?")
        elif not isinstance(value, str):
            return f"json: cannot unmarshal {name} into Go value of type string"
        elif kind == TIME:
            canonical(value)
        elif kind == MICRO_TIME:
            canonical_micro(value)
        else:
            canonical_base64(value)
    except ValueError as error:
        return str(error)
    return ""


def subschema_problem(type_: Type, value: Any) -> str:
    """What is wrong with a schema inside a schema; '' where nothing is, or where another value may stand."""
    if type_.subschema == "bool":
        if not isinstance(value, dict | bool):
            return "boolean or JSON schema expected"
        parts = [value]
    else:
        parts = value if isinstance(value, list) else [value]
    schema = type_of(JSON_SCHEMA)
    found = (next(_problems(schema, part, schema.go_struct, ""), "") for part in parts if isinstance(part, dict))
    return next(filter(None, found), "")


def told_by_converter(type_: Type, value: Any) -> str:
    """What upstream says when a strategic merge does not fit the type; '' if it finds nothing wrong.

    There the merged maps become structs field by field, without JSON in between (``runtime/converter.go``).
    """
    kind = type_.kind
    if value is None or kind == ANY:
        return ""
    given = _go_kind(value)
    if kind in (OBJECT, LIST, MAP):
        return _told_of_parts(type_, value, given)
    if kind in (STRING, INTEGER, NUMBER, BOOLEAN):
        return _told_of_scalar(kind, type_.go, value, given)
    problem = _problem_of_text(type_, value, _json_name(value))
    if kind != BYTES or not problem:
        return problem
    return f"error decoding from json: {problem}" if given == "string" else f"cannot restore slice from {given}"


def _go_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    names: dict[type, str] = {str: "string", int: "int64", float: "float64", list: "slice", dict: "map"}
    return names[type(value)]


def _told_of_parts(type_: Type, value: Any, given: str) -> str:
    if type_.kind == LIST:
        if given != "slice":
            return f"cannot restore slice from {given}"
        parts = [(type_.item, sub) for sub in value]
    elif given != "map":
        return f"cannot restore struct from: {given}" if type_.kind == OBJECT else f"cannot restore map from {given}"
    elif type_.kind == MAP:
        parts = [(type_.item, sub) for sub in value.values()]
    else:
        parts = [(field.type, value.get(name)) for name, field in type_.fields.items()]
    return next((told for below, sub in parts if below is not None and (told := told_by_converter(below, sub))), "")


def _told_of_scalar(kind: int, go: str, value: Any, given: str) -> str:
    if kind == STRING:
        if given == "int64":
            return f"cannot convert int64 to {go}"
        return "" if given == "string" else "unrecognized type: string"
    if kind == BOOLEAN:
        return "" if given == "bool" else "unrecognized type: bool"
    if given not in ("int64", "float64"):
        return f"unrecognized type: {go}"
    broken = kind == INTEGER and given == "float64" and value != int(value)
    return f"cannot convert float64 to {go}" if broken else ""


def unknown_paths(type_: Type, obj: Any) -> list[str]:
    """Paths of the fields that the type does not name: ``spec.containers[0].foo``.

    As they come; those of custom resources as upstream finds them, which looks at metadata first and at that of
    embedded resources last, each sorted.
    """
    found = _unknown(type_, obj, "", _PRUNED)
    return [path for _, path in (sorted(found) if type_.custom else found)]


_OWN_METADATA, _PRUNED, _EMBEDDED_METADATA = range(3)


def _unknown(type_: Type, value: Any, path: str, turn: int) -> Iterator[tuple[int, str]]:
    kind = type_.kind
    item = type_.item
    if kind == OBJECT and isinstance(value, dict):
        for key, sub in value.items():
            below = type_.fields.get(key)
            where = f"{path}.{key}" if path else key
            if below is not None:
                after = turn
                if key == "metadata" and (type_.embedded or not path):
                    after = _EMBEDDED_METADATA if path else _OWN_METADATA
                yield from _unknown(below.type, sub, where, after)
            elif item is not None:
                yield from _unknown(item, sub, where, turn)
            elif not type_.preserve:
                yield turn, where
    elif kind == LIST and isinstance(value, list) and item is not None:
        for position, sub in enumerate(value):
            yield from _unknown(item, sub, f"{path}[{position}]", turn)
    elif kind == MAP and isinstance(value, dict) and item is not None:
        for key, sub in value.items():
            yield from _unknown(item, sub, f"{path}.{key}" if path else key, turn)
