"""Figures of the API server, over HTTPS with a durable store; the load comes from this, a second process."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.client import Connection, Endpoint, endpoint

POD = {  # for no scheduler, so that a create is one write
    "metadata": {"name": "", "labels": {"app": "bench", "tier": "web"}},
    "spec": {
        "schedulerName": "none",
        "containers": [
            {
                "name": "c",
                "image": "nginx:1.27",
                "ports": [{"containerPort": 80}],
                "env": [{"name": "A", "value": "1"}],
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
            }
        ],
    },
}


@contextmanager
def server(*flags: str) -> Iterator[tuple[Path, subprocess.Popen[str], float]]:
    """A server in a fresh directory: the directory, the process, and seconds from start to ready."""
    with tempfile.TemporaryDirectory(prefix="kube-lite-bench-") as directory:
        start = time.perf_counter()
        args = [sys.executable, "-m", "kube_lite", "server", "--data-dir", directory, "--listen", "127.0.0.1:0"]
        # with byte code kept, as where it is installed
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        process = subprocess.Popen([*args, *flags], stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready:"), line
        taken = time.perf_counter() - start
        try:
            yield Path(directory), process, taken
        finally:
            process.terminate()
            process.wait(20)


def rss_mib(pid: int) -> float:
    """Resident memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def cpu_seconds(pid: int) -> float:
    """CPU time used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def spread(
    target: Endpoint, clients: int, count: int, one: Callable[[Connection, int], Awaitable[None]]
) -> tuple[float, list[float]]:
    """``count`` calls over ``clients`` connections: calls per second, and each call's seconds."""
    numbers = iter(range(count))
    times: list[float] = []

    async def worker() -> None:
        connection = await Connection.open(target)
        for number in numbers:
            start = time.perf_counter()
            await one(connection, number)
            times.append(time.perf_counter() - start)
        connection.close()

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(clients)))
    return count / (time.perf_counter() - start), times


def pod(number: int) -> bytes:
    """A pod as a client would send it."""
    return json.dumps({**POD, "metadata": {**POD["metadata"], "name": f"bench-{number}"}}).encode()  # type: ignore[dict-item]


async def create_pod(connection: Connection, number: int) -> None:
    """POST one pod."""
    status, body = await connection.request("POST", "/api/v1/namespaces/default/pods", pod(number))
    assert status == 201, body


async def get_pod(connection: Connection, number: int) -> None:
    """GET one pod."""
    status, _ = await connection.request("GET", f"/api/v1/namespaces/default/pods/bench-{number % 500}")
    assert status == 200


def percentile(values: list[float], share: float) -> float:
    """A percentile of unsorted values."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


async def wait_for_account(target: Endpoint) -> None:
    """Until the default ServiceAccount is there, without which no pod is admitted."""
    connection = await Connection.open(target)
    while (await connection.request("GET", "/api/v1/namespaces/default/serviceaccounts/default"))[0] != 200:  # noqa: ASYNC110  # the server is another process
        await asyncio.sleep(0.05)
    connection.close()


async def load_all(directory: Path) -> None:
    """Ask for what is loaded when it is first asked for."""
    connection = await Connection.open(endpoint(directory / "admin.kubeconfig"))
    status, _ = await connection.request("GET", "/docs")
    assert status == 200
    connection.close()


async def creates_and_gets(directory: Path, pid: int, pods: int) -> dict[str, float]:
    """Calls per second with 16 clients, and the server's CPU microseconds for each, of one server."""
    target = endpoint(directory / "admin.kubeconfig")
    await wait_for_account(target)
    found: dict[str, float] = {}
    for name, count, one in (("create", pods, create_pod), ("get", 2 * pods, get_pod)):
        before = cpu_seconds(pid)
        found[f"{name}_per_second"], times = await spread(target, 16, count, one)
        found[f"{name}_cpu_us"] = (cpu_seconds(pid) - before) / count * 1e6
        found[f"{name}_p99_ms"] = percentile(times, 0.99) * 1000
    return found


async def list_ms(directory: Path, pid: int, pods: int) -> dict[str, float]:
    """Milliseconds for a list of ``pods`` pods as JSON over TLS, from request to last byte: median of 9."""
    connection = await Connection.open(endpoint(directory / "admin.kubeconfig"))
    lists, before = [], cpu_seconds(pid)
    for _ in range(9):
        start = time.perf_counter()
        status, body = await connection.request("GET", "/api/v1/namespaces/default/pods")
        lists.append((time.perf_counter() - start) * 1000)
        assert status == 200
        assert body.count(b'"name":"bench-') >= pods
    connection.close()
    return {"list_ms": statistics.median(lists), "list_cpu_ms": (cpu_seconds(pid) - before) / 9 * 1000}


APPLIED = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "applied"},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "a"}},
        "template": {
            "metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "c", "image": "i:1", "env": [{"name": "A", "value": "0"}]}]},
        },
    },
}


async def _apply(connection: Connection, number: int) -> None:
    name, value = f"applied-{number % 64}", str(number)
    path = f"/apis/apps/v1/namespaces/default/deployments/{name}?fieldManager=bench&force=true"
    body = json.dumps(APPLIED).replace('"applied"', f'"{name}"').replace('"value": "0"', f'"value": "{value}"')
    status, answer = await connection.request("PATCH", path, body.encode(), "application/apply-patch+yaml")
    assert status in (200, 201), answer


async def apply_cpu_ms(directory: Path, pid: int) -> float:
    """CPU milliseconds of the server for one server-side apply of a Deployment that changes something, 16 clients."""
    target = endpoint(directory / "admin.kubeconfig")
    await spread(target, 16, 200, _apply)
    before, count = cpu_seconds(pid), 2000
    await spread(target, 16, count, _apply)
    return (cpu_seconds(pid) - before) / count * 1000


async def simulated(directory: Path, nodes: int, pods: int) -> float:
    """Pods per second from the first create to the last bind."""
    target = endpoint(directory / "admin.kubeconfig")
    await wait_for_account(target)
    connection = await Connection.open(target)
    while True:  # until all can take pods, and the controllers are done with them
        _, body = await connection.request("GET", "/api/v1/nodes")
        listed = json.loads(body)["items"]
        if len(listed) >= nodes and not any(node["spec"].get("taints") for node in listed):
            break
        await asyncio.sleep(0.5)

    async def create(one: Connection, number: int) -> None:
        wanted = json.loads(pod(number))
        del wanted["spec"]["schedulerName"]
        status, answer = await one.request("POST", "/api/v1/namespaces/default/pods", json.dumps(wanted).encode())
        assert status == 201, answer

    connection.close()  # a server closes one that was idle for long
    start = time.perf_counter()
    await spread(target, 16, pods, create)
    connection = await Connection.open(target)
    while True:
        path = "/api/v1/namespaces/default/pods?limit=1&fieldSelector=spec.nodeName%3D"
        _, body = await connection.request("GET", path)
        if not json.loads(body)["items"]:
            break
        await asyncio.sleep(0.1)
    connection.close()
    return pods / (time.perf_counter() - start)
