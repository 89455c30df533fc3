"""Several logs followed at once: one connection and one thread each, whole lines, in the order they arrive.

Threads, since ``http.client`` waits and there is no event loop here: a command line has nothing else to do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

_Source = tuple[bytes, Iterator[bytes]]


def follow(sources: Sequence[_Source]) -> int:
    """Print every line of every source behind its label, until all have ended.

    :raises ApiError: a log cannot be read
    """

    def copy(source: _Source) -> None:
        label, lines = source
        for line in lines:
            sys.stdout.buffer.write(label + line)  # one call: lines of two logs do not mix
            sys.stdout.buffer.flush()

    with ThreadPoolExecutor(len(sources)) as threads:
        for done in [threads.submit(copy, source) for source in sources]:
            done.result()
    return 0
