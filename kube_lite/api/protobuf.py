"""Kubernetes' protobuf bodies: ``k8s\\0`` and a ``runtime.Unknown`` that holds an object's own message.

Messages are translated to and from the JSON form of the same object by the numbers of their fields, which ship
as data (``resources/data/protobuf-fields.json``: name, cardinality and types; ``inline`` marks a message whose
fields belong to its parent in JSON). Go writes scalars that are no pointers even when zero; decoding by the
schema afterwards drops them again, like the same zeros in JSON.

    decode(raw) -> object as JSON            raises BadRequest
    encode(obj) -> bytes                     raises NotAcceptable for kinds without a message
    watch_frame(type, obj) -> bytes          one event of a protobuf watch
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from importlib import resources as package_files
from typing import Any, Final

import msgspec

from kube_lite import clock
from kube_lite.api.body import MAX_DEPTH, MAX_VALUES, too_many_values
from kube_lite.api.protobuf_wire import BYTES, VARINT, field, fields, read_varint, signed, varint
from kube_lite.errors import BadRequest, NotAcceptable
from kube_lite.resources import withdrawn

MAGIC: Final = b"k8s\x00"

Obj = dict[str, Any]
Row = tuple[str, str, tuple[str, ...]]
"""A field: its JSON name, ``one``, ``list``, ``map`` or ``inline``, and the types of (key and) value."""

_QUANTITY: Final = "api.resource.Quantity"
_TIME: Final = "apis.meta.v1.Time"
_MICRO_TIME: Final = "apis.meta.v1.MicroTime"
_INT_OR_STRING: Final = "util.intstr.IntOrString"
_RAW: Final = "runtime.RawExtension"
_FIELDS: Final = "apis.meta.v1.FieldsV1"
_WRAPPED_LISTS: Final = frozenset(
    ("authentication.v1.ExtraValue", "authorization.v1.ExtraValue", "certificates.v1.ExtraValue", "apis.meta.v1.Verbs")
)
_NUMBERS: Final = frozenset(("int32", "int64", "bool"))


_BETA: Final[Mapping[str, dict[int, Row]]] = {
    "apis.meta.v1beta1.PartialObjectMetadataList": {
        1: ("items", "list", ("apis.meta.v1.PartialObjectMetadata",)),
        2: ("metadata", "one", ("apis.meta.v1.ListMeta",)),
    }
}
"""Messages of versions that are served still and whose fields were numbered differently."""


@cache
def messages() -> dict[str, dict[int, Row]]:
    """Every message by name (``core.v1.Pod``), its fields by number."""
    file = package_files.files("kube_lite.resources") / "data" / "protobuf-fields.json"
    raw = msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, list[str]]])
    current = {
        name: {int(number): (row[0], row[1], tuple(row[2:])) for number, row in rows.items()}
        for name, rows in raw.items()
    }
    return {**current, **_BETA, **withdrawn.messages(current)}


@cache
def _by_name(message: str) -> tuple[tuple[int, Row], ...]:
    return tuple(messages()[message].items())


def message_for(api_version: str, kind: str) -> str:
    """The message of a kind, '' when there is none: ``apps/v1`` and ``Scale`` are looked for in their groups.

    What all groups share (DeleteOptions) clients send in the version of the group, ``batch/v1beta1`` too.
    """
    group, _, version = api_version.rpartition("/")
    package = group.split(".")[0] if group else "core"
    if group == "meta.k8s.io":
        package = "apis.meta"
    for name in (f"{package}.{version}.{kind}", f"apis.meta.{version}.{kind}", f"apis.meta.v1.{kind}"):
        if name in messages():
            return name
    return ""


# ---- reading


NO_ENVELOPE = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"


class _Bounds:
    """How much of a body has been read: JSON's bounds, which protobuf could pass with two bytes a value."""

    __slots__ = ("depth", "left")

    def __init__(self) -> None:
        self.left = MAX_VALUES
        self.depth = 0

    def enter(self) -> None:
        """One message more. :raises BadRequest: too deep :raises RequestEntityTooLarge: too many values"""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise BadRequest(f"the body is nested deeper than {MAX_DEPTH} levels")
        if self.left < 0:
            raise too_many_values()


_bounds: ContextVar[_Bounds] = ContextVar("bounds")


def decode(raw: bytes) -> Obj:
    """The object in a protobuf body, with kind and apiVersion.

    :raises BadRequest: no envelope, a kind without a message, or broken data
    """
    if not raw.startswith(MAGIC):
        raise BadRequest(NO_ENVELOPE)
    try:
        api_version = kind = ""
        body = b""
        for number, _, value in fields(raw[len(MAGIC) :]):
            if number == 1 and isinstance(value, bytes):
                for at, _, text in fields(value):
                    if isinstance(text, bytes):
                        api_version, kind = (text.decode(), kind) if at == 1 else (api_version, text.decode())
            elif number == 2 and isinstance(value, bytes):
                body = value
        message = message_for(api_version, kind)
        if not message:
            raise BadRequest(f'no kind "{kind}" is registered for version "{api_version}" in protobuf')
        _bounds.set(_Bounds())
        obj = _read(message, body)
    except ValueError as error:
        raise BadRequest(f"proto: cannot decode the body: {error}") from None
    return {"kind": kind, "apiVersion": api_version, **obj}


def _read(message: str, data: bytes) -> Obj:
    """One message as a JSON object. :raises ValueError"""
    rows = messages()[message]
    obj: Obj = {}
    bounds = _bounds.get()
    bounds.enter()
    for number, wire, value in fields(data):
        bounds.left -= 1
        row = rows.get(number)
        if row is None:
            continue
        name, how, types = row
        if how == "inline":
            obj.update(_read(types[0], _bytes(wire, value)))
        elif how == "map":
            key, entry = _read_entry(types[1], _bytes(wire, value))
            obj.setdefault(name, {})[key] = entry
        elif how == "list":
            items = obj.setdefault(name, [])
            if types[0] in _NUMBERS and wire == BYTES:
                items.extend(_packed(types[0], _bytes(wire, value)))
            else:
                items.append(_value(types[0], wire, value))
        else:
            found = _value(types[0], wire, value)
            if found is not None:
                obj[name] = found
    bounds.depth -= 1
    return obj


def _bytes(wire: int, value: int | bytes) -> bytes:
    if wire != BYTES or not isinstance(value, bytes):
        raise ValueError(f"wrong wireType = {wire}")
    return value


def _packed(kind: str, data: bytes) -> Iterator[Any]:
    position = 0
    while position < len(data):
        number, position = read_varint(data, position)
        yield bool(number) if kind == "bool" else signed(number)


def _read_entry(kind: str, data: bytes) -> tuple[str, Any]:
    key = ""
    value: Any = _ZEROS.get(kind)
    for number, wire, payload in fields(data):
        if number == 1:
            key = _bytes(wire, payload).decode()
        elif number == 2:
            value = _value(kind, wire, payload)
    return key, value


_ZEROS: Final = {"string": "", "bytes": "", _QUANTITY: "0"}


def _value(kind: str, wire: int, value: int | bytes) -> Any:
    """One value in its JSON form. :raises ValueError"""
    if kind in _NUMBERS:
        if wire != VARINT or not isinstance(value, int):
            raise ValueError(f"wrong wireType = {wire}")
        return bool(value) if kind == "bool" else signed(value)
    data = _bytes(wire, value)
    if kind == "string":
        return data.decode()
    if kind == "bytes":
        return base64.b64encode(data).decode()
    if kind == _QUANTITY:
        return _only(data).decode() or "0"
    if kind in (_TIME, _MICRO_TIME):
        return _read_time(data, kind == _MICRO_TIME)
    if kind == _INT_OR_STRING:
        return _read_int_or_string(data)
    if kind in (_RAW, _FIELDS):
        raw = _only(data)
        return msgspec.json.decode(raw) if raw else None
    if kind in _WRAPPED_LISTS:
        return [_bytes(at, item).decode() for number, at, item in fields(data) if number == 1]
    return _read(kind, data)


def _only(data: bytes) -> bytes:
    """Field 1 of a message that has just one."""
    for number, wire, value in fields(data):
        if number == 1:
            return _bytes(wire, value)
    return b""


def _read_time(data: bytes, micro: bool) -> str | None:
    """RFC 3339; None for the zero time, which is how Go writes an unset one."""
    numbers = {number: signed(value) for number, _, value in fields(data) if isinstance(value, int)}
    if not numbers.get(1) and not numbers.get(2):
        return None
    try:
        moment = datetime.fromtimestamp(numbers.get(1, 0), UTC).replace(microsecond=numbers.get(2, 0) // 1000)
    except (OverflowError, OSError) as error:
        raise ValueError("time out of range") from error
    return clock.timestamp_micro(moment) if micro else clock.timestamp(moment)


def _read_int_or_string(data: bytes) -> int | str:
    found: dict[int, int | bytes] = {number: value for number, _, value in fields(data)}
    if found.get(1):
        text = found.get(3, b"")
        return text.decode() if isinstance(text, bytes) else ""
    number = found.get(2, 0)
    return signed(number) if isinstance(number, int) else 0


# ---- writing


def encode(obj: Obj) -> bytes:
    """An object in Kubernetes' protobuf envelope.

    :raises NotAcceptable: its kind has no message (custom resources, tables)
    """
    api_version, kind = str(obj.get("apiVersion") or ""), str(obj.get("kind") or "")
    message = message_for(api_version, kind)
    if not message:
        raise NotAcceptable("only the following media types are accepted: application/json, application/yaml")
    type_meta = _text(1, api_version) + _text(2, kind)
    return MAGIC + field(1, type_meta) + field(2, _write(message, obj)) + field(3, b"") + field(4, b"")


def watch_frame(event_type: str, obj: Obj) -> bytes:
    """One event of a watch in protobuf: its length in four bytes, then a ``meta.v1.WatchEvent``."""
    event = _text(1, event_type) + field(2, field(1, encode(obj)))
    return len(event).to_bytes(4, "big") + event


def _text(number: int, value: str) -> bytes:
    return field(number, value.encode())


def _write(message: str, obj: Obj) -> bytes:
    parts: list[bytes] = []
    for number, (name, how, types) in _by_name(message):
        if how == "inline":
            inner = _write(types[0], obj)
            if inner:
                parts.append(field(number, inner))
            continue
        value = obj.get(name)
        if value is None:
            continue
        if how == "map":
            for key, sub in value.items():
                parts.append(field(number, _text(1, key) + _write_value(2, types[1], sub)))
        elif how == "list":
            parts += [_write_value(number, types[0], item) for item in value]
        else:
            parts.append(_write_value(number, types[0], value))
    return b"".join(parts)


def _write_value(number: int, kind: str, value: Any) -> bytes:
    if kind in _NUMBERS:
        return varint(number << 3) + varint(int(value))
    if kind == "string":
        return _text(number, str(value))
    if kind == "bytes":
        return field(number, base64.b64decode(value))
    if kind == _QUANTITY:
        return field(number, _text(1, str(value)))
    if kind in (_TIME, _MICRO_TIME):
        return field(number, _write_time(value) if value is not None else b"")
    if kind == _INT_OR_STRING:
        if isinstance(value, str):
            return field(number, b"\x08\x01\x10\x00" + _text(3, value))
        return field(number, b"\x08\x00\x10" + varint(value) + _text(3, ""))
    if kind in (_RAW, _FIELDS):
        return field(number, field(1, msgspec.json.encode(value)))
    if kind in _WRAPPED_LISTS:
        return field(number, b"".join(_text(1, item) for item in value))
    return field(number, _write(kind, value if value is not None else {}))


def _write_time(text: str) -> bytes:
    moment = clock.parse_timestamp(text)
    whole = moment.replace(microsecond=0)
    return b"\x08" + varint(int(whole.timestamp())) + b"\x10" + varint(moment.microsecond * 1000)
