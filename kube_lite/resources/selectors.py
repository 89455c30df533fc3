"""Label selectors: parsed once, compiled to a closure, matched millions of times.

Grammar, canonical text and messages are those of upstream's ``apimachinery/pkg/labels`` and
``metav1.LabelSelectorAsSelector`` (v1.36); ``field_selectors`` has the others. Parsing is cached by text, so that
callers need not keep selectors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from kube_lite.resources import names
from kube_lite.resources.meta import LabelSelector
from kube_lite.resources.remembered import remembered

Matcher = Callable[[Mapping[str, str]], bool]

IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER, LESS = "in", "notin", "=", "==", "!=", "gt", "lt"
EXISTS, NOT_EXISTS = "exists", "!"

_BINARY_OPERATORS = (IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER, LESS)
_SIGNS = {GREATER: ">", LESS: "<"}
_OBJECT_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": NOT_EXISTS}


class SelectorError(ValueError):
    """Raised when a selector cannot be read; its text is upstream's message."""


def _integer(text: str) -> int | None:
    """The 64-bit integer that Go's ParseInt reads, or None."""
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


class Requirement(msgspec.Struct, frozen=True):
    """One condition on one label; made by :func:`requirement`, which checks it."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.operator == EXISTS:
            return self.key
        if self.operator == NOT_EXISTS:
            return f"!{self.key}"
        joined = ",".join(sorted(self.values))
        if self.operator in (IN, NOT_IN):
            return f"{self.key} {self.operator} ({joined})"
        return f"{self.key}{_SIGNS.get(self.operator, self.operator)}{joined}"

    def compile(self) -> Matcher:
        """A function that says whether labels meet this condition."""
        key, values = self.key, frozenset(self.values)
        match self.operator:
            case "exists":
                return lambda labels: key in labels
            case "!":
                return lambda labels: key not in labels
            case "in" | "=" | "==":
                if len(values) == 1:
                    (only,) = values
                    return lambda labels: labels.get(key) == only
                return lambda labels: labels.get(key) in values
            case "notin" | "!=":
                return lambda labels: labels.get(key) not in values
        return self._compile_comparison()

    def _compile_comparison(self) -> Matcher:
        key, bound, greater = self.key, _integer(self.values[0]), self.operator == GREATER

        def compare(labels: Mapping[str, str]) -> bool:
            number = _integer(labels.get(key, ""))
            if number is None or bound is None:
                return False
            return number > bound if greater else number < bound

        return compare


def _quoted(values: Sequence[str]) -> str:
    return ", ".join(f'"{value}"' for value in values)


def requirement(key: str, operator: str, values: Sequence[str] = ()) -> Requirement:
    """A checked requirement. :raises SelectorError: key, operator and values do not go together"""
    errors = [f'key: Invalid value: "{key}": {"; ".join(wrong)}'] if (wrong := names.qualified_name(key)) else []
    if operator in (IN, NOT_IN) and not values:
        errors.append("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    elif operator in (EQUALS, DOUBLE_EQUALS, NOT_EQUALS) and len(values) != 1:
        errors.append(
            f"values: Invalid value: [{_quoted(values)}]: exact-match compatibility requires one single value"
        )
    elif operator in (EXISTS, NOT_EXISTS) and values:
        errors.append(
            f"values: Invalid value: [{_quoted(values)}]: values set must be empty for exists and does not exist"
        )
    elif operator in (GREATER, LESS):
        if len(values) != 1:
            errors.append(
                f"values: Invalid value: [{_quoted(values)}]: for 'Gt', 'Lt' operators, exactly one value is required"
            )
        errors += [
            "for 'Gt', 'Lt' operators, the value must be an integer" for value in values if _integer(value) is None
        ]
    errors += [
        f'invalid label value: "{value}": at key: "{key}": {"; ".join(wrong)}'
        for value in values
        if (wrong := names.label_value(value))
    ]
    if errors:
        raise SelectorError(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")
    return Requirement(key, operator, tuple(values))


def _everything(_labels: Mapping[str, str]) -> bool:
    return True


def _nothing(_labels: Mapping[str, str]) -> bool:
    return False


def _compile(requirements: Sequence[Requirement]) -> Matcher:
    if not requirements:
        return _everything
    if len(requirements) == 1:
        return requirements[0].compile()
    if all(r.operator in (EQUALS, DOUBLE_EQUALS) for r in requirements):
        pairs = tuple((r.key, r.values[0]) for r in requirements)

        def match_pairs(labels: Mapping[str, str]) -> bool:
            return all(labels.get(key) == value for key, value in pairs)

        return match_pairs
    matchers = tuple(r.compile() for r in requirements)

    def match_all(labels: Mapping[str, str]) -> bool:
        return all(matcher(labels) for matcher in matchers)

    return match_all


@dataclass(frozen=True, slots=True)
class Selector:
    """A compiled label selector. Use ``matches(labels)``; ``requirements`` are sorted by key."""

    requirements: tuple[Requirement, ...] = ()
    matches: Matcher = field(default=_everything, compare=False, repr=False)

    @property
    def empty(self) -> bool:
        """Whether everything matches."""
        return self.matches is _everything

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = Selector()
NOTHING = Selector((), _nothing)


def _selector(requirements: Sequence[Requirement]) -> Selector:
    ordered = tuple(sorted(requirements, key=lambda r: r.key))
    return Selector(ordered, _compile(ordered)) if ordered else EVERYTHING


_TOKENS = re.compile(r"[ \t\r\n]*(?:(!=|==|[=!(),<>])|([^=!(),<> \t\r\n\0]+)|(\0.*|$))", re.DOTALL)


class _Parser:
    """Recursive descent over the tokens of a label selector, with upstream's messages."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[bool, str]] = []
        self._position = 0
        for found in _TOKENS.finditer(text):
            if found[3] is not None:
                break
            self._tokens.append((found[2] is not None, found[1] or found[2]))
        self._tokens.append((False, ""))

    def _peek(self) -> tuple[bool, str]:
        return self._tokens[min(self._position, len(self._tokens) - 1)]

    def _next(self) -> tuple[bool, str]:
        token = self._peek()
        self._position += 1
        return token

    def parse(self) -> list[Requirement]:
        """All requirements. :raises SelectorError: the text is not a selector"""
        requirements: list[Requirement] = []
        while True:
            name, token = self._peek()
            if not name and token == "":
                return requirements
            if not name and token != "!":
                raise SelectorError(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                requirements.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            _, token = self._next()
            if token == "":
                return requirements
            if token != ",":
                raise SelectorError(f"found '{token}', expected: ',' or 'end of string'")
            name, token = self._peek()
            if not name and token != "!":
                raise SelectorError(f"found '{token}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        name, key = self._next()
        negated = not name and key == "!"
        if negated:
            name, key = self._next()
        if not name:
            raise SelectorError(f"found '{key}', expected: identifier")
        if wrong := names.qualified_name(key):
            raise SelectorError(f"invalid label key {json.dumps(key, ensure_ascii=False)}: {'; '.join(wrong)}")
        if negated:
            return requirement(key, NOT_EXISTS)
        if self._peek()[1] in ("", ","):
            return requirement(key, EXISTS)
        operator = {">": GREATER, "<": LESS}.get(text := self._next()[1], text)
        if operator not in _BINARY_OPERATORS or text in (GREATER, LESS):
            raise SelectorError(f"found '{text}', expected: '=', '!=', '==', 'in', notin'")
        values = self._values() if operator in (IN, NOT_IN) else {self._exact_value()}
        return requirement(key, operator, sorted(values))

    def _exact_value(self) -> str:
        if self._peek()[1] in ("", ","):
            return ""
        name, token = self._next()
        if not name:
            raise SelectorError(f"found '{token}', expected: identifier")
        return token

    def _values(self) -> set[str]:
        _, token = self._next()
        if token != "(":
            raise SelectorError(f"found '{token}' expected: '('")
        name, token = self._peek()
        if token == ")":
            self._next()
            return {""}
        if not name and token != ",":
            raise SelectorError(f"found '{token}', expected: ',', ')' or identifier")
        return self._value_list()

    def _value_list(self) -> set[str]:
        values: set[str] = set()
        while True:
            name, token = self._next()
            if name:
                values.add(token)
                _, after = self._peek()
                if after not in (",", ")"):
                    raise SelectorError(f"found '{after}', expected: ',' or ')'")
            elif token == ",":
                after = self._peek()[1]
                if not values or after in (",", ")"):
                    values.add("")
            else:
                raise SelectorError(f"found '{token}', expected: ',', or identifier")
            if after == ")":
                self._next()
                return values


LONGEST = 16 * 1024
"""Characters of a selector in a query: what is longer is meant to keep the server busy."""


def check_length(text: str) -> None:
    """:raises SelectorError: the text of a selector is too long"""
    if len(text) > LONGEST:
        raise SelectorError(f"the selector is longer than {LONGEST} characters")


@remembered(4096)
def parse(text: str) -> Selector:
    """The label selector that a query parameter or ``-l`` stands for; '' selects everything.

    :raises SelectorError: with upstream's message
    """
    check_length(text)
    return _selector(_Parser(text).parse())


def _made(labels: tuple[tuple[str, str], ...], rules: tuple[tuple[str, str, tuple[str, ...]], ...]) -> Selector:
    requirements = [requirement(key, EQUALS, (value,)) for key, value in labels]
    for key, operator, values in rules:
        if operator not in _OBJECT_OPERATORS:
            raise SelectorError(f'"{operator}" is not a valid label selector operator')
        requirements.append(requirement(key, _OBJECT_OPERATORS[operator], values))
    return _selector(requirements)


_CACHED_BELOW = 64
"""Labels, rules and values of a selector that is remembered: megabytes of them are nobody's habit."""
_from_parts = lru_cache(maxsize=4096)(_made)


def from_object(selector: LabelSelector | Mapping[str, Any] | None) -> Selector:
    """The selector of a ``LabelSelector``, view or decoded JSON; None selects nothing, an empty one everything.

    :raises SelectorError: an operator or value that validation would refuse
    """
    if selector is None:
        return NOTHING
    if isinstance(selector, LabelSelector):
        labels: Mapping[str, str] = selector.match_labels
        rules = tuple((e.key, e.operator, tuple(e.values)) for e in selector.match_expressions)
    else:
        labels = selector.get("matchLabels") or {}
        rules = tuple(
            (str(e.get("key") or ""), str(e.get("operator") or ""), tuple(e.get("values") or ()))
            for e in selector.get("matchExpressions") or ()
        )
    make = _from_parts if len(labels) + sum(1 + len(rule[2]) for rule in rules) <= _CACHED_BELOW else _made
    return make(tuple(labels.items()), rules)


def from_labels(labels: Mapping[str, str] | None) -> Selector:
    """The selector of a plain map, such as a Service's; upstream's SelectorFromSet, so {} selects everything."""
    return _selector([Requirement(key, EQUALS, (value,)) for key, value in (labels or {}).items()])


def matches(selector: LabelSelector | Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a ``LabelSelector`` selects an object with ``labels``."""
    return from_object(selector).matches(labels)


def format_label_selector(selector: LabelSelector | Mapping[str, Any] | None) -> str:
    """The text of table columns and ``describe``: ``<none>`` when empty, ``<error>`` when it is invalid."""
    try:
        return str(from_object(selector)) or "<none>"
    except SelectorError:
        return "<error>"
