"""Regular expressions as Go's: by RE2, which takes time in proportion to the text, whatever the expression.

Schemas and CEL rules bring expressions of their own. Python's ``re`` backtracks: ``^(a+)+$`` against forty letters
runs for years, and while it does nothing else of the process does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, Protocol

_GO_WORDS: Final = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "trailing \\": "trailing backslash at end of expression",
    "invalid named capture group": "invalid named capture",
}
"""RE2's complaints that Go words otherwise (``regexp/syntax``)."""


class RegexError(ValueError):
    """Raised when a text is no regular expression; its text is Go's message."""


class Match(Protocol):
    """What was found."""

    def __getitem__(self, group: int) -> str: ...

    def span(self) -> tuple[int, int]:
        """Where it begins and ends."""


class Regex(Protocol):
    """A compiled expression."""

    def search(self, text: str) -> Match | None:
        """The first place where it matches."""

    def finditer(self, text: str) -> Iterator[Match]:
        """All of them."""


@lru_cache(maxsize=512)
def go_regex(pattern: str) -> Regex:
    """The compiled expression. :raises RegexError: it is none"""
    import re2  # late: most clusters have no patterns

    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Any = re2.compile(pattern, options)
    except re2.error as error:
        told = error.args[0] if error.args else b""
        text = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
        what, colon, part = text.partition(": ")
        raise RegexError(f"error parsing regexp: {_GO_WORDS.get(what, what)}{f': `{part}`' if colon else ''}") from None
    found: Regex = compiled
    return found
