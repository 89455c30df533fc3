"""A server that tells what it holds: ``python -m tests.support.watched COUNTS server --data-dir ...``.

Everything is as in ``kube-lite server``, but what is kept for some time is kept for seconds (history, events, the
audit log), and caches of thousands hold dozens. So what still grows is no memory of the past. On SIGUSR1 it collects
garbage and writes to the file COUNTS what there is.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import resource
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from kube_lite.api import audit, expiry, flow_rules, history, metrics, plane, storage
from kube_lite.api.admission import plugin
from kube_lite.api.authz import rbac
from kube_lite.cli.main import main
from kube_lite.client import events
from kube_lite.controllers import ownership_graph
from kube_lite.live import server
from kube_lite.resources import registry, remembered, selectors
from kube_lite.resources.cel import program
from kube_lite.sched import evaluate, explain, nodes, reporting
from kube_lite.settings import ServerSettings
from kube_lite.sim import simnode
from kube_lite.store import watch_cache
from kube_lite.store.compaction import HistorySettings
from kube_lite.store.ring import RingSettings

HISTORY_SECONDS = 4.0
HISTORY_EVENTS = 40
RING_BYTES = 512 * 1024
EVENT_SECONDS = 5
AUDIT_BYTES = 256 * 1024


_MALLINFO = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class _Allocated(ctypes.Structure):
    """glibc's struct mallinfo2 (malloc.h)."""

    _fields_ = [(name, ctypes.c_size_t) for name in _MALLINFO]


def _mallinfo() -> _Allocated:
    ask = ctypes.CDLL(None).mallinfo2
    ask.restype = _Allocated
    found = ask()
    assert isinstance(found, _Allocated)
    return found


FEW = 32
"""Entries of caches that hold thousands."""
CACHES: tuple[tuple[ModuleType, str], ...] = (
    (events, "CACHE_SIZE"),
    (explain, "MAX_DECISIONS"),
    (evaluate, "MAX_CLASSES"),
    (reporting, "MAX_REMEMBERED"),
    (nodes, "MAX_CHANGES"),
    (ownership_graph, "REMEMBERED_DELETIONS"),
    (flow_rules, "REMEMBERED"),
    (rbac, "USERS_KEPT"),
    (history, "MAX_NOTES"),
    (plugin, "MOST_CONCERNED"),
    (storage, "MOST_HEADS"),
    (simnode, "MOST_IMAGES"),
)


def shrink() -> None:
    """Fill caches at once that are full after thousands of objects only."""
    for module, bound in CACHES:
        assert isinstance(getattr(module, bound), int)
        setattr(module, bound, FEW)
    setattr(metrics, "MOST_SORTS", 512)  # noqa: B010
    setattr(selectors, "_from_parts", lru_cache(FEW)(selectors._made))  # noqa: B010
    setattr(program, "_compiled", lru_cache(FEW)(program._compiled.__wrapped__))  # noqa: B010
    for one in gc.get_objects():
        if type(one) is remembered._Remembered:
            one._most = FEW


def shorten() -> None:
    """Keep the past for seconds only."""
    ring = partial(RingSettings, max_bytes=RING_BYTES, window_seconds=HISTORY_SECONDS, window_events=HISTORY_EVENTS)
    history = partial(
        HistorySettings, window_seconds=HISTORY_SECONDS, window_events=HISTORY_EVENTS, interval_seconds=1.0
    )
    setattr(watch_cache, "RingSettings", ring)  # noqa: B010  # mypy takes a class for a constant
    setattr(server, "HistorySettings", history)  # noqa: B010
    setattr(expiry, "LOOK_SECONDS", 1.0)  # noqa: B010
    setattr(audit, "MAX_BYTES", AUDIT_BYTES)  # noqa: B010
    built = registry.builtin

    def builtin() -> registry.Registry:
        found = built()
        for one in found:
            if one.lifetime:
                object.__setattr__(one, "lifetime", EVENT_SECONDS)
        return found

    setattr(plane, "builtin", builtin)  # noqa: B010


def counts() -> dict[str, Any]:
    """What this process holds now, garbage gone."""
    gc.unfreeze()
    for _ in range(3):
        gc.collect()
    held = gc.get_objects()
    types = Counter(type(one) for one in held)
    sizes = {id(one): len(one) for one in held if type(one) in (dict, list, set) and len(one) > 256}
    del held
    allocated = _mallinfo()
    return {
        "types": {f"{kind.__module__}.{kind.__qualname__}": count for kind, count in types.items()},
        "containers": len(sizes),
        "blocks": sys.getallocatedblocks(),
        "malloc_used": allocated.uordblks + allocated.hblkhd,
        "malloc_free": allocated.fordblks,
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "tasks": dict(Counter(_name(task) for task in asyncio.all_tasks())),
        "cpu": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
    }


def _name(task: asyncio.Task[Any]) -> str:
    body = task.get_coro()
    return str(getattr(body, "__qualname__", body))


def telling(path: Path) -> None:
    """Answer SIGUSR1 from now on."""

    def tell() -> None:
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(counts()))
        beside.rename(path)

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)


def run(path: Path, arguments: list[str]) -> int:
    """Be a server."""
    serve = server.serve

    @asynccontextmanager
    async def watched(settings: ServerSettings) -> AsyncIterator[server.LiveServer]:
        async with serve(settings) as running:
            telling(path)
            yield running

    server.serve = watched
    shorten()
    shrink()
    return main(arguments)


if __name__ == "__main__":
    raise SystemExit(run(Path(sys.argv[1]), sys.argv[2:]))
