"""When the cycle collector looks: often at what is young, at everything only as rarely as that costs next to nothing.

Requests make many short-lived dicts and hardly a cycle, and every stored object stays for good, some forty objects of
Python each. What the interpreter does by itself, it does with the loop held up: of 400,000 objects a second
generation took 135 ms of CPU, and everything at 50,000 pods most of a second, every quarter more objects anew. So
what is loaded at the start is left out, the young generations are small, and everything is looked at by
:func:`look_rarely` alone.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Final

import anyio

from kube_lite import clock

YOUNG: Final = 5_000
"""Containers made and not yet freed, after which they are looked at: a millisecond. At the interpreter's 700 the
collector took 15 % of the CPU of a create; from 2,000 on the sum is about the same, only the pauses differ."""
MIDDLE: Final = 2
"""Looks at the young after which the next takes in those before: 20,000 objects, a few milliseconds."""
NEVER: Final = 1_000_000_000
"""Looks of those after which everything is looked at by itself."""
SHARE: Final = 0.001
"""Of the time may be spent on looking at everything..."""
SHORTEST: Final = 60.0
"""...which is done once a minute at most."""


def calm() -> None:
    """Leave out what there is now, and look in small portions from here on.

    Without a look before: loading leaves no garbage (none was found), and the start would be 30 to 50 ms longer.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)


async def look_rarely(give_back: Callable[[], object] = lambda: None) -> None:
    """Look at everything now and then, until cancelled: the rarer, the longer it takes. Then call ``give_back``.

    Garbage gets old where it was part of a connection, or of a definition's schema. A process that has done nothing
    since is left in peace.
    """
    rest, seen = SHORTEST, -1
    while True:
        await anyio.sleep(rest)
        if (done := _looks()) == seen:
            continue
        seen, began = done, clock.monotonic()
        gc.collect()
        give_back()
        rest = max(SHORTEST, (clock.monotonic() - began) / SHARE)


def _looks() -> int:
    """How often the middle generation was looked at."""
    return int(gc.get_stats()[1]["collections"])
