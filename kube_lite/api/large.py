"""Large bodies and answers are worked on beside the event loop, one at a time.

Decoding, validating or printing a megabyte takes up to a second of CPU; on the loop everybody would wait for it,
health checks and leases too. In a thread it takes a little longer and the others wait a few milliseconds at most.
Since threads of Python share one interpreter several at once would help nobody and starve the loop: they take turns.
Small ones, which is nearly all, are worked on where they are, for a thread costs more than they do.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any, Final, TypeVar

import anyio
from anyio.lowlevel import RunVar

from kube_lite import clock

T = TypeVar("T")

LARGE: Final = 64 * 1024
"""Bytes of JSON from which on work is done in a thread: some 5 ms of validation."""

_turn: RunVar[anyio.Lock] = RunVar("large_turn")
_ABSENT: Final = object()


async def beside(size: int, call: Callable[..., T], *args: Any) -> T:
    """What ``call`` returns or raises; it may change what it is given, but nothing that the loop sees meanwhile.

    :param size: bytes that it works on
    """
    if size < LARGE:
        return call(*args)
    try:
        turn = _turn.get()
    except LookupError:
        turn = anyio.Lock()
        _turn.set(turn)
    context = contextvars.copy_context()
    async with turn:
        try:
            return await clock.run_in_thread(context.run, call, *args)
        finally:
            for variable, value in context.items():  # as if it had run here
                if variable.get(_ABSENT) is not value:
                    variable.set(value)
