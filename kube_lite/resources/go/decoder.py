"""What upstream's JSON decoder says of a body that does not fit its type, to the byte.

Servers up to v1.22 decode with json-iterator, whose errors quote the text around the place where it gave up, and
name the structs and fields on the way out. It does not stop at its first error: each level goes on while the next
byte is a comma, no longer able to step back a byte, and every field that it still enters adds its name to the
message. Recorded answers have such names, so the walk is done here as it does it, over the bytes of the body; it
is only done once a body is known to be wrong. The rules are those of json-iterator v1.1.10 (``iter*.go``,
``reflect_*.go``).

    complaint(type, raw) -> str      "" when this decoder would have taken the body
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, Final

from kube_lite.resources.go.cursor import END, Cursor, shown
from kube_lite.resources.go.structs import RENAMED, field_path, is_pointer, is_small
from kube_lite.resources.scalars import canonical_base64
from kube_lite.resources.schema import (
    BOOLEAN,
    BYTES,
    INT_OR_STRING,
    INTEGER,
    LIST,
    MAP,
    MICRO_TIME,
    NUMBER,
    OBJECT,
    QUANTITY,
    STRING,
    TIME,
    Type,
)

LONGEST: Final = 32 * 1024
"""Bytes of the longest body that is walked: for so many the walk takes a tenth of a second at most."""
Explain = Callable[[Type, Any], str]
"""What is wrong with the value of a type that parses its own text, or ''."""


def complaint(type_: Type, raw: bytes, explain: Explain) -> str:
    """The decoder's error for ``raw``, or '' when it has none.

    :param explain: says what is wrong with times, quantities and the like
    """
    if len(raw) > LONGEST:
        return ""
    decoder = _Decoder(raw, explain)
    try:
        decoder.value(type_)
    except RecursionError:  # once something is wrong, text in strings may be taken for brackets
        return ""
    error = decoder.error
    return "" if error == END else error


class _Decoder(Cursor):
    """The cursor, reading values of types."""

    def __init__(self, raw: bytes, explain: Explain) -> None:
        super().__init__(raw)
        self._explain = explain

    def value(self, type_: Type) -> None:
        """Read one value of a type."""
        kind = type_.kind
        if kind == OBJECT:
            self._struct(type_)
        elif kind == LIST:
            self._list(type_)
        elif kind == MAP:
            self._map(type_)
        elif kind == STRING:
            self.string()
        elif kind == BOOLEAN:
            if not self.null():
                self.bool()
        elif kind == INTEGER:
            if not self.null():
                self.integer(64 if type_.int64 else 32)
        elif kind == NUMBER:
            if not self.null():
                self.float()
        elif kind == BYTES:
            if not self.null():
                self._base64()
        else:
            self._own(type_)

    def _own(self, type_: Type) -> None:
        """A value that its type parses itself, once its end is found."""
        self.token()
        self.unread()
        start = self.head
        self.skip()
        if type_.kind not in (TIME, MICRO_TIME, QUANTITY, INT_OR_STRING) and not type_.subschema:
            return
        try:
            value = json.loads(self.raw[start : self.head])
        except ValueError:
            return
        problem = "" if value is None else self._explain(type_, value)
        if problem:
            self.report("unmarshalerDecoder", problem)

    def _struct(self, type_: Type) -> None:
        token = self.token()
        if token != b"{":
            if token == b"n":
                self.expect(b"ull")
            else:
                self.report("readObjectStart", f"expect {{ or n, but found {shown(token)}")
            return
        if self.token() == b"}":
            return
        self.unread()
        if is_small(type_):
            while True:
                self._hashed_field(type_)
                token = self.token()
                if token == b",":
                    continue
                if token != b"}":
                    what = f"object ended prematurely, unexpected char {shown(token)}"
                    self.report("isObjectEnd", what)
                break
            self.wrap(f"{_named(type_)}.")
            return
        self._named_field(type_)
        while (token := self.token()) == b",":
            self._named_field(type_)
        self.wrap(f"{_named(type_)}.")
        if token != b"}":
            self.report("struct Decode", f"expect }}, but found {shown(token)}")

    def _hashed_field(self, type_: Type) -> None:
        """A field of a struct with few of them."""
        token = self.token()
        name = None
        if token != b'"':
            self.report("readFieldHash", f'expect ", but found {shown(token)}')
        else:
            end = self.raw.find(b'"', self.head)
            escape = self.raw.find(b"\\", self.head, max(end, 0))
            if escape >= 0:
                self.head = escape
                self._slow_string()
            elif end < 0:
                self.end()
                self.report("readFieldHash", "incomplete field name")
                return self.skip()
            else:
                name = self.raw[self.head : end].decode(errors="replace")
                self.head = end + 1
            token = self.token()
            if token != b":":
                self.report("readFieldHash", f"expect :, but found {shown(token)}")
                name = None
        self._field(type_, name)

    def _named_field(self, type_: Type) -> None:
        name = self.string()
        token = self.token()
        if token != b":":
            self.report("ReadObject", f"expect : after object field, but found {shown(token)}")
        self._field(type_, name)

    def _field(self, type_: Type, name: str | None) -> None:
        field = type_.fields.get(name) if name else None
        if field is None:
            self.skip()
            return
        if not (is_pointer(type_, field) and self.null()):
            self.value(field.type)
        for go in reversed(field_path(type_, field.name)):
            self.wrap(f"{go}: ")

    def _list(self, type_: Type) -> None:
        self._items(type_)
        self.wrap(f"{type_.go}: ")

    def _items(self, type_: Type) -> None:
        token = self.token()
        if token == b"n":
            self.expect(b"ull")
            return
        if token != b"[":
            self.report("decode slice", f"expect [ or n, but found {shown(token)}")
            return
        if self.token() == b"]":
            return
        self.unread()
        assert type_.item is not None
        self.value(type_.item)
        while (token := self.token()) == b",":
            self.value(type_.item)
        if token != b"]":
            self.report("decode slice", f"expect ], but found {shown(token)}")

    def _map(self, type_: Type) -> None:
        token = self.token()
        if token == b"n":
            self.expect(b"ull")
            return
        if token != b"{":
            self.report("ReadMapCB", f"expect {{ or n, but found {shown(token)}")
            return
        if self.token() == b"}":
            return
        self.unread()
        assert type_.item is not None
        token = b","
        while token == b",":
            self.string()
            token = self.token()
            if token != b":":
                self.report("ReadMapCB", f"expect : after object field, but found {shown(token)}")
                return
            self.value(type_.item)
            token = self.token()
        if token != b"}":
            self.report("ReadMapCB", f"expect }}, but found {shown(token)}")

    def _base64(self) -> None:
        token = self.token()
        self.unread()
        if token == b'"':
            text = self.string()
            try:
                canonical_base64(text)
                base64.b64decode(text)
            except (ValueError, binascii.Error) as error:
                self.report("decode base64", str(error))
        elif token == b"[":
            self._list(_BYTE_LIST)
        else:
            self.report("base64Codec", "invalid input")


def _named(struct: Type) -> str:
    name = struct.go_struct
    return struct.go if name not in RENAMED else f"{struct.go.rpartition('.')[0]}.{RENAMED[name]}"


def _byte_list() -> Type:
    made = Type(LIST, "[]uint8")
    made.item = Type(INTEGER, "uint8")
    return made


_BYTE_LIST: Final = _byte_list()
