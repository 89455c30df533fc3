"""A custom resource's structural schema, compiled once into closures that validate objects.

A check is a function of a value, its path and the list that problems go to. Paths are linked pairs (parent, step),
because most are never printed. Messages are those of upstream's ``kube-openapi`` validator as the API server
converts them to causes. Rules in CEL are compiled elsewhere (``rules``) and run after these checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kube_lite.errors import FieldError
from kube_lite.resources import field
from kube_lite.resources.formats import FORMATS
from kube_lite.resources.regexes import go_regex

Schema = Mapping[str, Any]
Path = tuple[Any, str | int] | None
"""``(parent, step)``: a name or an index below the parent; None is the object itself."""

_BLOCKING: Final = frozenset({"FieldValueNotSupported", "FieldValueRequired"})


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule, and where the value that breaks it lies: what ratcheting compares with the old object.

    ``blocking`` marks those after which CEL rules are not run (apiextensions-apiserver ``hasBlockingErr``): wrong
    types and sizes, which are told as plain invalid values, as v1.20 did.
    """

    at: Path
    error: FieldError
    blocking: bool = False

    @property
    def blocks_rules(self) -> bool:
        """Whether rules would fail on this value for no reason of their own."""
        return self.blocking or self.error.reason in _BLOCKING


Check = Callable[[Any, Path, list[Problem]], None]


def steps(path: Path) -> list[str | int]:
    """A path from the root down."""
    found: list[str | int] = []
    while path is not None:
        found.append(path[1])
        path = path[0]
    found.reverse()
    return found


def text(path: Path) -> str:
    """``spec.items[0].name``."""
    out = ""
    for step in steps(path):
        if isinstance(step, int):
            out += f"[{step}]"
        else:
            out += f".{step}" if out else step
    return out


def type_name(value: Any) -> str:
    """The JSON type of a value, as upstream names it in messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def canonical(value: Any) -> str:
    """JSON text by which values are compared: True is not 1, the order of keys does not matter."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _is_integer(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda v: type(v) is str,
    "integer": _is_integer,
    "number": lambda v: type(v) in (int, float),
    "boolean": lambda v: type(v) is bool,
    "array": lambda v: type(v) is list,
    "object": lambda v: type(v) is dict,
}


def _invalid(path: Path, value: Any, detail: str, *, blocking: bool = False) -> Problem:
    return Problem(path, field.invalid(text(path), value, f"{text(path)} in body {detail}"), blocking)


def wrong_type(path: Path, value: Any, wanted: str) -> Problem:
    """A value of another type than the schema's; what is shown is the name of its type."""
    given = field.show(type_name(value))
    shown = f"Invalid value: {given}: {text(path)} in body must be of type {wanted}: {given}"
    return Problem(path, FieldError("FieldValueInvalid", text(path), shown), blocking=True)


def _anything(value: Any, path: Path, problems: list[Problem]) -> None:
    """The check of a schema that demands nothing."""


def compile_check(schema: Schema) -> Check:
    """The check of a schema and all below it."""
    checks: list[Check] = []
    wanted = schema.get("type", "")
    if schema.get("x-kubernetes-int-or-string"):
        checks += _int_or_string(schema)
    elif wanted:
        checks.append(_typed(schema, wanted))
    elif _is_constrained(schema):
        checks.append(_untyped(schema))
    if "enum" in schema:
        checks.append(_enum(schema["enum"]))
    checks += _combinations(schema)
    if schema.get("x-kubernetes-embedded-resource"):
        checks.append(_embedded)
    if not checks:
        return _anything
    nullable = bool(schema.get("nullable"))
    if len(checks) == 1 and not nullable:
        return checks[0]

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        if value is None and nullable:
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
    constraint = _constraints(schema, "number" if wanted == "integer" else wanted)
    if is_type is None:
        return _anything

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        if not is_type(value):
            problems.append(wrong_type(path, value, wanted))
        elif constraint is not None:
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
            problems.append(_invalid(path, value, f"should be at most {longest} chars long", blocking=True))
        if shortest is not None and len(value) < shortest:
            problems.append(_invalid(path, value, f"should be at least {shortest} chars long"))
        if search is not None and search(value) is None:
            problems.append(_invalid(path, value, f"should match '{pattern}'"))
        if is_format is not None and not is_format(value):
            given = field.show(value)
            shown = f"Invalid value: {given}: {text(path)} in body must be of type {fmt}: {given}"
            problems.append(Problem(path, FieldError("FieldValueInvalid", text(path), shown), blocking=True))

    return check


def go_number(value: float) -> str:
    """A number as Go's ``%v`` prints a float64 in messages."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e21 else repr(float(value))


def _number(schema: Schema) -> Check | None:
    highest, lowest, factor = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    below, above = bool(schema.get("exclusiveMaximum")), bool(schema.get("exclusiveMinimum"))
    if highest is None and lowest is None and not factor:
        return None

    def check(value: float, path: Path, problems: list[Problem]) -> None:
        if factor and abs(value / factor - round(value / factor)) > 1e-9:
            problems.append(_invalid(path, value, f"should be a multiple of {go_number(factor)}"))
        if highest is not None and (value > highest or (below and value == highest)):
            bound = "less than" if below else "less than or equal to"
            problems.append(_invalid(path, value, f"should be {bound} {go_number(highest)}"))
        if lowest is not None and (value < lowest or (above and value == lowest)):
            bound = "greater than" if above else "greater than or equal to"
            problems.append(_invalid(path, value, f"should be {bound} {go_number(lowest)}"))

    return check


def _array(schema: Schema) -> Check | None:
    most, least, unique = schema.get("maxItems"), schema.get("minItems"), bool(schema.get("uniqueItems"))
    items = schema.get("items")
    item = compile_check(items) if isinstance(items, Mapping) else _anything
    different = _different(schema)
    if most is None and least is None and not unique and item is _anything and different is None:
        return None

    def check(values: list[Any], path: Path, problems: list[Problem]) -> None:
        if item is not _anything:
            for position, value in enumerate(values):
                item(value, (path, position), problems)
        if least is not None and len(values) < least:
            problems.append(_invalid(path, len(values), f"should have at least {least} items"))
        if most is not None and len(values) > most:
            problems.append(_invalid(path, len(values), f"should have at most {most} items", blocking=True))
        if unique and len({canonical(v) for v in values}) < len(values):
            problems.append(_invalid(path, values, "shouldn't contain duplicates"))
        if different is not None:
            different(values, path, problems)

    return check


def key_of(schema: Schema) -> Callable[[Any], str] | None:
    """What identifies an item of a list with keys or of a set; None of an atomic list."""
    list_type = schema.get("x-kubernetes-list-type")
    if list_type == "set":
        return canonical
    if list_type != "map":
        return None
    keys: Sequence[str] = schema.get("x-kubernetes-list-map-keys") or ()
    return lambda item: canonical([item.get(k) for k in keys] if isinstance(item, dict) else item)


def go_value(value: Any) -> Any:
    """A decoded JSON value as Go's ``%#v`` prints it in messages; texts and numbers as they are."""
    if isinstance(value, dict):
        inside = ", ".join(f"{field.show(name)}:{_go_literal(value[name])}" for name in sorted(value))
        return field.GoLiteral(f"map[string]interface {{}}{{{inside}}}")
    if isinstance(value, list):
        return field.GoLiteral(f"[]interface {{}}{{{', '.join(_go_literal(item) for item in value)}}}")
    return value


def _go_literal(value: Any) -> str:
    return "interface {}(nil)" if value is None else field.show(go_value(value))


def _different(schema: Schema) -> Check | None:
    """Uniqueness of the items of sets and of lists with keys."""
    identify = key_of(schema)
    if identify is None:
        return None
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    is_map = schema.get("x-kubernetes-list-type") == "map"

    def check(values: list[Any], path: Path, problems: list[Problem]) -> None:
        seen: set[str] = set()
        for position, value in enumerate(values):
            known = identify(value)
            if known in seen:
                shown = {k: value.get(k) for k in keys if k in value} if is_map and isinstance(value, dict) else value
                problems.append(Problem(path, field.duplicate(text((path, position)), go_value(shown))))
            seen.add(known)

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
            problems.append(_invalid(path, len(values), f"should have at most {most} properties", blocking=True))
        if least is not None and len(values) < least:
            problems.append(_invalid(path, len(values), f"should have at least {least} properties"))
        for name, value in values.items():
            one = checks.get(name)
            if one is not None:
                one(value, (path, name), problems)
            elif other is not _anything and name not in known:
                other(value, (path, name), problems)

    return check


def _enum(choices: Sequence[Any]) -> Check:
    strings = {c for c in choices if type(c) is str}
    others = {canonical(c) for c in choices}
    shown = [c if isinstance(c, str) else canonical(c) for c in choices]

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        if (value not in strings) if type(value) is str else (canonical(value) not in others):
            problems.append(Problem(path, field.not_supported(text(path), value, shown)))

    return check


def _composite(path: Path, message: str) -> Problem:
    """allOf and the like are about the whole value: upstream names no field for them."""
    shown = f'Invalid value: "": {field.show(text(path))} {message}'
    return Problem(path, FieldError("FieldValueInvalid", "<nil>", shown))


def _combinations(schema: Schema) -> list[Check]:
    checks: list[Check] = []
    for name, make in (("anyOf", _any_of), ("oneOf", _one_of), ("allOf", _all_of)):
        if schema.get(name):
            # int-or-string implies anyOf integer and string, which authors write out too
            checks.append(make([compile_check(sub) for sub in schema[name]]))
    if schema.get("not"):
        checks.append(_not(compile_check(schema["not"])))
    return checks


def _attempts(checks: Sequence[Check], value: Any, path: Path) -> list[list[Problem]]:
    found = []
    for check in checks:
        problems: list[Problem] = []
        check(value, path, problems)
        found.append(problems)
    return found


def _closest(tries: Sequence[list[Problem]]) -> list[Problem]:
    """The failures of the alternative that came closest: the others would only confuse."""
    return min(tries, key=lambda problems: len(problems))


def _any_of(alternatives: Sequence[Check]) -> Check:
    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        tries = _attempts(alternatives, value, path)
        if all(tries):
            problems.append(_composite(path, "must validate at least one schema (anyOf)"))
            problems.extend(_closest(tries))

    return check


def _one_of(alternatives: Sequence[Check]) -> Check:
    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        tries = _attempts(alternatives, value, path)
        valid = sum(not failed for failed in tries)
        if valid == 0:
            problems.append(_composite(path, "must validate one and only one schema (oneOf). Found none valid"))
            problems.extend(_closest(tries))
        elif valid > 1:
            detail = f"must validate one and only one schema (oneOf). Found {valid} valid alternatives"
            problems.append(_composite(path, detail))

    return check


def _all_of(parts: Sequence[Check]) -> Check:
    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        tries = _attempts(parts, value, path)
        failed = sum(bool(one) for one in tries)
        for one in tries:
            problems.extend(one)
        if failed:
            none = ". None validated" if failed == len(parts) else ""
            problems.append(_composite(path, f"must validate all the schemas (allOf){none}"))

    return check


def _not(forbidden: Check) -> Check:
    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        found: list[Problem] = []
        forbidden(value, path, found)
        if not found:
            problems.append(_composite(path, "must not validate the schema (not)"))

    return check


def _embedded(value: Any, path: Path, problems: list[Problem]) -> None:
    """An embedded resource says what it is."""
    if not isinstance(value, dict):
        return
    for name in ("apiVersion", "kind"):
        if not value.get(name):
            problems.append(Problem(path, field.required(text((path, name)), "must not be empty")))


# ---- ratcheting: what an update leaves as it was may stay wrong


def unchanged(at: Path, schema: Schema, new: Any, old: Any) -> bool:
    """Whether the value at a path was the same before; list items are told apart by their keys."""
    node: Schema = schema
    for step in steps(at):
        if isinstance(step, int):
            if new == old:
                return True
            identify = key_of(node) if node.get("x-kubernetes-list-type") == "map" else None
            if identify is None or not isinstance(old, list) or not isinstance(new, list):
                return False
            new = new[step]
            wanted = identify(new)
            same = [item for item in old if identify(item) == wanted]
            if len(same) != 1:
                return False
            old = same[0]
            node = mapping(node.get("items"))
        else:
            if not isinstance(new, dict) or not isinstance(old, dict) or step not in old or step not in new:
                return False
            new, old = new[step], old[step]
            properties = mapping(node.get("properties"))
            node = mapping(properties.get(step) or node.get("additionalProperties"))
    return bool(new == old) and canonical(new) == canonical(old)


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}
