"""What the C library does with memory that was freed: buffers of an answer or a document are megabytes, and rare.

glibc raises by itself the size from which it maps a block of its own (up to 32 MiB, each time such a block is
freed): from then on large blocks lie between small ones, and what they leave is not given back. In a server under
churn a third of the heap was such holes, and growing. With fixed sizes it is 2 MiB, at no measurable cost; to give
back all of the heap's end at once would cost a millisecond of page faults for each megabyte that is listed. And
threads share one heap: they hold the interpreter's lock most of the time anyway, and each other heap has holes too.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

MAPPED_FROM: Final = 256 * 1024
"""Bytes of a block that is mapped on its own, and given back as soon as it is freed."""
KEPT_FREE: Final = 4 * 1024 * 1024
"""Bytes at the heap's end that may stay free."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""Parameters of mallopt (malloc.h)."""


def tune() -> bool:
    """Have this process give back freed memory; whether its C library can be told (musl's cannot)."""
    tell = _function("mallopt")
    if tell is None:
        return False
    told = {_M_ARENA_MAX: 1, _M_MMAP_THRESHOLD: MAPPED_FROM, _M_TRIM_THRESHOLD: KEPT_FREE}
    return all(tell(parameter, value) for parameter, value in told.items())


def trim() -> None:
    """Give back the pages of the heap in which nothing is left: 2 to 3 ms of CPU after a thousand TLS connections,
    which leave 12 MiB of them."""
    call = _function("malloc_trim")
    if call is not None:
        call(0)


def _function(name: str) -> Any:
    """A function of the C library, None where it has none of that name."""
    return getattr(ctypes.CDLL(None), name, None)
