"""Running in the foreground: an event loop, signals that end it cleanly, and errors a person can act on."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from kube_lite.cli.main import CommandError

if TYPE_CHECKING:
    import anyio


@contextmanager
def loading() -> Iterator[None]:
    """Without the cycle collector: modules that are loaded stay, and looking them over takes a tenth of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Stop:
    """What a command is told by signals.

    The first asks it to end: where it waits for that (:meth:`wait`) it goes on from there, else it is cancelled and
    cleans up. The second ends the process at once, as upstream's programs do.
    """

    def __init__(self, scope: anyio.CancelScope, asked: anyio.Event) -> None:
        self._scope = scope
        self._asked = asked
        self._awaited = False

    async def wait(self) -> None:
        """Return when the command should end."""
        self._awaited = True
        await self._asked.wait()

    async def listen(self) -> None:
        """Take signals, until cancelled."""
        import anyio

        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                if self._asked.is_set():
                    print("a second signal: stopping at once", file=sys.stderr, flush=True)
                    os._exit(1)
                self._asked.set()
                if not self._awaited:
                    self._scope.cancel()


def run_until_signal(serve: Callable[[Stop], Awaitable[None]]) -> NoReturn:
    """Run ``serve`` until it returns, or SIGINT or SIGTERM ends it; the process ends then.

    :raises CommandError: it could not run
    """
    import anyio

    from kube_lite.store.store import StoreError

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)

    async def main() -> None:
        async with anyio.create_task_group() as listening:
            with anyio.CancelScope() as scope:
                stop = Stop(scope, anyio.Event())
                listening.start_soon(stop.listen)
                await serve(stop)
            listening.cancel_scope.cancel()

    try:
        anyio.run(main, backend_options={"use_uvloop": True})
    except BaseExceptionGroup as group:
        raise _explained(group, (StoreError, OSError, ValueError, CommandError)) from group
    except (StoreError, OSError, ValueError) as error:
        raise CommandError(_told(error)) from error
    _leave()


def _leave() -> NoReturn:
    """End the process, with everything closed and written already.

    The interpreter would free the objects of a server one by one first, which takes it half a second.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _explained(group: BaseExceptionGroup[BaseException], known: tuple[type[BaseException], ...]) -> BaseException:
    """The one expected error inside a group, as a CommandError; else the group itself."""
    expected, others = group.split(known)
    if expected is None or others is not None:
        return group
    leaf: BaseException = expected
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    return CommandError(_told(leaf))


def _told(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = f" of {error.filename}" if error.filename else ""
        return f"the disk{where} is full: free space, then start again"
    return str(error)
