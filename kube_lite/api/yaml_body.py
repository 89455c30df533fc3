"""YAML from the network to JSON values, built from parser events.

Events come one at a time from libyaml, so nesting is counted before anything recurses, and anchors, aliases and
tags are refused as they appear (an alias can stand for a gigabyte). Plain scalars resolve as Go's YAML library
does for Kubernetes: YAML 1.1 booleans and octal, no dates, no base 60.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from kube_lite.errors import BadRequest

MAX_EVENTS: Final = 100_000
"""Nodes of one document; about half a second of work. Clients send what is larger as JSON."""

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
_FALSE: Final = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
_INTEGER: Final = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|[1-9][0-9_]*|0)")
_FLOAT: Final = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)(?:[eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if digits.startswith("0b"):
        return sign * int(digits[2:], 2)
    if digits.startswith("0x"):
        return sign * int(digits[2:], 16)
    if digits.startswith("0o"):
        return sign * int(digits[2:], 8)
    return sign * int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)


def resolve(text: str) -> Any:
    """The value of a plain scalar. :raises BadRequest: infinity and not-a-number, which JSON does not have"""
    if text in _NULLS:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    first = text[0]
    if first not in "+-.0123456789" or len(text) > 64:
        return text
    if _INTEGER.fullmatch(text) and text.strip("+-_"):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        value = float(text.replace("_", ""))
        if value in (float("inf"), float("-inf")):
            raise BadRequest(f"yaml: the number {text} is out of range")
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if _SPECIAL_FLOAT.fullmatch(text):
        raise BadRequest(f"json: unsupported value: {text}")
    return text


def _key_text(key: Any) -> str:
    if isinstance(key, str):
        return key
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int | float):
        return str(key)
    raise BadRequest("yaml: a map key must be a scalar")


class _Builder:
    """Collects events into a value; ``open`` holds the collections not yet closed, each with its pending key."""

    def __init__(self, max_depth: int) -> None:
        self.max_depth = max_depth
        self.open: list[tuple[Any, list[Any]]] = []
        self.value: Any = None
        self.duplicates: list[str] = []

    def add(self, value: Any, line: int) -> None:
        if not self.open:
            self.value = value
            return
        holder, pending = self.open[-1]
        if isinstance(holder, list):
            holder.append(value)
        elif not pending:
            pending.append(_key_text(value))
        else:
            key = pending.pop()
            if key in holder:
                self.duplicates.append(f'line {line}: key "{key}" already set in map')
            holder[key] = value

    def start(self, made: Any, line: int) -> None:
        if len(self.open) >= self.max_depth:
            raise BadRequest(f"the body is nested deeper than {self.max_depth} levels")
        holder_pending = self.open[-1] if self.open else None
        if holder_pending and isinstance(holder_pending[0], dict) and not holder_pending[1]:
            raise BadRequest("yaml: a map key must be a scalar")
        self.add(made, line)
        self.open.append((made, []))


def parse(text: bytes, max_depth: int) -> tuple[Any, list[str]]:
    """The first document, and the complaints about keys that occur twice.

    :raises BadRequest: not YAML, or YAML with anchors, aliases or tags, or nested too deep
    """
    builder = _Builder(max_depth)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    events = 0
    try:
        while loader.check_event():
            event = loader.get_event()
            events += 1
            if events > MAX_EVENTS:
                raise BadRequest(f"yaml: the document has more than {MAX_EVENTS} nodes; send it as JSON")
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                raise BadRequest("yaml: anchors and aliases are not accepted")
            line = event.start_mark.line + 1
            if isinstance(event, yaml.ScalarEvent):
                builder.add(_scalar(event), line)
            elif isinstance(event, yaml.SequenceStartEvent):
                _check_tag(event.tag)
                builder.start([], line)
            elif isinstance(event, yaml.MappingStartEvent):
                _check_tag(event.tag)
                builder.start({}, line)
            elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                builder.open.pop()
            elif isinstance(event, yaml.DocumentEndEvent):
                break
    except yaml.YAMLError as error:
        raise BadRequest(_complaint(error)) from None
    except UnicodeDecodeError:
        raise BadRequest("yaml: invalid UTF-8") from None
    finally:
        loader.dispose()
    return builder.value, builder.duplicates


def _check_tag(tag: str | None) -> None:
    if tag and not tag.startswith("tag:yaml.org,2002:") and tag != "!":
        raise BadRequest(f"yaml: the tag {tag} is not accepted")


def _scalar(event: yaml.ScalarEvent) -> Any:
    _check_tag(event.tag)
    if event.tag == "tag:yaml.org,2002:binary":
        raise BadRequest("yaml: binary scalars are not accepted")
    plain = event.implicit[0]
    return resolve(event.value) if plain and event.tag is None else event.value


def _complaint(error: yaml.YAMLError) -> str:
    """The message with its line, as Go's YAML library words it."""
    problem = getattr(error, "problem", None)
    if problem is None:
        return f"yaml: {str(error).splitlines()[0]}"
    scanning = isinstance(error, yaml.scanner.ScannerError)
    for mark in (getattr(error, "context_mark", None), getattr(error, "problem_mark", None)):
        if mark is not None and mark.line:
            return f"yaml: line {mark.line + scanning}: {problem}"
    return f"yaml: {problem}"


_SHORT_BOOLEANS: Final = frozenset("yYnN")
"""Words of YAML 1.1 that Go's writer quotes, although its reader takes them for text."""


class _Dumper(yaml.SafeDumper):
    """Quotes as Go's YAML writers do: double quotes where plain text would be read as something else than text."""

    def choose_scalar_style(self) -> str:
        style: str = super().choose_scalar_style()
        misread = style == "'" and not getattr(self.event, "implicit", (True,))[0]
        if misread or (not style and getattr(self.event, "value", "") in _SHORT_BOOLEANS):
            return '"'
        return style


def dump(value: Any) -> str:
    """A value as block YAML, keys sorted."""
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=False, sort_keys=True, allow_unicode=True)
    return text
