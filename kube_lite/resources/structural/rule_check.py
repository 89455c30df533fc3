"""Whether the CEL rules of a structural schema are in order: they compile, say something, and cost little enough.

Each rule is checked against the type of its schema, and its cost is multiplied by how often the schema can occur in
one object (apiextensions-apiserver ``ValidateCustomResourceDefinitionOpenAPISchema``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from kube_lite.resources.cel import syntax
from kube_lite.resources.cel.cost import STATIC_LIMIT, STATIC_TOTAL_LIMIT, exceeded
from kube_lite.resources.cel.examine import Examined, examine
from kube_lite.resources.cel.types import BOOL, DYN, REQUEST_BYTES, STRING, CelType, of_schema, optional_of
from kube_lite.resources.field import (
    Errors,
    GoLiteral,
    child,
    forbidden,
    index,
    invalid,
    key,
    not_supported,
    required,
    show,
)
from kube_lite.resources.structural.field_path import Found, find_field
from kube_lite.resources.structural.problems import Schema
from kube_lite.resources.structural.rules import RULES, has_rules

_REASONS: Final = ("FieldValueRequired", "FieldValueForbidden", "FieldValueInvalid", "FieldValueDuplicate")
_TOTAL: Final = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
_CONTRIBUTED: Final = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
_MOST_CONTRIBUTORS: Final = 4


class _Costs(msgspec.Struct):
    """What the rules met so far may cost together, and each."""

    broken: Collection[int] = ()
    total: int = 0
    each: list[tuple[int, str]] = msgspec.field(default_factory=list)


class _Place(msgspec.Struct, frozen=True):
    """Where a schema stands: how often it can occur (None: no bound), and below which list items cannot be told."""

    times: int | None = 1
    untold: str = ""
    root: bool = False

    def below(self, most: int | None) -> _Place:
        times = None if most is None or self.times is None else self.times * most
        return _Place(times, self.untold)


def validate_rules(schema: Schema, path: str, broken: Collection[int] = ()) -> Errors:
    """What is wrong with the rules of a whole schema; those of ``broken`` nodes (by ``id``) are not looked at."""
    if not has_rules(schema):
        return []
    costs = _Costs(broken)
    found = _node(schema, path, _Place(root=True), costs)
    if costs.total > STATIC_TOTAL_LIMIT:
        ordered = sorted(costs.each, reverse=True)[:_MOST_CONTRIBUTORS]
        found += [forbidden(at, _CONTRIBUTED) for cost, at in ordered if cost * 100 > STATIC_TOTAL_LIMIT]
        found.append(forbidden(path, exceeded(_TOTAL, costs.total, STATIC_TOTAL_LIMIT)))
    return found


def _node(schema: Schema, path: str, place: _Place, costs: _Costs) -> Errors:
    found: Errors = []
    rules = (schema.get(RULES) or ()) if id(schema) not in costs.broken else ()
    type_ = (of_schema(schema, root=place.root) or DYN) if rules else DYN
    for i, raw in enumerate(rules):
        found += _rule(raw, index(child(path, RULES), i), schema, type_, place, costs)
    plain = _Place(place.times, place.untold)
    for name, sub in (schema.get("properties") or {}).items():
        found += _node(sub, key(child(path, "properties"), name), plain, costs)
    additional, items = schema.get("additionalProperties"), schema.get("items")
    if isinstance(additional, Mapping):
        below = place.below(schema.get("maxProperties"))
        found += _node(additional, child(path, "additionalProperties"), below, costs)
    if isinstance(items, Mapping):
        below = place.below(schema.get("maxItems"))
        if schema.get("x-kubernetes-list-type") != "map":
            below = _Place(below.times, place.untold or path)
        found += _node(items, child(path, "items"), below, costs)
    return found


def _shown(raw: Mapping[str, Any]) -> GoLiteral:
    """A rule as Go prints its struct."""
    texts = ((go, raw.get(name) or "") for go, name in _TEXTS)
    reason = "(nil)" if raw.get("reason") is None else "(0xc000000000)"
    optional = "(nil)" if raw.get("optionalOldSelf") is None else "(0xc000000000)"
    return GoLiteral(
        "apiextensions.ValidationRule{"
        + "".join(f"{go}:{show(text)}, " for go, text in texts)
        + f"Reason:(*apiextensions.FieldValueErrorReason){reason}, FieldPath:{show(raw.get('fieldPath') or '')}, "
        + f"OptionalOldSelf:(*bool){optional}}}"
    )


_TEXTS: Final = (("Rule", "rule"), ("Message", "message"), ("MessageExpression", "messageExpression"))


def _rule(raw: Mapping[str, Any], at: str, schema: Schema, type_: CelType, place: _Place, costs: _Costs) -> Errors:
    optional = bool(raw.get("optionalOldSelf"))
    found: Errors = []
    scope = {"self": type_, "oldSelf": optional_of(type_) if optional else type_}
    rule = examine(raw["rule"], scope)
    if rule.problem:
        found.append(invalid(child(at, "rule"), _shown(raw), rule.problem))
    elif rule.type != BOOL:
        found.append(invalid(child(at, "rule"), _shown(raw), "cel expression must evaluate to a bool"))
    else:
        found += _cost(rule, child(at, "rule"), "estimated rule cost", type_, place, costs)
        if raw.get("messageExpression"):
            found += _message(raw, at, type_, scope, place, costs)
    return found + _old_self(raw, at, place, used=not rule.problem and "oldSelf" in syntax.names(raw["rule"]))


def _old_self(raw: Mapping[str, Any], at: str, place: _Place, *, used: bool) -> Errors:
    """The old value is there where it can be told which it is."""
    if used and place.untold:
        detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.untold}"
        return [invalid(child(at, "rule"), raw["rule"], detail)]
    if not used and raw.get("optionalOldSelf") is not None:
        at = child(at, "optionalOldSelf")
        return [invalid(at, raw["optionalOldSelf"], "may not be set if oldSelf is not used in rule")]
    return []


def _message(
    raw: Mapping[str, Any], at: str, type_: CelType, scope: Mapping[str, CelType], place: _Place, costs: _Costs
) -> Errors:
    where = child(at, "messageExpression")
    made = examine(raw["messageExpression"], scope)
    if made.problem:
        return [invalid(where, _shown(raw), "messageExpression " + made.problem)]
    if made.type != STRING:
        return [invalid(where, _shown(raw), "messageExpression must evaluate to a string")]
    return _cost(made, where, "estimated messageExpression cost", type_, place, costs)


def _cost(found: Examined, at: str, what: str, type_: CelType, place: _Place, costs: _Costs) -> Errors:
    times = REQUEST_BYTES // (type_.least + 1) if place.times is None else place.times
    cost = found.cost * times
    costs.total += cost
    costs.each.append((cost, at))
    return [forbidden(at, exceeded(what, cost, STATIC_LIMIT))] if cost > STATIC_LIMIT else []


def validate_words(raw: Mapping[str, Any], at: str, schema: Schema) -> Errors:
    """What is wrong with a rule beside its expressions."""
    found: Errors = []
    source, message = (raw.get("rule") or "").strip(), raw.get("message") or ""
    if not source:
        found.append(required(child(at, "rule"), "rule is not specified"))
    elif message and not message.strip():
        found.append(invalid(child(at, "message"), message, "message must be non-empty if specified"))
    elif _has_break(message.strip()):
        found.append(invalid(child(at, "message"), message, "message must not contain line breaks"))
    elif _has_break(source) and not message.strip():
        found.append(required(child(at, "message"), "message must be specified if rule contains line breaks"))
    made = raw.get("messageExpression")
    if made and not made.strip():
        detail = "messageExpression must be non-empty if specified"
        found.append(required(child(at, "messageExpression"), detail))
    reason = raw.get("reason")
    if reason is not None and reason not in _REASONS:
        found.append(not_supported(child(at, "reason"), reason, frozenset(_REASONS)))
    return found + _field_path(raw.get("fieldPath") or "", child(at, "fieldPath"), schema)


def _has_break(text: str) -> bool:
    return "\n" in text or "\r" in text


def _field_path(text: str, at: str, schema: Schema) -> Errors:
    found: Errors = []
    if text and not text.strip():
        found.append(invalid(at, text, "fieldPath must be non-empty if specified"))
    if _has_break(text):
        found.append(invalid(at, text, "fieldPath must not contain line breaks"))
    if text and not isinstance(find_field(text, schema), Found):
        found.append(invalid(at, text, "fieldPath must be a valid path"))
    return found
