"""Writes per second and time to open, of the SQLite store: ``python -m benchmarks.store``.

Each writer waits for its write to be durable before the next one. Objects are 2 KB, as a pod is. Medians of three.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import anyio

from benchmarks.arguments import count
from kube_lite.store.sqlite import open_sqlite
from kube_lite.store.store import Store
from kube_lite.store.watch_cache import WatchCaches

BODY = b'{"kind":"Pod","metadata":{"name":"p","resourceVersion":"%d"},"spec":"' + b"x" * 1_900 + b'"}'


def encode(revision: int) -> bytes:
    """A pod of 2 KB."""
    return BODY % revision


async def _write_for(store: Store, writers: int, seconds: float) -> float:
    written = 0
    end = time.perf_counter() + seconds

    async def write(writer: int) -> None:
        nonlocal written
        number = 0
        while time.perf_counter() < end:
            key = f"/registry/core/pods/default/p-{writer}-{number}"
            record = await store.write(key, 0, encode)
            await store.write(key, record.revision, encode)
            written += 2
            number += 1

    began = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for writer in range(writers):
            tasks.start_soon(write, writer)
    return written / (time.perf_counter() - began)


async def writes_per_second(directory: Path, writers: int, seconds: float) -> float:
    """Half creations, half updates, with the watch cache following."""
    path = directory / f"w{time.perf_counter_ns()}" / "state.db"
    async with open_sqlite(path) as store:
        caches = WatchCaches(store, lambda prefix: lambda value: ({}, {}))
        await caches.start()
        return await _write_for(store, writers, seconds)


async def measured(writers: int, seconds: float) -> float:
    """Writes per second, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="kl-bench-") as name:
        return await writes_per_second(Path(name), writers, seconds)


async def fill(path: Path, objects: int) -> None:
    """A store of so many objects."""
    async with open_sqlite(path) as store, anyio.create_task_group() as tasks:

        async def write(writer: int) -> None:
            for number in range(objects // 250):
                await store.write(f"/registry/core/pods/n{writer}/p-{number}", 0, encode)

        for writer in range(250):
            tasks.start_soon(write, writer)


async def seconds_to_open(path: Path) -> float:
    """From nothing to a watch cache that answers."""
    began = time.perf_counter()
    async with open_sqlite(path) as store:
        caches = WatchCaches(store, lambda prefix: lambda value: ({}, {}))
        await caches.start()
        return time.perf_counter() - began


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each write run")
    parser.add_argument("--runs", type=count, default=3, help="runs of which the median is printed")
    parser.add_argument("--objects", type=count, nargs="*", default=[10_000, 100_000], help="sizes to open")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kl-bench-") as name:
        directory = Path(name)
        for writers in (1, 16, 128):
            rates = [asyncio.run(writes_per_second(directory, writers, options.seconds)) for _ in range(options.runs)]
            print(f"{writers:4} writers: {statistics.median(rates):8.0f} writes/s")
        for objects in options.objects:
            path = directory / f"o{objects}" / "state.db"
            asyncio.run(fill(path, objects))
            times = [asyncio.run(seconds_to_open(path)) for _ in range(options.runs)]
            print(f"{objects:6} objects: {statistics.median(times):6.2f} s to open")


if __name__ == "__main__":
    main()
