"""Pod created to Running on a real node: ``kube-lite up`` with the image that is built in. Needs root."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.client import Connection, endpoint
from benchmarks.server import wait_for_account

IMAGE = "kube-lite.local/python"
PODS = "/api/v1/namespaces/default/pods"


def _pod(name: str) -> bytes:
    command = ["python3", "-c", "import time; time.sleep(1000)"]
    container = {"name": "c", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": command}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    return json.dumps({"metadata": {"name": name}, "spec": spec}).encode()


async def _started(connection: Connection, watching: Connection, name: str) -> float:
    """Seconds from before the POST until a watcher sees the pod Running; the pod is deleted again."""
    began = time.perf_counter()
    status, answer = await connection.request("POST", PODS, _pod(name))
    assert status == 201, answer
    while True:
        size = int((await watching.reader.readline()).strip(), 16)
        chunk = await watching.reader.readexactly(size + 2)
        for line in chunk.splitlines():
            pod = json.loads(line)["object"] if line else {}
            if pod.get("metadata", {}).get("name") == name and pod.get("status", {}).get("phase") == "Running":
                taken = time.perf_counter() - began
                await connection.request("DELETE", f"{PODS}/{name}?gracePeriodSeconds=0")
                return taken


async def running_times(directory: Path, count: int) -> list[float]:
    """Seconds to Running of ``count`` pods, one after the other; the first of all is not counted."""
    target = endpoint(directory / "admin.kubeconfig")
    await wait_for_account(target)
    connection, watching = await Connection.open(target), await Connection.open(target)
    while not json.loads((await connection.request("GET", "/api/v1/nodes"))[1])["items"]:  # noqa: ASYNC110  # the server is another process
        await asyncio.sleep(0.1)
    watching.send("GET", f"{PODS}?watch=1")
    await watching.head()
    times = [await _started(connection, watching, f"run-{number}") for number in range(count + 1)]
    while json.loads((await connection.request("GET", PODS))[1])["items"]:  # noqa: ASYNC110  # the server is another process
        await asyncio.sleep(0.1)
    connection.close()
    watching.close()
    return times[1:]


def pods_running(count: int) -> list[float]:
    """As ``running_times``, of a cluster of its own. :raises PermissionError: not root"""
    if os.geteuid() != 0:
        raise PermissionError("a real node needs root")
    with tempfile.TemporaryDirectory(prefix="kl-bench-") as name:
        args = [sys.executable, "-m", "kube_lite", "up", "--data-dir", name, "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(args, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("ready:"):
                    break
            return asyncio.run(asyncio.wait_for(running_times(Path(name), count), 120))
        finally:
            process.terminate()
            process.wait(60)
