"""Running in the foreground: an event loop, signals that end it cleanly, and errors a person can act on."""

from __future__ import annotations

import errno
import logging
import signal
import sys
from collections.abc import Awaitable, Callable

from kube_lite.cli.main import CommandError


def run_until_signal(serve: Callable[[], Awaitable[None]]) -> int:
    """Run ``serve`` until it returns, or SIGINT or SIGTERM arrives; it is cancelled then and cleans up."""
    import anyio

    from kube_lite.store.store import StoreError

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_on_signal, group.cancel_scope)
            await serve()
            group.cancel_scope.cancel()

    try:
        anyio.run(main, backend_options={"use_uvloop": True})
    except BaseExceptionGroup as group:
        raise _explained(group, (StoreError, OSError, ValueError, CommandError)) from group
    except (StoreError, OSError, ValueError) as error:
        raise CommandError(_told(error)) from error
    return 0


async def _stop_on_signal(scope: object) -> None:
    import anyio

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()  # type: ignore[attr-defined]  # an anyio CancelScope, which is imported late
            return


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
