r"""Regular expressions written for Go (RE2) as Python reads them.

The dialects agree on nearly all that schemas use. What differs and occurs: ``\z``, POSIX classes inside brackets,
``\pL``, ``\Q...\E``, and ``$``, which in Go is only the very end.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_POSIX: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7F",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1F\x7F",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_UNICODE: Final = {"L": r"[^\W\d_]", "N": r"\d", "Lu": "[A-Z]", "Ll": "[a-z]", "Nd": r"\d"}
_TOKEN: Final = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|$)|\\z(?P<end>)|\\p(?P<short>[LN])|\\p\{(?P<long>\w+)\}|(?P<escaped>\\.)"
    r"|\[:(?P<posix>\w+):\]|(?P<dollar>\$)|\(\?(?P<flags>[imsU]+)\)",
    re.DOTALL,
)


@lru_cache(maxsize=2048)
def go_regex(pattern: str) -> re.Pattern[str]:
    """The compiled expression. :raises re.error: it is none, or uses what RE2 does not have"""
    if re.search(r"\(\?(?:[=!]|<[=!])", pattern):
        raise re.error("invalid or unsupported Perl syntax: lookaround")
    flags = 0

    def translate(match: re.Match[str]) -> str:
        nonlocal flags
        kind = match.lastgroup or "escaped"
        if kind == "quoted":
            return re.escape(match["quoted"])
        if kind == "end":
            return r"\Z"
        if kind in ("short", "long"):
            return _UNICODE.get(match[kind], r"\w")
        if kind == "posix":
            return _POSIX.get(match["posix"], match[0])
        if kind == "dollar":
            inside = pattern.rfind("[", 0, match.start()) > pattern.rfind("]", 0, match.start())
            return "$" if inside or flags & re.MULTILINE else r"\Z"
        if kind == "flags":
            for letter in match["flags"]:
                flags |= {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}.get(letter, 0)
            return ""
        return match[0]

    return re.compile(_TOKEN.sub(translate, pattern), flags | re.ASCII)
