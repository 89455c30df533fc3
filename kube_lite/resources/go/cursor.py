"""A cursor over JSON text that reads as json-iterator's does, also after an error.

It is what ``decoder`` walks with: it finds tokens, reads text and numbers, skips values and keeps the first error
with the text around it (``iter.go``, ``iter_str.go``, ``iter_int.go`` and ``iter_skip.go`` of json-iterator v1.1.10).
Once there is an error it can no longer step back a byte, which decides what it takes the rest for.
"""

from __future__ import annotations

import json
import re
from typing import Final

from kube_lite.resources.scalars import INT32_MAX, INT64_MAX

_SPACES: Final = b" \n\t\r"
_NOT_TEXT: Final = re.compile(rb'["\\\x00-\x1f]')
_DIGITS: Final = b"0123456789"
_NUMBER_BYTES: Final = b"+-.eE0123456789"
_NEAR: Final = 10
_AROUND: Final = 50
END: Final = "EOF"
"""The error of having read everything, which later errors replace."""
_NO_DIGIT: Final = "\ufffd"
"""What the decoder shows instead of a byte that is no digit: it prints the wrong variable."""


class Cursor:
    """A place in a whole body: ``head`` is the next byte, ``error`` the message so far."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.head = 0
        self.error = ""

    # ---- bytes

    def end(self) -> None:
        """There is nothing more."""
        if not self.error:
            self.head = len(self.raw)
            self.error = END

    def token(self) -> bytes:
        """The next byte that is no space; empty at the end."""
        raw, at = self.raw, self.head
        while at < len(raw):
            if raw[at] not in _SPACES:
                self.head = at + 1
                return raw[at : at + 1]
            at += 1
        self.end()
        return b""

    def byte(self) -> bytes:
        """The next byte; empty at the end."""
        if self.head >= len(self.raw):
            self.end()
            return b""
        self.head += 1
        return self.raw[self.head - 1 : self.head]

    def unread(self) -> None:
        """Step back a byte, as long as nothing is wrong."""
        if not self.error:
            self.head -= 1

    def report(self, where: str, what: str) -> None:
        """Keep an error with the text around the cursor, if it is the first."""
        if self.error and self.error != END:
            return
        head = self.head
        start = max(head - _NEAR, 0)
        near = self.raw[start : head + _NEAR].decode(errors="replace")
        around = self.raw[max(head - _AROUND, 0) : head + _AROUND].decode(errors="replace")
        self.error = (
            f"{where}: {what}, error found in #{head - start} byte of ...|{near}|..., bigger context ...|{around}|..."
        )

    def wrap(self, prefix: str) -> None:
        """Put a name before the error, if there is one."""
        if self.error and self.error != END:
            self.error = prefix + self.error

    def expect(self, rest: bytes) -> None:
        """The rest of ``null``, ``true`` or ``false``."""
        for byte in rest:
            if self.byte() != bytes((byte,)):
                name = "skipFourBytes" if len(rest) == 4 else "skipThreeBytes"
                self.report(name, f"expect {rest.decode()}")
                return

    def null(self) -> bool:
        """Read ``null`` if that is what comes."""
        if self.token() == b"n":
            self.expect(b"ull")
            return True
        self.unread()
        return False

    # ---- text and numbers

    def string(self) -> str:
        """A string, or null as an empty one."""
        token = self.token()
        if token == b'"':
            return self._rest_of_string()
        if token == b"n":
            self.expect(b"ull")
            return ""
        self.report("ReadString", f'expects " or n, but found {shown(token)}')
        return ""

    def _rest_of_string(self) -> str:
        found = _NOT_TEXT.search(self.raw, self.head)
        if found is not None and found[0] == b'"':
            text = self.raw[self.head : found.start()].decode(errors="replace")
            self.head = found.end()
            return text
        if found is not None and found[0] != b"\\":
            self.report("ReadString", f"invalid control character found: {found[0][0]}")
            return ""
        return self._slow_string()

    def _slow_string(self) -> str:
        """A string with escapes; it is not read at all once something is wrong."""
        start = self.head
        while not self.error:
            byte = self.byte()
            if byte == b'"':
                text = self.raw[start : self.head - 1]
                try:
                    return str(json.loads(b'"' + text + b'"'))
                except ValueError:
                    return text.decode(errors="replace")
            if byte == b"\\":
                self.byte()
        self.report("readStringSlowPath", "unexpected end of input")
        return ""

    def bool(self) -> None:
        """``true`` or ``false``."""
        token = self.token()
        if token == b"t":
            self.expect(b"rue")
        elif token == b"f":
            self.expect(b"alse")
        else:
            self.report("ReadBool", f"expect t or f, but found {shown(token)}")

    def integer(self, bits: int) -> None:
        """A whole number of 32 or 64 bits."""
        token = self.token()
        negative = token == b"-"
        value = self._unsigned(self.byte() if negative else token, bits)
        limit = (INT32_MAX if bits == 32 else INT64_MAX) + negative
        if value > limit:
            self.report(f"ReadInt{bits}", f"overflow: {value}")

    def _unsigned(self, first: bytes, bits: int) -> int:
        if not first or first not in _DIGITS:
            self.report(f"readUint{bits}", f"unexpected character: {_NO_DIGIT}")
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
                    self.report(f"readUint{bits}", "overflow")
                    return 0
                value = longer
                at += 1
            self.head = at
        if at < len(raw) and raw[at] == 0x2E:
            self.report("assertInteger", "can not decode float as int")
        return value

    def float(self) -> None:
        """Any number."""
        if self.token() != b"-":
            self.unread()
        self._number("readFloat64SlowPath")

    def _number(self, where: str) -> None:
        raw, start = self.raw, self.head
        while self.head < len(raw) and raw[self.head] in _NUMBER_BYTES:
            self.head += 1
        if self.head == start:
            if not self.error:
                self.report("readNumberAsString", "invalid number")
            return
        text = raw[start : self.head].decode()
        try:
            float(text)
        except ValueError:
            self.report(where, f"strconv.ParseFloat: parsing {json.dumps(text)}: invalid syntax")

    # ---- values that nobody looks at

    def skip(self) -> None:
        """Any value, without looking at it."""
        token = self.token()
        if token == b'"':
            self._skip_string()
        elif token == b"n":
            self.expect(b"ull")
        elif token == b"t":
            self.expect(b"rue")
        elif token == b"f":
            self.expect(b"alse")
        elif token and token in b"-0123456789":
            while self.head < len(self.raw) and self.raw[self.head] in _NUMBER_BYTES:
                self.head += 1
        elif token == b"[":
            self.unread()
            self._skip_array()
        elif token == b"{":
            self.unread()
            self._skip_object()
        else:
            self.report("Skip", f"do not know how to skip: {token[0] if token else 0}")

    def _skip_string(self) -> None:
        found = _NOT_TEXT.search(self.raw, self.head)
        if found is not None and found[0] == b'"':
            self.head = found.end()
            return
        if found is not None and found[0] != b"\\":
            self.report("trySkipString", f"invalid control character found: {found[0][0]}")
            return
        self.unread()
        self.string()

    def _skip_array(self) -> None:
        token = self.token()
        if token != b"[":
            if token == b"n":
                self.expect(b"ull")
            else:
                self.report("ReadArrayCB", f"expect [ or n, but found {shown(token)}")
            return
        if self.token() == b"]":
            return
        self.unread()
        self.skip()
        while (token := self.token()) == b",":
            self.skip()
        if token != b"]":
            self.report("ReadArrayCB", f"expect ] in the end, but found {shown(token)}")

    def _skip_object(self) -> None:
        token = self.token()
        if token != b"{":
            if token == b"n":
                self.expect(b"ull")
            else:
                self.report("ReadObjectCB", f"expect {{ or n, but found {shown(token)}")
            return
        token = self.token()
        if token == b"}":
            return
        if token != b'"':
            self.report("ReadObjectCB", f'expect " after }}, but found {shown(token)}')
            return
        self.unread()
        token = b","
        while token == b",":
            self.string()
            token = self.token()
            if token != b":":
                self.report("ReadObject", f"expect : after object field, but found {shown(token)}")
            self.skip()
            token = self.token()
        if token != b"}":
            self.report("ReadObjectCB", "object not ended with }")


def shown(token: bytes) -> str:
    """A byte in a message; a NUL at the end of the text."""
    return token.decode(errors="replace") if token else "\x00"
