"""Answers about texts that clients choose, remembered within bounds that they cannot stretch.

``functools.lru_cache`` counts its entries, but a key may be a megabyte: a few thousand refused objects with such
names would hold gigabytes for good. Here long texts are answered and forgotten. A hit costs less than lru_cache's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

K = TypeVar("K")
T = TypeVar("T")

LONGEST: Final = 512
"""Characters of a text that is remembered: names, quantities, times and images of use are shorter."""


class _Remembered(dict[Any, Any]):
    """Answers by text; what is not there is asked for, and everything forgotten when there are too many."""

    def __init__(self, answer: Callable[[Any], Any], most: int, longest: int) -> None:
        super().__init__()
        self._answer = answer
        self._most = most
        self._longest = longest

    def __missing__(self, text: Any) -> Any:
        answer = self._answer(text)
        if not isinstance(text, str | bytes) or len(text) <= self._longest:
            if len(self) >= self._most:
                self.clear()
            self[text] = answer
        return answer


def remembered(most: int, longest: int = LONGEST) -> Callable[[Callable[[K], T]], Callable[[K], T]]:
    """Decorate a pure function of one text (or number), of which up to ``most`` answers are remembered.

    :param longest: characters of a text from which on it is answered anew each time
    """

    def decorate(answer: Callable[[K], T]) -> Callable[[K], T]:
        return _Remembered(answer, most, longest).__getitem__

    return decorate
