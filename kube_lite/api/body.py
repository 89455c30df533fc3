"""Request bodies: bytes from the network to decoded JSON, safely.

Nothing reaches a parser before its size and depth are known: parsers recurse, and a few kilobytes of brackets
have brought down C parsers. Size, depth, numbers that JSON does not have and broken unicode are refused with
400, in upstream's words where it has any. YAML is read by the safe loader without anchors, aliases and tags.

    parse(raw, content_type, kind) -> Body      an object of a request, JSON or YAML
    parse_json(raw) -> value                    any JSON, e.g. a patch
    parse_yaml(raw) -> value, twice             any YAML, e.g. an apply patch
    Body.strict_errors()                        the fields that occur twice, for fieldValidation

All raise BadRequest, RequestEntityTooLarge or UnsupportedMediaType. Protobuf bodies are ``api/protobuf.py``'s.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Collection, Iterable
from itertools import accumulate, islice
from typing import Any, Final

import msgspec

from kube_lite.api import yaml_body
from kube_lite.api.json_complaints import json_complaint
from kube_lite.errors import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

MAX_BODY: Final = 3 * 1024 * 1024
"""Bytes of a request body; upstream's limit."""

MAX_DEPTH: Final = 128
"""Nested objects and lists."""

MAX_VALUES: Final = 200_000
"""Objects, lists and members of both: an object of 1.5 MiB has no use for more, and each costs microseconds."""

MAX_STRICT_ERRORS: Final = 100

JSON: Final = "application/json"
YAML: Final = "application/yaml"
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"

_DECODER = msgspec.json.Decoder()


class Body(msgspec.Struct):
    """A parsed object. ``raw`` is its text, kept to look for duplicate fields when somebody asks."""

    value: dict[str, Any]
    raw: bytes
    media_type: str = JSON
    yaml_duplicates: tuple[str, ...] = ()

    def strict_errors(self) -> list[str]:
        """What strict decoding says of fields that occur twice: ``duplicate field "data.a"``."""
        if self.yaml_duplicates:
            return [_OF_YAML + "\n  ".join(self.yaml_duplicates)]
        if self.media_type != JSON or has_no_duplicates(self.raw, self.value):
            return []
        return [f'duplicate field "{path}"' for path in duplicate_fields(self.raw)]


_OF_YAML: Final = "yaml: unmarshal errors:\n  "


def warnings_of(complaints: Iterable[str]) -> list[str]:
    """The complaints of strict decoding as warnings: each key that YAML has twice is one."""
    found: list[str] = []
    for told in complaints:
        lines = told.removeprefix(_OF_YAML)
        found += [told] if lines is told else [line.strip() for line in lines.split("\n")]
    return found


_KEY_END: Final = re.compile(rb'"\s*:')
"""What ends every key (and may stand inside a string): as many of them as keys means that no key came twice."""


def has_no_duplicates(raw: bytes, value: Any) -> bool:
    """Whether no field of ``value``, which was read from ``raw``, came twice; False may mean that nobody knows."""
    return len(_KEY_END.findall(raw)) == _key_count(value)


def _key_count(value: Any) -> int:
    if type(value) is dict:
        return len(value) + sum([_key_count(v) for v in value.values() if type(v) in (dict, list)])
    return sum([_key_count(v) for v in value if type(v) in (dict, list)])


_NO_KIND: Final = "couldn't get version/kind; json parse error: "
_TYPE_META: Final = (
    r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
)


def parse(raw: bytes, content_type: str, kind: str) -> Body:
    """An object in JSON or YAML. ``kind`` is what the path asks for, and only used in messages.

    :raises UnsupportedMediaType: neither JSON nor YAML
    """
    check_size(raw)
    given = media_type(content_type)
    try:
        parsed = _parsed(raw, given)
    except BadRequest as error:
        raise BadRequest(_unrecognized(error.message, kind, raw, given)) from None
    version = parsed.value.get("apiVersion") or ""
    if version.count("/") > 1:
        raise BadRequest(unrecognized(f"unexpected GroupVersion string: {version}", kind, raw))
    return parsed


def _parsed(raw: bytes, given: str) -> Body:
    if given == JSON:
        return Body(_object(parse_json(raw)), raw)
    if given == YAML:
        value, duplicates = yaml_body.parse(raw, MAX_DEPTH)
        return Body(_object_of_yaml(value), raw, YAML, tuple(duplicates))
    raise UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {JSON}, {YAML}, {PROTOBUF}"
    )


def parse_yaml(raw: bytes) -> tuple[Any, list[str]]:
    """Any YAML value, and what strict decoding says of each key that occurs twice in it.

    :raises BadRequest: as an apply patch with a bad body is answered
    """
    check_size(raw)
    if raw[:1] == b"{":  # clients send JSON as YAML; it is read twenty times as fast as what it is
        try:
            value = parse_json(raw)
        except BadRequest:
            pass
        else:
            return value, [] if has_no_duplicates(raw, value) else _keys_of_json(raw)
    try:
        return yaml_body.parse(raw, MAX_DEPTH)
    except BadRequest as error:
        raise BadRequest(f"error decoding YAML: error converting YAML to JSON: {error.message}") from None


def _keys_of_json(raw: bytes) -> list[str]:
    """The keys that occur twice in JSON, as a reader of YAML tells them: by their lines."""
    paths = duplicate_fields(raw)
    if not paths:
        return []
    try:
        return yaml_body.parse(raw, MAX_DEPTH)[1]
    except BadRequest:  # too large for the reader of YAML
        return [f'key "{path}" already set in map' for path in paths]


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(not_an_object(value))
    for name in ("apiVersion", "kind"):
        if not isinstance(value.get(name, ""), str | None):
            shown = json_name(value[name])
            raise BadRequest(f"json: cannot unmarshal {shown} into Go struct field .{name} of type string")
    return value


def _object_of_yaml(value: Any) -> dict[str, Any]:
    """The same of YAML, which is made JSON before it is read as an object."""
    try:
        return _object(value)
    except BadRequest as error:
        raise BadRequest(_NO_KIND + error.message) from None


def not_an_object(value: Any) -> str:
    """What Go says of JSON that should have been an object with a kind."""
    return f"json: cannot unmarshal {json_name(value)} into Go value of type {_TYPE_META}"


def json_name(value: Any) -> str:
    """What Go calls the JSON type of a value: string, number, bool, array, object."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list) else "object"


def unrecognized(complaint: str, kind: str, raw: bytes) -> str:
    """The message for a body that is not of its content type at all."""
    return _unrecognized(complaint, kind, raw, "")


def _unrecognized(complaint: str, kind: str, raw: bytes, given: str) -> str:
    """The message for a body that cannot be read at all: with its first 30 bytes, in hex unless it looks like JSON."""
    start, rest = raw[:30], " ..." if len(raw) > 30 else ""
    text = start.decode("utf-8", "replace") if start.lstrip().startswith(b"{") else start.hex()
    if given == JSON:
        complaint = _NO_KIND + complaint
    return f"the object provided is unrecognized (must be of type {kind}): {complaint} ({text or '<empty>'}{rest})"


def media_type(content_type: str) -> str:
    """``application/json`` of ``application/json; charset=utf-8``; JSON when nothing was sent."""
    return content_type.partition(";")[0].strip().lower() or JSON


def check_size(body: bytes) -> None:
    """:raises RequestEntityTooLarge: the body is over :data:`MAX_BODY`"""
    if len(body) > MAX_BODY:
        raise RequestEntityTooLarge(f"Request entity too large: limit is {MAX_BODY}")


_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")


def _depth(body: bytes) -> int:
    """The deepest nesting: brackets outside strings as one up or one down, summed up."""
    steps = _STRING.sub(b"", body).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0)


def too_many_values() -> RequestEntityTooLarge:
    """The refusal of a body that would be small on the wire and huge in memory."""
    return RequestEntityTooLarge(f"Request entity too large: it has more than {MAX_VALUES} values")


def check_depth(body: bytes) -> None:
    """Refuse nesting beyond :data:`MAX_DEPTH`, and values beyond :data:`MAX_VALUES`, before any parser sees them.

    :raises BadRequest: :raises RequestEntityTooLarge:
    """
    # Few bodies have that many brackets at all, and counting them is almost free.
    if body.count(b",") > MAX_VALUES and _STRING.sub(b"", body).count(b",") > MAX_VALUES:
        raise too_many_values()
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    if _depth(body) > MAX_DEPTH:
        raise BadRequest(f"the body is nested deeper than {MAX_DEPTH} levels")


def parse_json(body: bytes) -> Any:
    """Decode JSON. :raises BadRequest: with the text of upstream's parser, without its preamble"""
    check_size(body)
    check_depth(body)
    try:
        value = _DECODER.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise BadRequest(json_complaint(body)) from None
    return _without_huge_integers(value) if _LONG_NUMBER.search(body) else value


_LONG_NUMBER: Final = re.compile(rb"[0-9]{19}")


def _without_huge_integers(value: Any) -> Any:
    """Integers beyond 64 bits become floats, as in Go, where they can be printed again. :raises BadRequest"""
    if isinstance(value, dict):
        return {key: _without_huge_integers(sub) for key, sub in value.items()}
    if isinstance(value, list):
        return [_without_huge_integers(sub) for sub in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        try:
            return float(value)
        except OverflowError:
            raise BadRequest("a number is outside what can be stored") from None
    return value


FRACTION: Final = re.compile(rb"[0-9](?:\.0|0*[eE])")
"""Found wherever a number may have a fraction that is empty, and now and then where there is none."""


def without_empty_fractions(value: Any) -> Any:
    """2.0 becomes 2, as which Go prints it."""
    if isinstance(value, dict):
        return {key: without_empty_fractions(sub) for key, sub in value.items()}
    if isinstance(value, list):
        return [without_empty_fractions(sub) for sub in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT_END:
        return int(value)
    return value


EXACT_END: Final = 2.0**53
"""Below it, every whole number is a float of its own."""


_TWICE: Final = 'duplicate field "'


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written: its keys and values in order, those that came twice too."""


def strict_complaints(raw: bytes, unknown: Collection[str]) -> list[str]:
    """The complaints of upstream's strict decoder about JSON text, in the order in which it meets the fields.

    An unknown field is told once, and nothing below it is looked at.

    :param unknown: paths of the fields that the type does not have
    """
    found: dict[str, None] = {}
    _meet(json.loads(raw, object_pairs_hook=_Pairs), "", frozenset(unknown), found)
    return list(islice(found, MAX_STRICT_ERRORS))


def duplicate_fields(raw: bytes) -> list[str]:
    """Paths of the fields that occur more than once in one object, as they are met, at most 100."""
    return [told.removeprefix(_TWICE)[:-1] for told in strict_complaints(raw, ())]


def _meet(value: Any, path: str, unknown: frozenset[str], found: dict[str, None]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, sub in value:
            where = f"{path}.{key}" if path else key
            if where in unknown:
                found.setdefault(f'unknown field "{where}"')
                continue
            if key in seen:
                found.setdefault(f'{_TWICE}{where}"')
            seen.add(key)
            _meet(sub, where, unknown, found)
    elif isinstance(value, list):
        for position, sub in enumerate(value):
            _meet(sub, f"{path}[{position}]", unknown, found)


def unzipped(data: bytes, most: int) -> bytes:
    """What gzip made smaller, never more than ``most`` bytes of it.

    :raises OverflowError: it is more
    :raises EOFError: it ends too soon
    :raises ValueError: it is no gzip
    """
    inflate = zlib.decompressobj(31)
    try:
        plain = inflate.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(plain) > most:
        raise OverflowError
    if not inflate.eof:
        raise EOFError
    return plain
