"""Protocol buffers' wire format: the few functions that writing and reading messages by hand takes.

Numbers of fields and types of wire are those of https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5


def varint(value: int) -> bytes:
    """A number in base 128, negative ones in ten bytes."""
    value &= (1 << 64) - 1
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, payload: bytes) -> bytes:
    """A string, bytes or message field."""
    return varint(number << 3 | BYTES) + varint(len(payload)) + payload


def text(number: int, value: str) -> bytes:
    """A string field; nothing for the empty string."""
    return field(number, value.encode()) if value else b""


def number(number: int, value: int) -> bytes:
    """An integer or boolean field; nothing for zero."""
    return varint(number << 3) + varint(value) if value else b""


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """A number and the position after it. :raises ValueError: it does not end"""
    result = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ValueError("proto: unexpected end of data")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & (1 << 64) - 1, position
        shift += 7


def signed(value: int) -> int:
    """A 64-bit number read as two's complement."""
    return value - (1 << 64) if value >= 1 << 63 else value


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Number, wire type and value of each field of a message. :raises ValueError: it is not one"""
    position = 0
    while position < len(data):
        tag, position = read_varint(data, position)
        wire = tag & 7
        value: int | bytes
        if wire == VARINT:
            value, position = read_varint(data, position)
        elif wire == BYTES:
            length, position = read_varint(data, position)
            value, position = data[position : position + length], position + length
        elif wire in (FIXED64, FIXED32):
            length = 8 if wire == FIXED64 else 4
            value, position = data[position : position + length], position + length
        else:
            raise ValueError(f"proto: illegal wireType {wire}")
        if position > len(data) or tag >> 3 == 0:
            raise ValueError("proto: unexpected end of data")
        yield tag >> 3, wire, value
