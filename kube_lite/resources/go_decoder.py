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
import re
from collections.abc import Callable
from typing import Any, Final

from kube_lite.resources.go_structs import RENAMED, field_path, is_pointer, is_small
from kube_lite.resources.scalars import INT32_MAX, INT64_MAX, canonical_base64
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
_SPACES: Final = b" \n\t\r"
_NOT_TEXT: Final = re.compile(rb'["\\\x00-\x1f]')
_DIGITS: Final = b"0123456789"
_NUMBER_BYTES: Final = b"+-.eE0123456789"
_NEAR: Final = 10
_AROUND: Final = 50
_END: Final = "EOF"
"""The error of having read everything, which later errors replace."""
_NO_DIGIT: Final = "\ufffd"
"""What the decoder shows instead of a byte that is no digit: it prints the wrong variable."""

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
    return "" if error == _END else error


class _Decoder:
    """json-iterator's cursor over a whole body: ``head`` is the next byte, ``error`` the message so far."""

    def __init__(self, raw: bytes, explain: Explain) -> None:
        self.raw = raw
        self.head = 0
        self.error = ""
        self._explain = explain

    # ---- bytes

    def _end(self) -> None:
        if not self.error:
            self.head = len(self.raw)
            self.error = _END

    def _token(self) -> bytes:
        """The next byte that is no space; empty at the end."""
        raw, at = self.raw, self.head
        while at < len(raw):
            if raw[at] not in _SPACES:
                self.head = at + 1
                return raw[at : at + 1]
            at += 1
        self._end()
        return b""

    def _byte(self) -> bytes:
        if self.head >= len(self.raw):
            self._end()
            return b""
        self.head += 1
        return self.raw[self.head - 1 : self.head]

    def _unread(self) -> None:
        if not self.error:
            self.head -= 1

    def _report(self, where: str, what: str) -> None:
        if self.error and self.error != _END:
            return
        head = self.head
        start = max(head - _NEAR, 0)
        near = self.raw[start : head + _NEAR].decode(errors="replace")
        around = self.raw[max(head - _AROUND, 0) : head + _AROUND].decode(errors="replace")
        self.error = (
            f"{where}: {what}, error found in #{head - start} byte of ...|{near}|..., bigger context ...|{around}|..."
        )

    def _wrap(self, prefix: str) -> None:
        if self.error and self.error != _END:
            self.error = prefix + self.error

    def _expect(self, rest: bytes) -> None:
        """The rest of ``null``, ``true`` or ``false``."""
        for byte in rest:
            if self._byte() != bytes((byte,)):
                name = "skipFourBytes" if len(rest) == 4 else "skipThreeBytes"
                self._report(name, f"expect {rest.decode()}")
                return

    def _null(self) -> bool:
        if self._token() == b"n":
            self._expect(b"ull")
            return True
        self._unread()
        return False

    # ---- values

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
            self._string()
        elif kind == BOOLEAN:
            if not self._null():
                self._bool()
        elif kind == INTEGER:
            if not self._null():
                self._integer(64 if type_.int64 else 32)
        elif kind == NUMBER:
            if not self._null():
                self._float()
        elif kind == BYTES:
            if not self._null():
                self._base64()
        else:
            self._own(type_)

    def _own(self, type_: Type) -> None:
        """A value that its type parses itself, once its end is found."""
        self._token()
        self._unread()
        start = self.head
        self._skip()
        if type_.kind not in (TIME, MICRO_TIME, QUANTITY, INT_OR_STRING):
            return
        try:
            value = json.loads(self.raw[start : self.head])
        except ValueError:
            return
        problem = "" if value is None else self._explain(type_, value)
        if problem:
            self._report("unmarshalerDecoder", problem)

    def _struct(self, type_: Type) -> None:
        token = self._token()
        if token != b"{":
            if token == b"n":
                self._expect(b"ull")
            else:
                self._report("readObjectStart", f"expect {{ or n, but found {_shown(token)}")
            return
        if self._token() == b"}":
            return
        self._unread()
        if is_small(type_):
            while True:
                self._hashed_field(type_)
                token = self._token()
                if token == b",":
                    continue
                if token != b"}":
                    what = f"object ended prematurely, unexpected char {_shown(token)}"
                    self._report("isObjectEnd", what)
                break
            self._wrap(f"{_named(type_)}.")
            return
        self._named_field(type_)
        while (token := self._token()) == b",":
            self._named_field(type_)
        self._wrap(f"{_named(type_)}.")
        if token != b"}":
            self._report("struct Decode", f"expect }}, but found {_shown(token)}")

    def _hashed_field(self, type_: Type) -> None:
        """A field of a struct with few of them."""
        token = self._token()
        name = None
        if token != b'"':
            self._report("readFieldHash", f'expect ", but found {_shown(token)}')
        else:
            end = self.raw.find(b'"', self.head)
            escape = self.raw.find(b"\\", self.head, max(end, 0))
            if escape >= 0:
                self.head = escape
                self._slow_string()
            elif end < 0:
                self._end()
                self._report("readFieldHash", "incomplete field name")
                return self._skip()
            else:
                name = self.raw[self.head : end].decode(errors="replace")
                self.head = end + 1
            token = self._token()
            if token != b":":
                self._report("readFieldHash", f"expect :, but found {_shown(token)}")
                name = None
        self._field(type_, name)

    def _named_field(self, type_: Type) -> None:
        name = self._string()
        token = self._token()
        if token != b":":
            self._report("ReadObject", f"expect : after object field, but found {_shown(token)}")
        self._field(type_, name)

    def _field(self, type_: Type, name: str | None) -> None:
        field = type_.fields.get(name) if name else None
        if field is None:
            self._skip()
            return
        if not (is_pointer(type_, field) and self._null()):
            self.value(field.type)
        for go in reversed(field_path(type_, field.name)):
            self._wrap(f"{go}: ")

    def _list(self, type_: Type) -> None:
        self._items(type_)
        self._wrap(f"{type_.go}: ")

    def _items(self, type_: Type) -> None:
        token = self._token()
        if token == b"n":
            self._expect(b"ull")
            return
        if token != b"[":
            self._report("decode slice", f"expect [ or n, but found {_shown(token)}")
            return
        if self._token() == b"]":
            return
        self._unread()
        assert type_.item is not None
        self.value(type_.item)
        while (token := self._token()) == b",":
            self.value(type_.item)
        if token != b"]":
            self._report("decode slice", f"expect ], but found {_shown(token)}")

    def _map(self, type_: Type) -> None:
        token = self._token()
        if token == b"n":
            self._expect(b"ull")
            return
        if token != b"{":
            self._report("ReadMapCB", f"expect {{ or n, but found {_shown(token)}")
            return
        if self._token() == b"}":
            return
        self._unread()
        assert type_.item is not None
        token = b","
        while token == b",":
            self._string()
            token = self._token()
            if token != b":":
                self._report("ReadMapCB", f"expect : after object field, but found {_shown(token)}")
                return
            self.value(type_.item)
            token = self._token()
        if token != b"}":
            self._report("ReadMapCB", f"expect }}, but found {_shown(token)}")

    def _string(self) -> str:
        token = self._token()
        if token == b'"':
            return self._rest_of_string()
        if token == b"n":
            self._expect(b"ull")
            return ""
        self._report("ReadString", f'expects " or n, but found {_shown(token)}')
        return ""

    def _rest_of_string(self) -> str:
        found = _NOT_TEXT.search(self.raw, self.head)
        if found is not None and found[0] == b'"':
            text = self.raw[self.head : found.start()].decode(errors="replace")
            self.head = found.end()
            return text
        if found is not None and found[0] != b"\\":
            self._report("ReadString", f"invalid control character found: {found[0][0]}")
            return ""
        return self._slow_string()

    def _slow_string(self) -> str:
        """A string with escapes; it is not read at all once something is wrong."""
        start = self.head
        while not self.error:
            byte = self._byte()
            if byte == b'"':
                text = self.raw[start : self.head - 1]
                try:
                    return str(json.loads(b'"' + text + b'"'))
                except ValueError:
                    return text.decode(errors="replace")
            if byte == b"\\":
                self._byte()
        self._report("readStringSlowPath", "unexpected end of input")
        return ""

    def _bool(self) -> None:
        token = self._token()
        if token == b"t":
            self._expect(b"rue")
        elif token == b"f":
            self._expect(b"alse")
        else:
            self._report("ReadBool", f"expect t or f, but found {_shown(token)}")

    def _integer(self, bits: int) -> None:
        token = self._token()
        negative = token == b"-"
        value = self._unsigned(self._byte() if negative else token, bits)
        limit = (INT32_MAX if bits == 32 else INT64_MAX) + negative
        if value > limit:
            self._report(f"ReadInt{bits}", f"overflow: {value}")

    def _unsigned(self, first: bytes, bits: int) -> int:
        if not first or first not in _DIGITS:
            self._report(f"readUint{bits}", f"unexpected character: {_NO_DIGIT}")
            return 0
        value = int(first)
        raw, at = self.raw, self.head
        size, careful = 1 << bits, (1 << bits) // 10 - 2
        if value:
            while at < len(raw) and raw[at] in _DIGITS:
                longer = (value * 10 + raw[at] - 0x30) % size
                if value > careful and longer < value:  # sees most overflows, not all
                    # the head stays where the last block of digits began: eight are taken at once if there are ten
                    self.head += 7 if len(raw) - self.head > _NEAR else 0
                    self._report(f"readUint{bits}", "overflow")
                    return 0
                value = longer
                at += 1
            self.head = at
        if at < len(raw) and raw[at] == 0x2E:
            self._report("assertInteger", "can not decode float as int")
        return value

    def _float(self) -> None:
        if self._token() != b"-":
            self._unread()
        self._number("readFloat64SlowPath")

    def _number(self, where: str) -> None:
        raw, start = self.raw, self.head
        while self.head < len(raw) and raw[self.head] in _NUMBER_BYTES:
            self.head += 1
        if self.head == start:
            if not self.error:
                self._report("readNumberAsString", "invalid number")
            return
        text = raw[start : self.head].decode()
        try:
            float(text)
        except ValueError:
            self._report(where, f"strconv.ParseFloat: parsing {json.dumps(text)}: invalid syntax")

    def _base64(self) -> None:
        token = self._token()
        self._unread()
        if token == b'"':
            text = self._string()
            try:
                canonical_base64(text)
                base64.b64decode(text)
            except (ValueError, binascii.Error) as error:
                self._report("decode base64", str(error))
        elif token == b"[":
            self._list(_BYTE_LIST)
        else:
            self._report("base64Codec", "invalid input")

    def _skip(self) -> None:
        """Any value, without looking at it."""
        token = self._token()
        if token == b'"':
            self._skip_string()
        elif token == b"n":
            self._expect(b"ull")
        elif token == b"t":
            self._expect(b"rue")
        elif token == b"f":
            self._expect(b"alse")
        elif token and token in b"-0123456789":
            while self.head < len(self.raw) and self.raw[self.head] in _NUMBER_BYTES:
                self.head += 1
        elif token == b"[":
            self._unread()
            self._skip_array()
        elif token == b"{":
            self._unread()
            self._skip_object()
        else:
            self._report("Skip", f"do not know how to skip: {token[0] if token else 0}")

    def _skip_string(self) -> None:
        found = _NOT_TEXT.search(self.raw, self.head)
        if found is not None and found[0] == b'"':
            self.head = found.end()
            return
        if found is not None and found[0] != b"\\":
            self._report("trySkipString", f"invalid control character found: {found[0][0]}")
            return
        self._unread()
        self._string()

    def _skip_array(self) -> None:
        token = self._token()
        if token != b"[":
            if token == b"n":
                self._expect(b"ull")
            else:
                self._report("ReadArrayCB", f"expect [ or n, but found {_shown(token)}")
            return
        if self._token() == b"]":
            return
        self._unread()
        self._skip()
        while (token := self._token()) == b",":
            self._skip()
        if token != b"]":
            self._report("ReadArrayCB", f"expect ] in the end, but found {_shown(token)}")

    def _skip_object(self) -> None:
        token = self._token()
        if token != b"{":
            if token == b"n":
                self._expect(b"ull")
            else:
                self._report("ReadObjectCB", f"expect {{ or n, but found {_shown(token)}")
            return
        token = self._token()
        if token == b"}":
            return
        if token != b'"':
            self._report("ReadObjectCB", f'expect " after }}, but found {_shown(token)}')
            return
        self._unread()
        token = b","
        while token == b",":
            self._string()
            token = self._token()
            if token != b":":
                self._report("ReadObject", f"expect : after object field, but found {_shown(token)}")
            self._skip()
            token = self._token()
        if token != b"}":
            self._report("ReadObjectCB", "object not ended with }")


def _named(struct: Type) -> str:
    name = struct.go_struct
    return struct.go if name not in RENAMED else f"{struct.go.rpartition('.')[0]}.{RENAMED[name]}"


def _shown(token: bytes) -> str:
    """A byte in a message; a NUL at the end of the text."""
    return token.decode(errors="replace") if token else "\x00"


def _byte_list() -> Type:
    made = Type(LIST, "[]uint8")
    made.item = Type(INTEGER, "uint8")
    return made


_BYTE_LIST: Final = _byte_list()
