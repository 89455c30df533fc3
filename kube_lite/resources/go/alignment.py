"""Which items of two lists are shown beside each other in a difference.

The search is that of upstream's library (go-cmp ``internal/diff``), which goes from both ends in turn, takes the first
equal pair that it meets and gives up after so many misses: its results are not minimal, but they are those that people
see. Items that nothing equal was found for stand beside each other where they are alike.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

Leaves = tuple[int, int]
"""How many leaves of two items are equal, and how many differ."""
Compare = Callable[[int, int], Leaves]
Pair = tuple[int | None, int | None]
"""Positions in both lists, None where an item stands alone."""

BUDGET = 4
"""Misses allowed for each item."""


class _Search:
    """Paths from both ends; positions are pairs ``[x, y]``."""

    def __init__(self, nx: int, ny: int, compare: Compare) -> None:
        self._compare = compare
        self._left = BUDGET * (nx + ny)
        self._ahead: list[Pair] = []
        self._behind: list[Pair] = []
        self._start, self._end = [0, 0], [nx, ny]

    def pairs(self) -> list[Pair]:
        """What stands beside what, in order."""
        low, high = list(self._start), list(self._end)
        while low[0] < high[0] and low[1] < high[1] and self._left:
            low = self._look(low, forward=True) or low
            low[not self._wider(low, self._end)] += 1
            if low[0] >= high[0] or low[1] >= high[1] or not self._left:
                break
            high = self._look(high, forward=False) or high
            high[not self._wider(self._start, high)] -= 1
        self._go_to(self._end[0], self._end[1])
        return self._ahead + self._behind[::-1]

    @staticmethod
    def _wider(low: list[int], high: list[int]) -> bool:
        return high[0] - low[0] >= high[1] - low[1]

    def _look(self, frontier: list[int], *, forward: bool) -> list[int] | None:
        """Search the diagonal through a frontier for an equal pair and follow it; the new frontier, if there is one."""
        over = [False, False]
        for i in count():
            if all(over) or not self._left:
                return None
            off = i >> 1 if i % 2 == 0 else -(i >> 1) - 1
            x, y = (frontier[0] + off, frontier[1] - off) if forward else (frontier[0] - off, frontier[1] + off)
            if x >= self._end[0] + (not forward) or y < self._start[1] + (not forward):
                over[0 if forward else 1] = True
            elif y >= self._end[1] + (not forward) or x < self._start[0] + (not forward):
                over[1 if forward else 0] = True
            elif self._equal(x, y) if forward else self._equal(x - 1, y - 1):
                return self._follow(x, y) if forward else self._follow_back(x, y)
            else:
                self._left -= 1
        return None

    def _equal(self, x: int, y: int) -> bool:
        return not self._compare(x, y)[1]

    def _follow(self, x: int, y: int) -> list[int]:
        self._go_to(x, y)
        while self._start[0] < self._end[0] and self._start[1] < self._end[1] and self._equal(*self._start):
            self._ahead.append((self._start[0], self._start[1]))
            self._start = [self._start[0] + 1, self._start[1] + 1]
        return list(self._start)

    def _follow_back(self, x: int, y: int) -> list[int]:
        self._come_from(x, y)
        while self._start[0] < self._end[0] and self._start[1] < self._end[1]:
            if not self._equal(self._end[0] - 1, self._end[1] - 1):
                break
            self._end = [self._end[0] - 1, self._end[1] - 1]
            self._behind.append((self._end[0], self._end[1]))
        return list(self._end)

    def _go_to(self, x: int, y: int) -> None:
        """Lengthen the path from the start up to a point."""
        while self._start[0] < x or self._start[1] < y:
            here = self._start
            step = self._step(here[0], here[1], x - here[0], y - here[1])
            self._ahead.append((here[0] if step[0] else None, here[1] if step[1] else None))
            self._start = [here[0] + step[0], here[1] + step[1]]

    def _come_from(self, x: int, y: int) -> None:
        """Lengthen the path from the end down to a point."""
        while self._end[0] > x or self._end[1] > y:
            here = self._end
            step = self._step(here[0] - 1, here[1] - 1, here[0] - x, here[1] - y)
            self._end = [here[0] - step[0], here[1] - step[1]]
            self._behind.append((self._end[0] if step[0] else None, self._end[1] if step[1] else None))

    def _step(self, x: int, y: int, wide: int, high: int) -> tuple[int, int]:
        """How far to go in each list: in both where the next items are alike, else in the one with more left."""
        if not high or not wide:
            return (1, 0) if wide else (0, 1)
        same, different = self._compare(x, y)
        if same + 1 >= different:
            return (1, 1)
        return (1, 0) if wide >= high else (0, 1)


def aligned(nx: int, ny: int, compare: Compare) -> list[Pair]:
    """Positions of two lists of so many items beside each other."""
    return _Search(nx, ny, compare).pairs()
