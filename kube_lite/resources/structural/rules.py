"""CEL rules of a structural schema (``x-kubernetes-validations``): where they stand, what they see, what they say.

A rule sees the value at its schema as ``self``. One that names ``oldSelf`` is a transition rule: it runs on updates,
where the old value can be told (fields, map entries, items of lists with keys), or, with ``optionalOldSelf``, always.
Messages and reasons are those of ``apiextensions-apiserver``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from kube_lite import clock
from kube_lite.errors import FieldError
from kube_lite.resources import field as fields
from kube_lite.resources.cel import program, syntax
from kube_lite.resources.cel.program import CelError, CostExceeded, Program, optional
from kube_lite.resources.cel.types import CelType, of_schema, optional_of
from kube_lite.resources.field import OMITTED, Errors, invalid, required
from kube_lite.resources.meta import Obj
from kube_lite.resources.structural.field_path import Found, find_field
from kube_lite.resources.structural.problems import MapKey, Path, Schema, key_of, text
from kube_lite.resources.structural.ratchet import same

RULES: Final = "x-kubernetes-validations"
OBJECT_COST_LIMIT: Final = 10_000_000
"""Steps of all rules on one object (apiserver ``celconfig.RuntimeCELCostBudget``)."""
OBJECT_SECONDS: Final = 10.0
"""Seconds that they may take: what is counted above are estimates."""
LONGEST_RULE_MESSAGE: Final = 5_120
"""Bytes of a message that an expression makes."""
_OUT_OF_BUDGET: Final = "validation failed due to running out of cost budget, no further validation rules will be run"
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_UNIT_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

View = Callable[[Any], Any]
"""Turns a value into what expressions see of it."""
_Pair = tuple[Any, Any, Schema]
"""A value, what it was before, and its schema."""
_NONE: Final = object()
"""No old value, or none that can be told."""


class _Rule(msgspec.Struct, frozen=True):
    expression: Program
    message: str
    message_expression: Program | None
    reason: str
    field_path: str
    transition: bool
    optional_old: bool


class _Node(msgspec.Struct):
    """A schema node with rules at it or below."""

    rules: list[_Rule]
    view: View | None
    schema: Schema
    properties: dict[str, _Node] = msgspec.field(default_factory=dict)
    additional: _Node | None = None
    items: _Node | None = None
    identify: Callable[[Any], str] | None = None
    known: frozenset[str] = frozenset()


class _Budget(msgspec.Struct):
    left: int = OBJECT_COST_LIMIT
    deadline: float = msgspec.field(default_factory=lambda: clock.monotonic() + OBJECT_SECONDS)


class _Run(msgspec.Struct):
    """What the rules of one object say: what is refused, and what is let be for having been there."""

    budget: _Budget = msgspec.field(default_factory=_Budget)
    found: Errors = msgspec.field(default_factory=list)
    warnings: list[str] = msgspec.field(default_factory=list)


class Rules:
    """All rules of one schema."""

    def __init__(self, root: _Node) -> None:
        self._root = root

    @property
    def has_nested_loops(self) -> bool:
        """Whether a rule has loops in loops, and so may take long even on a small object."""
        return _has_nested_loops(self._root)

    def validate(self, obj: Obj, old: Obj | None, warnings: list[str] | None = None) -> Errors:
        """What the rules say of an object; ``old`` is what it was before an update.

        :param warnings: takes what is wrong and let be, since it was so before
        """
        run = _Run()
        try:
            _walk(self._root, obj, _NONE if old is None else old, None, run)
        except _OutOfBudget:
            run.found.append(_at("", self._root.schema.get("type", ""), _OUT_OF_BUDGET))
        if warnings is not None:
            warnings += run.warnings
        return run.found


def _has_nested_loops(node: _Node) -> bool:
    below = [*node.properties.values(), *(n for n in (node.additional, node.items) if n is not None)]
    return any(rule.expression.depth > 1 for rule in node.rules) or any(map(_has_nested_loops, below))


class _OutOfBudget(Exception):
    """The rules of this object have cost too much."""


def compile_rules(schema: Schema) -> Rules | None:
    """The rules of a schema, None when it has none. :raises CelError: one cannot be compiled"""
    if not has_rules(schema):
        return None
    root = _compile(schema, root=True)
    return None if root is None else Rules(root)


def has_rules(schema: Any) -> bool:
    """Whether a schema has rules anywhere."""
    if isinstance(schema, Mapping):
        return RULES in schema or any(has_rules(sub) for sub in schema.values())
    return False


def _compile(schema: Schema, *, root: bool = False) -> _Node | None:
    raw = schema.get(RULES) or ()
    type_ = of_schema(schema, root=root) if raw and _has_unordered(schema) else None
    rules = [_rule(one, schema, type_) for one in raw]
    node = _Node(rules, view_of(schema) if rules else None, schema)
    properties = schema.get("properties") or {}
    node.known = frozenset(properties)
    for name, sub in properties.items():
        if (below := _compile(sub)) is not None:
            node.properties[name] = below
    if isinstance(schema.get("additionalProperties"), Mapping):
        node.additional = _compile(schema["additionalProperties"])
    if isinstance(schema.get("items"), Mapping):
        node.items = _compile(schema["items"])
        node.identify = key_of(schema) if schema.get("x-kubernetes-list-type") == "map" else None
    if rules or node.properties or node.additional is not None or node.items is not None:
        return node
    return None


def _has_unordered(schema: Any) -> bool:
    """Whether a schema has lists somewhere whose order does not count."""
    if not isinstance(schema, Mapping):
        return False
    return schema.get("x-kubernetes-list-type") in ("set", "map") or any(map(_has_unordered, schema.values()))


def _rule(raw: Mapping[str, Any], schema: Schema, type_: CelType | None) -> _Rule:
    optional_old = bool(raw.get("optionalOldSelf"))
    scope = None if type_ is None else {"self": type_, "oldSelf": optional_of(type_) if optional_old else type_}
    place = find_field(raw.get("fieldPath") or "", schema)
    source = raw.get("rule", "")
    variables = frozenset({"self", "oldSelf"})
    message = raw.get("messageExpression")
    return _Rule(
        expression=program.compile(source, variables, scope),
        message=raw.get("message", ""),
        message_expression=program.compile(message, variables) if message else None,
        reason=raw.get("reason", ""),
        field_path=place.path if isinstance(place, Found) else "",
        transition="oldSelf" in syntax.names(source),
        optional_old=optional_old,
    )


# ---- what an expression sees


def view_of(schema: Schema) -> View | None:
    """How values of a schema are shown to expressions; None when as they are."""
    if schema.get("type") == "string":
        return _STRING_VIEWS.get(schema.get("format", ""))
    if schema.get("type") == "number":
        return lambda value: float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    items = schema.get("items")
    if schema.get("type") == "array" and isinstance(items, Mapping):
        item = view_of(items)
        return None if item is None else lambda values: [item(v) for v in values]
    return _object_view(schema)


def _object_view(schema: Schema) -> View | None:
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    other = view_of(additional) if isinstance(additional, Mapping) else None
    views = {name: one for name, sub in properties.items() if (one := view_of(sub)) is not None}
    escaped = {name: syntax.escape(name) for name in properties if syntax.escape(name) != name}
    nullable = frozenset(name for name, sub in properties.items() if sub.get("nullable"))
    if not views and not escaped and not nullable and other is None:
        return None

    def view(values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        shown = {}
        for name, value in values.items():
            if value is None and name in nullable:
                continue
            convert = views.get(name) if name in properties else other
            seen = value if convert is None or value is None else convert(value)
            shown[escaped.get(name, name) or name] = seen
            if name in syntax.RESERVED:
                shown[name] = seen
        return shown

    return view


def _as_time(value: str) -> Any:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return value


def _as_duration(value: str) -> Any:
    seconds = sum(float(n) * _UNIT_SECONDS[unit] for n, unit in _DURATION_PART.findall(value))
    return timedelta(seconds=-seconds if value.startswith("-") else seconds)


def _as_bytes(value: str) -> Any:
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        return value


_STRING_VIEWS: Final[Mapping[str, View]] = {
    "byte": _as_bytes,
    "date": _as_time,
    "date-time": _as_time,
    "duration": _as_duration,
}


# ---- evaluation


def _walk(
    node: _Node, value: Any, old: Any, path: Path, run: _Run, nearest: _Pair | None = None, *, told: bool = True
) -> None:
    """The rules at a value and below.

    :param nearest: the closest value around it whose old one can be told, with its schema
    :param told: whether what has not changed may stay wrong here
    """
    if value is None:
        return
    if old is not _NONE and told:
        nearest = (value, old, node.schema)
    for rule in node.rules:
        broken: Errors = []
        _evaluate(rule, node, value, old, path, broken, run.budget)
        if not broken:
            continue
        # what an update leaves as it was may stay wrong, but a transition is always looked at
        if rule.transition or nearest is None or not same(*nearest):
            run.found += broken
        else:
            run.warnings += map(str, broken)
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for name, below in _below(node, value):
            # objects of another version are converted before, so these two never differ
            kept = told and not (path is None and name in ("apiVersion", "kind"))
            step = name if name in node.known else MapKey(name)
            _walk(below, value[name], before.get(name, _NONE), (path, step), run, nearest if kept else None, told=kept)
    elif isinstance(value, list) and node.items is not None:
        known = _by_key(node, old)
        for position, item in enumerate(value):
            previous = known.get(node.identify(item), _NONE) if node.identify is not None else _NONE
            _walk(node.items, item, previous, (path, position), run, nearest, told=told)


def _below(node: _Node, value: Mapping[str, Any]) -> Iterator[tuple[str, _Node]]:
    for name, below in node.properties.items():
        if name in value:
            yield name, below
    if node.additional is not None:
        for name in value:
            if name not in node.known:
                yield name, node.additional


def _by_key(node: _Node, old: Any) -> dict[str, Any]:
    if node.identify is None or not isinstance(old, list):
        return {}
    return {node.identify(item): item for item in old}


def _evaluate(rule: _Rule, node: _Node, value: Any, old: Any, path: Path, found: Errors, budget: _Budget) -> None:
    if rule.transition and old is _NONE and not rule.optional_old:
        return
    view = node.view or _same
    variables: dict[str, Any] = {"self": view(value)}
    if rule.optional_old:
        variables["oldSelf"] = optional(None if old is _NONE else view(old), present=old is not _NONE)
    elif rule.transition:
        variables["oldSelf"] = view(old)
    budget.left -= 1 + rule.expression.depth * 100
    if budget.left < 0 or clock.monotonic() > budget.deadline:
        raise _OutOfBudget
    at, kind = text(path), node.schema.get("type", "")
    named = rule.message.strip() or rule.expression.source.strip()
    try:
        holds = rule.expression.evaluate(variables)
    except CostExceeded as error:
        detail = f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {named}"
        found.append(_at(at, kind, detail))
        return
    except CelError as error:
        if str(error) == "no such overload":
            start = f"'{error}': call arguments did not match a supported operator, function or macro signature"
            found.append(_at(at, kind, f"{start} for rule: {named}"))
        else:
            found.append(_at(at, kind, f"{error} evaluating rule: {named}"))
        return
    if holds is not True:
        plain = rule.message.strip() or f"failed rule: {named}"
        shown = OMITTED if kind in ("object", "array") else value
        found.append(_failure(rule, at, shown, _message(rule, variables, plain)))


def _same(value: Any) -> Any:
    return value


def _at(path: str, shown: Any, detail: str) -> FieldError:
    return fields.invalid(path or "<nil>", shown, detail)


def _message(rule: _Rule, variables: Mapping[str, Any], plain: str) -> str:
    """What the message expression says; where it fails, or says nothing fit to print, the plain message."""
    if rule.message_expression is None:
        return plain
    try:
        made = rule.message_expression.evaluate(variables)
    except CelError:
        return plain
    made = made.strip() if isinstance(made, str) else ""
    return plain if not made or "\n" in made or len(made.encode()) > LONGEST_RULE_MESSAGE else made


def _failure(rule: _Rule, path: str, shown: Any, detail: str) -> FieldError:
    at = ".".join(filter(None, (path, rule.field_path))) or "<nil>"
    if rule.reason == "FieldValueRequired":
        return required(at, detail)
    if rule.reason == "FieldValueForbidden":
        return fields.forbidden(at, detail)
    if rule.reason == "FieldValueDuplicate":
        return fields.duplicate(at, shown)
    return invalid(at, shown, detail)
