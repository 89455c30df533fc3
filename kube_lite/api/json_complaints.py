"""What is wrong with text that is not JSON, in the words of Go's scanner (``encoding/json``)."""

from __future__ import annotations

import json
import re
from typing import Any, Final


def json_complaint(body: bytes) -> str:
    """What Go's JSON scanner says about text that is not JSON."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "invalid UTF-8 in the body"
    return byte_complaint(body)


def byte_complaint(body: bytes) -> str:
    """The same of any bytes: the scanner looks at one after the other, not at characters."""
    text = body.decode("latin-1")
    if not text.strip():
        return "unexpected end of JSON input"
    try:
        json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return _go_complaint(text, error)
    except (ValueError, RecursionError) as error:
        return str(error)
    return "a number is outside what can be stored, or a \\u escape is half of a surrogate pair"


def _no_constant(name: str) -> Any:
    raise ValueError(f"invalid character {_character(name[0])} looking for beginning of value")


ASCII_END: Final = 0x7F
_ESCAPES: Final = {
    "\\": r"\\",
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
}


def _character(char: str) -> str:
    """As Go's scanner shows it, which takes the byte it stopped at for a character."""
    if char == "'":
        return r"'\''"
    if char in _ESCAPES:
        return f"'{_ESCAPES[char]}'"
    code = ord(char)
    return f"'{char}'" if char.isprintable() else f"'\\x{code:02x}'" if code <= ASCII_END else f"'\\u{code:04x}'"


_PLACES: Final = (
    ("Extra data", "after top-level value"),
    ("Expecting value", "looking for beginning of value"),
    ("Expecting property name", "looking for beginning of object key string"),
    ("Illegal trailing comma before end of object", "looking for beginning of object key string"),
    ("Illegal trailing comma before end of array", "looking for beginning of value"),
    ("Expecting ':'", "after object key"),
    ("Invalid control character", "in string literal"),
    ("Invalid \\escape", "in string escape code"),
    ("Invalid \\uXXXX", "in \\u hexadecimal character escape"),
)


def _go_complaint(text: str, error: json.JSONDecodeError) -> str:
    position = error.pos
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    if position >= len(text) or error.msg.startswith("Unterminated"):
        return "unexpected end of JSON input"
    if error.msg.startswith("Expecting value") and text[position] == "-":  # a number was begun
        position += 1
        if position >= len(text):
            return "unexpected end of JSON input"
        return f"invalid character {_character(text[position])} in numeric literal"
    if error.msg.startswith("Expecting value") and (told := _literal_complaint(text[position:])):
        return told
    place = next((where for start, where in _PLACES if error.msg.startswith(start)), "")
    if error.msg.startswith("Expecting ',' delimiter"):
        place = "after object key:value pair" if _in_object(text, position) else "after array element"
    if error.msg.startswith("Illegal trailing comma"):
        position += 1
        while position < len(text) - 1 and text[position] in " \t\r\n":
            position += 1
    return f"invalid character {_character(text[position])} {place or 'looking for beginning of value'}"


def _literal_complaint(text: str) -> str:
    """What is wrong with text that begins like true, false or null, but is none of them."""
    for literal in ("true", "false", "null"):
        if text[0] != literal[0]:
            continue
        for expected, got in zip(literal[1:], text[1:], strict=False):
            if expected != got:
                return f"invalid character {_character(got)} in literal {literal} (expecting {_character(expected)})"
        return "unexpected end of JSON input" if len(text) < len(literal) else ""
    return ""


def _in_object(text: str, position: int) -> bool:
    """Whether the innermost open bracket before ``position`` is a brace."""
    open_brackets: list[str] = []
    for part in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text[:position], re.DOTALL):
        token = part[0]
        if token in "[{":
            open_brackets.append(token)
        elif token in "]}" and open_brackets:
            open_brackets.pop()
    return bool(open_brackets) and open_brackets[-1] == "{"
