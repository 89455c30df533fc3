"""Seats: how many requests of each priority run at once, who waits for one, and in which order they get it.

Every level has a share of the server's seats. What it lends goes into a pool: a level that needs more than it kept
for itself takes seats from there, first those levels that have not yet got back their own share, then the others up
to their borrowing limit. A seat is taken back when its request is done, never before.

Who finds no seat waits in one of the level's queues, or is refused where the level has none. A flow may use only a
few of the queues, the same ones every time, and waits in the shortest of them: one flow that floods fills those and
leaves the other flows a queue where they wait alone (shuffle sharding, KEP-1040). Queues take turns by the work
that each has had done (start-time fair queuing).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

import anyio

from kube_lite.errors import TooManyRequests
from kube_lite.resources.meta import Obj

QUEUE_SECONDS = 15.0
"""How long one may wait: a quarter of upstream's request timeout."""


class Rejected(TooManyRequests):
    """No seat. ``why`` is upstream's word for it: queue-full, time-out, concurrency-limit."""

    def __init__(self, why: str) -> None:
        super().__init__("Too many requests, please try again later.", {"retryAfterSeconds": 1})
        self.why = why


class Waiter:
    """One request that waits."""

    __slots__ = ("granted", "queue", "width")

    def __init__(self, queue: Queue, width: int) -> None:
        self.queue = queue
        self.width = width
        self.granted = anyio.Event()


class Queue:
    """Requests of a few flows, first come first served; ``virtual`` is the work that it has had done."""

    __slots__ = ("requests", "virtual")

    def __init__(self) -> None:
        self.requests: deque[Waiter] = deque()
        self.virtual = 0.0


class Pool:
    """The seats that levels lend to each other."""

    def __init__(self) -> None:
        self.total = 0
        self.used = 0
        self.waiting = 0
        """Requests of all levels that wait."""
        self.levels: list[Level] = []

    def dispatch(self) -> None:
        """Give free seats to those who wait: to levels below their own share first."""
        for owners in (True, False):
            progress = True
            while progress and self.waiting:
                progress = False
                for level in self.levels:
                    if level.waiting and (not owners or level.in_use < level.nominal) and level.grant_next():
                        progress = True

    def owner_waits(self) -> bool:
        """Whether a level that has less than its share waits for a seat."""
        return any(level.waiting and level.in_use < level.nominal for level in self.levels)


class Level:
    """One priority level at work."""

    def __init__(self, name: str, pool: Pool) -> None:
        self.name = name
        self._pool = pool
        self.exempt = False
        self.nominal = 1
        """Seats that are its share."""
        self.kept = 1
        """Seats that it never lends."""
        self.limit = 1
        """Seats at most, with those that it may borrow."""
        self.in_use = 0
        self.waiting = 0
        self.queue_count = self.hand_size = self.queue_length = 0
        self.queues: dict[int, Queue] = {}
        """By number, those with requests in them; the other queues of the level are empty."""
        self._virtual = 0.0
        """The work done for the queue that was served last: what a queue begins with that was empty."""
        self.rejected: dict[str, int] = {}
        """Refused requests by reason."""
        self.cancelled = 0
        """Requests that gave up while they waited."""
        self.dispatched = 0
        """Requests that got a seat."""

    def configure(self, spec: Obj, seats: int, shares: int) -> None:
        """Take on a PriorityLevelConfiguration's spec; ``seats`` are shared out in ``shares``."""
        self.exempt = spec.get("type") == "Exempt"
        limits = spec.get("exempt" if self.exempt else "limited") or {}
        self.nominal = math.ceil(seats * limits.get("nominalConcurrencyShares", 0) / max(shares, 1))
        self.kept = self.nominal - round(self.nominal * limits.get("lendablePercent", 0) / 100)
        borrowing = limits.get("borrowingLimitPercent")
        self.limit = seats if borrowing is None else self.nominal + round(self.nominal * borrowing / 100)
        queuing = (limits.get("limitResponse") or {}).get("queuing") or {}
        self.queue_count = queuing.get("queues", 0)
        self.hand_size = queuing.get("handSize", 0)
        self.queue_length = queuing.get("queueLengthLimit", 0)

    def take(self, width: int) -> bool:
        """Take seats if they are free and nobody waits for them."""
        taken = self.in_use + width
        if self.exempt or (not self.waiting and taken <= self.kept):
            self.in_use = taken
            self.dispatched += 1
            return True
        if self.waiting or not self._may_have(width):
            return False
        if taken > self.nominal and self._pool.waiting and self._pool.owner_waits():
            return False
        self._occupy(width)
        return True

    def _may_have(self, width: int) -> bool:
        taken = self.in_use + width
        if taken <= self.kept:
            return True
        fits = taken <= self.limit or (not self.in_use and self.limit > 0)  # a wide request runs alone
        needed = taken - max(self.kept, self.in_use)
        return fits and (self._pool.used + needed <= self._pool.total or (not self.in_use and self.kept > 0))

    def _occupy(self, width: int) -> None:
        before = max(self.in_use - self.kept, 0)
        self.in_use += width
        self._pool.used += max(self.in_use - self.kept, 0) - before
        self.dispatched += 1

    def release(self, width: int) -> None:
        """Give seats back."""
        if self.exempt:
            self.in_use -= width
            return
        over = self.in_use - self.kept
        self.in_use -= width
        if over > 0:
            self._pool.used -= min(over, width)
        if self._pool.waiting:
            self._pool.dispatch()

    async def wait(self, width: int, flow: int) -> None:
        """Wait for seats that :meth:`take` did not find; ``flow`` is the flow's hash.

        :raises Rejected: the queue is full, there is none, or it took too long
        """
        if not self.queue_count:
            raise self.refused("concurrency-limit")
        hand = dealt(flow, self.queue_count, self.hand_size)
        number = min(hand, key=self._length)
        if self._length(number) >= self.queue_length:
            raise self.refused("queue-full")
        queue = self.queues.get(number)
        if queue is None:
            queue = self.queues[number] = Queue()
            queue.virtual = self._virtual
        waiter = Waiter(queue, width)
        queue.requests.append(waiter)
        self.waiting += 1
        self._pool.waiting += 1
        # a seat may be free for whoever is next, though not for one who comes past those who wait
        self._pool.dispatch()
        try:
            with anyio.move_on_after(QUEUE_SECONDS):
                await waiter.granted.wait()
        except BaseException:
            self.cancelled += 1
            self._give_up(waiter)
            raise
        if not waiter.granted.is_set():
            self._give_up(waiter)
            raise self.refused("time-out")

    def _give_up(self, waiter: Waiter) -> None:
        if waiter.granted.is_set():
            self.release(waiter.width)
            return
        waiter.queue.requests.remove(waiter)
        self._left()

    def _left(self) -> None:
        self.waiting -= 1
        self._pool.waiting -= 1
        self.queues = {number: queue for number, queue in self.queues.items() if queue.requests}

    def refused(self, why: str) -> Rejected:
        """The refusal, counted."""
        self.rejected[why] = self.rejected.get(why, 0) + 1
        return Rejected(why)

    def _length(self, number: int) -> int:
        queue = self.queues.get(number)
        return len(queue.requests) if queue is not None else 0

    def grant_next(self) -> bool:
        """Give seats to the request whose turn it is; False when there are not enough."""
        queue = min(self.queues.values(), key=lambda queue: queue.virtual)
        waiter = queue.requests[0]
        if not (self.exempt or self._may_have(waiter.width)):
            return False
        self._occupy(waiter.width)
        self._virtual = queue.virtual
        queue.virtual += waiter.width
        queue.requests.popleft()
        self._left()
        waiter.granted.set()
        return True


def dealt(value: int, cards: int, hand_size: int) -> Sequence[int]:
    """``hand_size`` different numbers below ``cards``, dealt by a hash: upstream's shuffle sharding."""
    hand: list[int] = []
    for left in range(cards, cards - hand_size, -1):
        value, card = divmod(value, left)
        for earlier in sorted(hand):
            card += card >= earlier
        hand.append(card)
    return hand


def shared_out(specs: Mapping[str, Obj], seats: int, pool: Pool, existing: Mapping[str, Level]) -> dict[str, Level]:
    """The levels of these specs, with what those of that name have running and waiting.

    A level whose object is gone keeps its seats until those who wait there are served.
    """
    shares = sum(
        (spec.get("exempt" if spec.get("type") == "Exempt" else "limited") or {}).get("nominalConcurrencyShares", 0)
        for spec in specs.values()
    )
    levels = {name: existing.get(name) or Level(name, pool) for name in specs}
    for name, spec in specs.items():
        levels[name].configure(spec, seats, shares)
    leaving = [level for name, level in existing.items() if name not in levels and (level.in_use or level.waiting)]
    pool.levels = [*levels.values(), *leaving]
    pool.total = sum(level.nominal - level.kept for level in levels.values())
    pool.used = sum(max(level.in_use - level.kept, 0) for level in pool.levels if not level.exempt)
    pool.dispatch()
    return levels
