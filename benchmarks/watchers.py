"""Watchers: 1,000 that each receive 200 events a second, and the memory of idle ones."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from benchmarks.client import Connection, endpoint
from benchmarks.server import percentile, rss_mib


async def _watch(connection: Connection, delays: list[float], counts: list[int]) -> None:
    connection.send("GET", "/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=0")
    await connection.head()
    while True:
        size = int((await connection.reader.readline()).strip() or b"0", 16)
        if size == 0:
            return
        chunk = await connection.reader.readexactly(size + 2)
        now = time.time()
        for at in chunk.split(b'"sent":"')[1:]:
            counts[0] += 1
            delays.append(now - float(at[: at.index(b'"')]))


async def watchers(directory: Path, pid: int, count: int, rate: int, seconds: float) -> dict[str, float]:
    """Delay of events from the write's start to the watcher, and memory of an idle watcher.

    :param rate: events a second; each watcher receives all of them
    """
    target = endpoint(directory / "admin.kubeconfig")
    before = rss_mib(pid)
    connections = []
    for start in range(0, count, 50):
        connections += await asyncio.gather(*(Connection.open(target) for _ in range(min(50, count - start))))
    delays: list[float] = []
    counts = [0]
    tasks = [asyncio.create_task(_watch(c, delays, counts)) for c in connections]
    await asyncio.sleep(2)
    idle = (rss_mib(pid) - before) * 1024 / count
    writer = await Connection.open(target)
    body = {"metadata": {"name": "beat"}, "data": {"sent": "0"}}
    await writer.request("POST", "/api/v1/namespaces/default/configmaps", json.dumps(body).encode())
    delays.clear()
    counts[0] = 0
    started = time.perf_counter()
    sent = 0
    while (elapsed := time.perf_counter() - started) < seconds:
        if sent >= elapsed * rate:
            await asyncio.sleep(0.001)
            continue
        patch = json.dumps({"data": {"sent": f"{time.time():.6f}"}}).encode()
        path = "/api/v1/namespaces/default/configmaps/beat"
        status, answer = await writer.request("PATCH", path, patch, "application/merge-patch+json")
        assert status == 200, answer
        sent += 1
    await asyncio.sleep(1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "idle_watcher_kib": idle,
        "events_per_second": sent / seconds,
        "received_share": counts[0] / max(sent * count, 1),
        "delay_p99_ms": percentile(delays, 0.99) * 1000 if delays else float("inf"),
    }
