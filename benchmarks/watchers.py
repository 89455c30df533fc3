"""Watchers: 1,000 that each receive 200 events a second, and the memory of idle ones.

A watcher is cheap: a protocol that counts events and notes how late the first and the last one of each piece are.
A delay is from before the write is sent to when the watcher has the event. A process that reads for a thousand
watchers is late itself: each waits behind the decryption of the others. So most watchers run in processes of their
own, and those that measure are few, spread evenly among the others, in a process that does nothing else.
"""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection as Connected
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.client import Connection, Endpoint, endpoint, unix_endpoint
from benchmarks.server import cpu_seconds, percentile, rss_mib

WATCH = "/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=0"
MARK = b'"sent":"'
WRITERS = 16
MEASURING = 50
"""Watchers of a fan-out that measure."""
GROUPS = 5
"""Processes with the other watchers."""


@dataclass
class Tally:
    """What all watchers have received."""

    events: int = 0
    delays: list[float] = field(default_factory=list)


class Watcher(asyncio.Protocol):
    """One watch. Events that straddle two reads are counted with the second."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(f"GET {WATCH} HTTP/1.1\r\nHost: kube\r\nUser-Agent: bench\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Count the events, and time the first and the last."""
        data = self._rest + data
        count = data.count(MARK)
        if count:
            now = time.time()
            first, last = data.index(MARK) + len(MARK), data.rindex(MARK) + len(MARK)
            if len(data) < last + 20:  # the last one's time is not here yet
                self._rest = data[last - len(MARK) :]
                count -= 1
            else:
                self._rest = b""
                self._tally.delays.append(now - float(data[last : last + 17]))
            if count:
                self._tally.delays.append(now - float(data[first : first + 17]))
                self._tally.events += count
        else:
            self._rest = data[-len(MARK) :]


async def open_watchers(target: Endpoint, count: int, tally: Tally) -> list[Watcher]:
    """So many watches, 50 handshakes at a time."""
    loop = asyncio.get_running_loop()

    async def one() -> Watcher:
        if target.path:
            return (await loop.create_unix_connection(lambda: Watcher(tally), target.path))[1]
        made = await loop.create_connection(lambda: Watcher(tally), target.host, target.port, ssl=target.context)
        return made[1]

    watchers: list[Watcher] = []
    while len(watchers) < count:
        watchers += await asyncio.gather(*(one() for _ in range(min(50, count - len(watchers)))))
    await asyncio.sleep(2)
    return watchers


async def settled(pid: int) -> float:
    """Resident memory once it no longer grows."""
    last = rss_mib(pid)
    for _ in range(20):
        await asyncio.sleep(1)
        now = rss_mib(pid)
        if abs(now - last) < 0.05:
            return now
        last = now
    return last


async def idle_memory(directory: Path, pid: int, count: int) -> dict[str, float]:
    """KiB of resident memory that one idle watcher costs, over the unix socket and with TLS."""
    found = {}
    targets = {"plain": unix_endpoint(directory / "api.sock"), "tls": endpoint(directory / "admin.kubeconfig")}
    for name, target in targets.items():
        for watcher in await open_watchers(target, 20, Tally()):  # what the first ones load is not theirs
            watcher.transport.close()
        before = await settled(pid)
        watchers = await open_watchers(target, count, Tally())
        found[f"idle_{name}_kib"] = (await settled(pid) - before) * 1024 / count
        for watcher in watchers:
            watcher.transport.close()
        await asyncio.sleep(2)
    return found


async def _write(target: Endpoint, rate: float, start: float, seconds: float, number: int) -> int:
    """Patch one ConfigMap ``rate`` times a second; how many were written."""
    connection = await Connection.open(target)
    name = f"beat-{number}"
    body = json.dumps({"metadata": {"name": name}, "data": {"at": "0"}}).encode()
    await connection.request("POST", "/api/v1/namespaces/default/configmaps", body)
    path = f"/api/v1/namespaces/default/configmaps/{name}"
    done = 0
    while (now := time.perf_counter()) < start + seconds:
        due = start + (done + number / WRITERS) / rate
        if now < due:
            await asyncio.sleep(due - now)
        patch = json.dumps({"data": {"sent": f"{time.time():.6f}"}}).encode()
        status, answer = await connection.request("PATCH", path, patch, "application/merge-patch+json")
        assert status == 200, answer
        done += 1
    connection.close()
    return done


async def _write_all(target: Endpoint, rate: float, seconds: float) -> int:
    start = time.perf_counter() + 0.5
    written = await asyncio.gather(*(_write(target, rate / WRITERS, start, seconds, n) for n in range(WRITERS)))
    return sum(written)


def write_all(source: Path, rate: float, seconds: float) -> int:
    """Write ``rate`` events a second over ``source`` (a kubeconfig); how many. Runs in a process of its own."""
    return uvloop.run(_write_all(endpoint(source), rate, seconds))


async def _hold(target: Endpoint, count: int, pipe: Connected) -> None:
    tally = Tally()
    watchers = await open_watchers(target, count, tally)
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pipe.fileno(), told.set)
    pipe.send(0)
    await told.wait()
    pipe.send(tally.events)
    for watcher in watchers:
        watcher.transport.close()


def hold(source: Path, count: int, pipe: Connected) -> None:
    """Watchers that only count, in this process: tells when they are there, and how many events they had when asked."""
    uvloop.run(_hold(endpoint(source), count, pipe))


async def fan_out(directory: Path, pid: int, count: int, rate: int, seconds: float) -> dict[str, float]:
    """Delay and CPU with ``count`` watchers over TLS that each receive ``rate`` events a second."""
    kubeconfig = directory / "admin.kubeconfig"
    tally = Tally()
    spawn, loop = get_context("spawn"), asyncio.get_running_loop()
    watchers, pipes = [], []
    for _ in range(GROUPS):
        pipe, theirs = spawn.Pipe()
        others = count // GROUPS - MEASURING // GROUPS
        spawn.Process(target=hold, args=(kubeconfig, others, theirs), daemon=True).start()
        await loop.run_in_executor(None, pipe.recv)
        watchers += await open_watchers(endpoint(kubeconfig), MEASURING // GROUPS, tally)
        pipes.append(pipe)
    start, cpu = time.perf_counter(), cpu_seconds(pid)
    with ProcessPoolExecutor(1, mp_context=spawn) as writer:
        sent = await loop.run_in_executor(writer, write_all, kubeconfig, rate, seconds)
    taken = time.perf_counter() - start
    await asyncio.sleep(2)
    cpu = cpu_seconds(pid) - cpu
    events = tally.events
    for pipe in pipes:
        pipe.send(0)
        events += await loop.run_in_executor(None, pipe.recv)
    for watcher in watchers:
        watcher.transport.close()
    return {
        "events_per_second": sent / seconds,
        "received_share": events / (sent * count),
        "delay_p50_ms": percentile(tally.delays, 0.5) * 1000,
        "delay_p99_ms": percentile(tally.delays, 0.99) * 1000,
        "cpu_us_per_delivery": cpu / (sent * count) * 1e6,
        "server_cpu_share": cpu / taken,
    }
