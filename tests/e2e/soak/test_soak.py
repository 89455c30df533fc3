"""After a while of everything coming and going the server holds as much as before: memory, files, tasks, disk."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.soak.calls import Line, Place
from tests.e2e.soak.churn import Round, churn
from tests.support.kubectl import Kubectl, installed
from tests.support.running import REPOSITORY, eventually, free_port

ROUNDS = 96
"""About three minutes of an idle machine's time."""
EVERY = 4
"""Rounds between two looks."""
WARM = slice(8, 12)
"""The looks that are compared: those of the rounds 32 to 48..."""
LATE = slice(20, 24)
"""...with those of the rounds 80 to 96."""
FLUCTUATION = 64
"""Objects of a type that may be there or not: caches are emptied when they are full, history when it is old."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


@dataclass
class Watched:
    """A server that tells what it holds."""

    process: subprocess.Popen[str]
    data: Path
    told: Path

    def resident(self) -> float:
        """Resident memory in MiB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024

    def look(self) -> dict[str, Any]:
        """What it holds now."""
        resident = self.resident()
        self.told.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        eventually(self.told.exists, 120)
        found: dict[str, Any] = json.loads(self.told.read_text())
        found["resident"] = resident
        found["stored"] = sum(file.stat().st_size for file in self.data.glob("kube-lite.db*")) / 2**20
        return found


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    data, told = tmp_path / "data", tmp_path / "told.json"
    command = [sys.executable, "-m", "tests.support.watched", str(told), "server", "--data-dir", str(data)]
    command += ["--listen", f"127.0.0.1:{free_port()}", "--sim-nodes", "3"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with (tmp_path / "err").open("w") as err:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=err, text=True, env=environment, cwd=tmp_path
        )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("ready:"), (tmp_path / "err").read_text()
        yield Watched(process, data, told)
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


async def calm(place: Place) -> None:
    """Wait until pods can be made."""
    line = await Line.open(place)
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    await Round(place, 0, line).until(path, lambda code, body: code == 200)
    line.drop()


def kubectls(watched: Watched, number: int) -> None:
    """The programs of this machine, one after the other; each asks for discovery and OpenAPI anew."""
    programs = list(installed().values())
    if programs:
        kubectl = Kubectl(programs[number % len(programs)], watched.data / "admin.kubeconfig")
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"k{number}"}, "data": {"a": "b"}}
        kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        kubectl("get", "pods,configmaps,nodes", "-A")
        kubectl("delete", "configmap", f"k{number}")
        shutil.rmtree(f"{watched.data / 'admin.kubeconfig'}-kubectl", ignore_errors=True)


def median(looks: list[dict[str, Any]], name: str) -> float:
    """Of one figure."""
    return float(statistics.median(look[name] for look in looks))


def grown(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Our own types, and generators and tasks of anybody, of which there are more: with both counts."""
    found = {}
    for name in {name for look in after for name in look["types"]}:
        if not name.startswith("kube_lite.") and name not in ("builtins.coroutine", "builtins.async_generator"):
            continue
        then, now = (statistics.median(look["types"].get(name, 0) for look in looks) for looks in (before, after))
        if now > then * 1.1 + FLUCTUATION:
            found[name] = then, now
    return found


def test_what_comes_and_goes_leaves_nothing(watched: Watched) -> None:
    place = Place.of(watched.data / "admin.kubeconfig", watched.data / "api.sock")
    asyncio.run(calm(place))
    looks: list[dict[str, Any]] = []
    for number in range(1, ROUNDS + 1):
        asyncio.run(churn(place, number))
        if number % EVERY == 0:
            kubectls(watched, number // EVERY)
            looks.append(watched.look())
            show = ("resident", "stored", "blocks", "malloc_used", "malloc_free", "files", "threads")
            print(number, {name: round(looks[-1][name], 1) for name in show}, flush=True)
    warm, late = looks[WARM], looks[LATE]
    rounds = (LATE.start - WARM.start) * EVERY
    assert not grown(warm, late)
    tasks = [sum(look["tasks"].values()) for look in looks]
    assert statistics.median(tasks[LATE]) <= statistics.median(tasks[WARM]) + 2, looks[-1]["tasks"]
    assert median(late, "files") <= median(warm, "files") + 2
    assert median(late, "threads") <= median(warm, "threads") + 1
    # a block is some 60 bytes; a round makes and removes some 80 objects by 500 requests
    assert (median(late, "blocks") - median(warm, "blocks")) / rounds < 200
    assert (median(late, "malloc_used") - median(warm, "malloc_used")) / rounds < 16 * 1024
    assert median(late, "resident") - median(warm, "resident") < 6
    assert median(late, "stored") <= median(warm, "stored") + 4
    audits = [file.stat().st_size for file in watched.data.glob("audit*")]
    assert len(audits) <= 11
    assert sum(audits) <= 11 * 512 * 1024
