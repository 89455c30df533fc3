"""Field paths and the ways a field can be wrong, in upstream's words (apimachinery ``validation/field``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Set
from contextvars import ContextVar
from typing import Any, Final

from kube_lite.errors import FieldError

Errors = list[FieldError]
"""What a validation function returns; empty means valid."""

MOST_ERRORS: Final = 1000
"""Problems told of one object: to word the hundreds of thousands that fit into a body takes seconds."""

_found: ContextVar[Errors | None] = ContextVar("found", default=None)


class _Enough(Exception):
    """So much is wrong that the rest is not looked at."""


def bounded(check: Callable[[], Errors]) -> Errors:
    """What ``check`` finds; once that is :data:`MOST_ERRORS`, these and a note that there may be more."""
    found: Errors = []
    token = _found.set(found)
    try:
        return check()
    except _Enough:
        return [*found, FieldError("FieldValueTooMany", "...", f"Too many: only {MOST_ERRORS} problems are told")]
    finally:
        _found.reset(token)


def error(reason: str, path: str, message: str) -> FieldError:
    """One field that is wrong; it counts while :func:`bounded` looks."""
    made = FieldError(reason, path, message)
    found = _found.get()
    if found is not None:
        if len(found) >= MOST_ERRORS:
            raise _Enough
        found.append(made)
    return made


def child(path: str, name: str) -> str:
    """``spec`` and ``replicas`` give ``spec.replicas``."""
    return f"{path}.{name}" if path else name


def index(path: str, position: int) -> str:
    """``spec.containers`` and 0 give ``spec.containers[0]``."""
    return f"{path}[{position}]"


def key(path: str, name: str) -> str:
    """``data`` and ``a`` give ``data[a]``."""
    return f"{path}[{name}]"


class GoLiteral(str):
    """A value already written as Go's ``%#v`` prints it."""

    __slots__ = ()


OMITTED = GoLiteral("")
"""In place of a value that is not printed: an object or a list."""


def go_strings(values: Iterable[str], name: str = "[]string") -> GoLiteral:
    """A list of strings as Go prints it, under the name of its type."""
    return GoLiteral(f"{name}{{{', '.join(show(value) for value in values)}}}")


def go_map(values: Mapping[str, str] | None) -> GoLiteral:
    """A map of strings as Go prints it, sorted."""
    if values is None:
        return GoLiteral("map[string]string(nil)")
    inside = ", ".join(f"{show(name)}:{show(values[name])}" for name in sorted(values))
    return GoLiteral(f"map[string]string{{{inside}}}")


def go_int_or_string(value: int | str) -> GoLiteral:
    """An IntOrString as Go prints it."""
    if isinstance(value, str):
        return GoLiteral(f"intstr.IntOrString{{Type:1, IntVal:0, StrVal:{show(value)}}}")
    return GoLiteral(f'intstr.IntOrString{{Type:0, IntVal:{value}, StrVal:""}}')


_GO_ESCAPES = {"\a": "\\a", "\b": "\\b", "\v": "\\v", "\f": "\\f"}


def _quoted(text: str) -> str:
    """A text as Go's ``%q`` and ``%#v`` quote it."""
    made = json.dumps(text, ensure_ascii=False)
    if text.isprintable():
        return made
    return f'"{"".join(_GO_ESCAPES.get(c) or _escaped(c) for c in text)}"'


def _escaped(character: str) -> str:
    if character.isprintable() or character in "\n\r\t":
        return json.dumps(character, ensure_ascii=False)[1:-1]
    return f"\\x{ord(character):02x}" if ord(character) < 128 else json.dumps(character)[1:-1]


def show(value: Any) -> str:
    """A value as upstream prints it inside a message: strings quoted, lists and maps of strings as Go does."""
    if value is None:
        return '"null"'
    if isinstance(value, GoLiteral):
        return str(value)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return go_strings(value)
    if isinstance(value, str):
        return _quoted(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _message(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


def required(path: str, detail: str = "") -> FieldError:
    """A value that must be there is not."""
    return error("FieldValueRequired", path, _message("Required value", detail))


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """A value of the right type that breaks a rule."""
    head = "Invalid value" if value is OMITTED else f"Invalid value: {show(value)}"
    return error("FieldValueInvalid", path, _message(head, detail))


def invalid_alone(path: str, detail: str) -> FieldError:
    """A rule broken by what is too large, or too spread, to be shown."""
    return error("FieldValueInvalid", path, f"Invalid value: {detail}")


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    """A value outside an enumeration; a set of choices is listed sorted, a sequence in its order."""
    ordered = sorted(supported) if isinstance(supported, Set) else supported
    choices = ", ".join(show(s) for s in ordered)
    detail = f"supported values: {choices}" if choices else ""
    return error("FieldValueNotSupported", path, _message(f"Unsupported value: {show(value)}", detail))


def duplicate(path: str, value: Any) -> FieldError:
    """A value that must be unique occurs twice."""
    return error("FieldValueDuplicate", path, "Duplicate value" + ("" if value is OMITTED else f": {show(value)}"))


def forbidden(path: str, detail: str) -> FieldError:
    """A field that may not be set or changed here."""
    return error("FieldValueForbidden", path, _message("Forbidden", detail))


def not_found(path: str, value: Any) -> FieldError:
    """A reference to something that is not there."""
    return error("FieldValueNotFound", path, f"Not found: {show(value)}")


def too_long(path: str, limit: int) -> FieldError:
    """A value over its length in bytes."""
    return error("FieldValueTooLong", path, f"Too long: must have at most {limit} bytes")


def too_many(path: str, actual: int, limit: int) -> FieldError:
    """A list over its length."""
    return error("FieldValueTooMany", path, f"Too many: {actual}: must have at most {limit} items")


IMMUTABLE = "field is immutable"
"""Detail of the error for a field that update may not change."""
