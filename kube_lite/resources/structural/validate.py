"""A custom resource's structural schema, compiled once into closures that validate objects.

A check is a function of a value, its path and the list that problems go to. Messages are those of upstream's
``kube-openapi`` validator as the API server converts them to causes. Rules in CEL are compiled elsewhere (``rules``)
and run after these checks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kube_lite.errors import FieldError
from kube_lite.resources import field
from kube_lite.resources.formats import FORMATS
from kube_lite.resources.regexes import go_regex
from kube_lite.resources.structural.combinations import all_of, any_of, none_of, one_of
from kube_lite.resources.structural.problems import (
    Check,
    Path,
    Problem,
    Schema,
    canonical,
    invalid,
    text,
    type_name,
    wrong_type,
)

_EXACT: Final = 2**53 - 1
"""Up to here floats are exact: ``1e15`` is an integer, ``1e16`` is none (swag ``IsFloat64AJSONInteger``)."""


def _is_integer(value: Any) -> bool:
    if type(value) is int:
        return -(2**63) <= value < 2**63
    return type(value) is float and value.is_integer() and abs(value) <= _EXACT


_SIZED: Final = frozenset({"int32", "int64", "float", "double"})
"""Formats of numbers."""
_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda v: type(v) is str,
    "integer": _is_integer,
    "number": lambda v: type(v) in (int, float),
    "boolean": lambda v: type(v) is bool,
    "array": lambda v: type(v) is list,
    "object": lambda v: type(v) is dict,
}


def _anything(value: Any, path: Path, problems: list[Problem]) -> None:
    """The check of a schema that demands nothing."""


def compile_check(schema: Schema) -> Check:
    """The check of a schema and all below it."""
    checks: list[Check] = []
    wanted = schema.get("type", "")
    if schema.get("x-kubernetes-int-or-string"):
        wanted = "integer,string"
        checks += _int_or_string(schema)
    elif wanted:
        checks.append(_typed(schema, wanted))
    elif _is_constrained(schema):
        checks.append(_untyped(schema))
    enum = _enum(schema["enum"]) if schema.get("enum") else None
    if enum is not None:
        checks.append(enum)
    checks += _combinations(schema)
    if not checks:
        return _anything
    null = None if schema.get("nullable") else wanted
    if len(checks) == 1 and null and enum is None:
        return checks[0]

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        if value is None:  # of which only the type and the choices are asked
            if null:
                problems.append(wrong_type(path, value, null))
            if enum is not None:
                enum(value, path, problems)
            return
        for one in checks:
            one(value, path, problems)

    return check


def _is_constrained(schema: Schema) -> bool:
    return any(_constraints(schema, kind) is not None for kind in ("string", "number", "array", "object"))


def _untyped(schema: Schema) -> Check:
    """Constraints without a type (inside anyOf and the like) bind values of the type they are about."""
    by_type = {kind: _constraints(schema, kind) for kind in ("string", "number", "array", "object")}
    by_type["integer"] = by_type["number"]

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        one = by_type.get(type_name(value))
        if one is not None:
            one(value, path, problems)

    return check


def _int_or_string(schema: Schema) -> list[Check]:
    constrained = _untyped(schema) if _is_constrained(schema) else None

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        if type(value) is not str and not _is_integer(value):
            problems.append(wrong_type(path, value, "integer,string"))
        elif constrained is not None:
            constrained(value, path, problems)

    return [check]


def _typed(schema: Schema, wanted: str) -> Check:
    is_type = _TYPES.get(wanted)
    fmt = str(schema.get("format") or "").strip()
    told = fmt if fmt in _SIZED or FORMATS.get(fmt.replace("-", "")) or FORMATS.get(fmt) else ""
    constraint = _constraints(schema, "number" if wanted == "integer" else wanted)
    if is_type is None:
        return _anything

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        if not is_type(value):
            problems.append(wrong_type(path, value, wanted, told))
        if constraint is not None and (is_type(value) or (wanted == "integer" and isinstance(value, float))):
            constraint(value, path, problems)

    return check


def _constraints(schema: Schema, kind: str) -> Check | None:
    """What a schema demands of values of one type; None when nothing."""
    make = {"string": _string, "number": _number, "array": _array, "object": _object}.get(kind)
    return make(schema) if make is not None else None


def _string(schema: Schema) -> Check | None:
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    pattern = schema.get("pattern")
    search = go_regex(pattern).search if pattern else None
    fmt = str(schema.get("format") or "").strip()
    is_format = FORMATS.get(fmt.replace("-", "")) or FORMATS.get(fmt)
    if longest is None and shortest is None and search is None and is_format is None:
        return None

    def check(value: str, path: Path, problems: list[Problem]) -> None:
        if longest is not None and len(value) > longest:
            problems.append(invalid(path, value, f"should be at most {longest} chars long", blocking=True))
        elif shortest is not None and len(value) < shortest:
            problems.append(invalid(path, value, f"should be at least {shortest} chars long"))
        elif search is not None and search(value) is None:
            problems.append(invalid(path, value, f"should match '{pattern}'"))
        if is_format is not None and not is_format(value):
            given = field.show(value)
            shown = f"Invalid value: {given}: {text(path)} in body must be of type {fmt}: {given}"
            problems.append(Problem(path, FieldError("FieldValueInvalid", text(path), shown), blocking=True))

    return check


def go_number(value: float) -> str:
    """A number as Go's ``%v`` prints a float64 in messages."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e21 else repr(float(value))


def _bound(limit: float | None, value: float) -> float | None:
    """A limit as it is compared: integers only see the whole part of it."""
    return int(limit) if limit is not None and type(value) is int else limit


def _number(schema: Schema) -> Check | None:
    highest, lowest, factor = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    below, above = bool(schema.get("exclusiveMaximum")), bool(schema.get("exclusiveMinimum"))
    if highest is None and lowest is None and not factor:
        return None

    def check(value: float, path: Path, problems: list[Problem]) -> None:
        times = value / factor if factor else 0.0
        if factor and math.isfinite(times) and abs(times - round(times)) > 1e-9:
            problems.append(invalid(path, value, f"should be a multiple of {go_number(factor)}"))
        most, least = _bound(highest, value), _bound(lowest, value)
        if most is not None and (value > most or (below and value == most)):
            bound = "less than" if below else "less than or equal to"
            problems.append(invalid(path, value, f"should be {bound} {go_number(most)}"))
        if least is not None and (value < least or (above and value == least)):
            bound = "greater than" if above else "greater than or equal to"
            problems.append(invalid(path, value, f"should be {bound} {go_number(least)}"))

    return check


def _array(schema: Schema) -> Check | None:
    most, least, unique = schema.get("maxItems"), schema.get("minItems"), bool(schema.get("uniqueItems"))
    items = schema.get("items")
    item = compile_check(items) if isinstance(items, Mapping) else _anything
    if most is None and least is None and not unique and item is _anything:
        return None

    def check(values: list[Any], path: Path, problems: list[Problem]) -> None:
        if item is not _anything:
            for position, value in enumerate(values):
                item(value, (path, position), problems)
        if least is not None and len(values) < least:
            problems.append(invalid(path, len(values), f"should have at least {least} items"))
        if most is not None and len(values) > most:
            problems.append(invalid(path, len(values), f"should have at most {most} items", blocking=True))
        if unique and len({canonical(v) for v in values}) < len(values):
            problems.append(invalid(path, values, "shouldn't contain duplicates"))

    return check


def _object(schema: Schema) -> Check | None:
    required = tuple(schema.get("required") or ())
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    checks = {name: compile_check(sub) for name, sub in (schema.get("properties") or {}).items()}
    known = frozenset(checks)
    checks = {name: check for name, check in checks.items() if check is not _anything}
    additional = schema.get("additionalProperties")
    other = compile_check(additional) if isinstance(additional, Mapping) else _anything
    if not required and most is None and least is None and not checks and other is _anything:
        return None

    def check(values: dict[str, Any], path: Path, problems: list[Problem]) -> None:
        for name in required:
            if name not in values:
                problems.append(Problem(path, field.required(text((path, name)))))
        if most is not None and len(values) > most:
            problems.append(invalid(path, most, f"should have at most {most} properties", blocking=True))
        if least is not None and len(values) < least:
            problems.append(invalid(path, least, f"should have at least {least} properties"))
        for name, value in values.items():
            one = checks.get(name)
            if one is not None:
                one(value, (path, name), problems)
            elif other is not _anything and name not in known:
                other(value, (path, name), problems)

    return check


def _enum(choices: Sequence[Any]) -> Check:
    """One of the choices; null is none, though it be listed."""
    strings = {c for c in choices if type(c) is str}
    others = {canonical(_whole(c)) for c in choices if c is not None}
    shown = [c if isinstance(c, str) else canonical(c) for c in choices]

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        known = value in strings if type(value) is str else value is not None and canonical(_whole(value)) in others
        if not known:
            problems.append(Problem(path, field.not_supported(text(path), value, shown)))

    return check


def _whole(value: Any) -> Any:
    """A number without a fraction as an integer, as which it is compared."""
    return int(value) if type(value) is float and value.is_integer() else value


def _combinations(schema: Schema) -> list[Check]:
    checks: list[Check] = []
    for name, make in (("anyOf", any_of), ("oneOf", one_of), ("allOf", all_of)):
        if schema.get(name):
            # int-or-string implies anyOf integer and string, which authors write out too
            checks.append(make([compile_check(sub) for sub in schema[name]]))
    if schema.get("not"):
        checks.append(none_of(compile_check(schema["not"])))
    return checks
