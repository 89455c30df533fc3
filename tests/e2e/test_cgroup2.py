"""The whole story on cgroup v2: a Deployment becomes available, limits hold, an OOM is told, nothing is left.

Machines with cgroup v1 skip it; ``make test-cgroup2`` runs it in a virtual machine, where everything is some twenty
times slower: hence the long waits. It uses kube-lite's own command line, as the machine need not have kubectl.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kube_lite.node.linux.cgroups import Cgroups
from tests.e2e.test_real_node import container, fetch, pod, web
from tests.support.machine import footprint, kinds
from tests.support.running import REPOSITORY, Server, eventually, own_ranges

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a real node"),
    pytest.mark.skipif(
        Cgroups.detect("kl").version != 2, reason="cgroup v1 here: make test-cgroup2 has its own kernel"
    ),
]

PATIENCE = 300.0
TOP = Path("/sys/fs/cgroup")


def _cli(server: Server, *arguments: str, stdin: str = "") -> str:
    command = [sys.executable, "-m", "kube_lite", *arguments]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "KUBECONFIG": str(server.kubeconfig)}
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=env)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nthe server said:\n{server.err}"
    return done.stdout


def _json(server: Server, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_cli(server, "get", *arguments, "-o", "json"))
    return found


def _group(uid: str, name: str) -> Path:
    [found] = [Path(directory) for directory, _, _ in os.walk(TOP) if directory.endswith(f"{uid}/{name}")]
    return found


def test_a_deployment_runs_within_its_limits_and_leaves_nothing(tmp_path: Path) -> None:
    name = f"kl-v2-{os.getpid()}"
    before = footprint(name, tmp_path)
    server = Server("up", tmp_path / "data", "--node-name", name, *own_ranges(), seconds=PATIENCE)
    try:
        limits = {"requests": {"cpu": "500m"}, "limits": {"cpu": "1", "memory": "128Mi"}}
        _cli(server, "apply", "-f", "-", stdin=web(resources=limits))
        try:
            _cli(server, "rollout", "status", "deployment/web", f"--timeout={PATIENCE:.0f}s")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{_cli(server, 'describe', 'pods')}") from None
        address = _json(server, "service", "web")["spec"]["clusterIP"]
        pods = {item["metadata"]["name"]: item for item in _json(server, "pods")["items"]}
        answered: set[str] = set()

        def all_answered() -> bool:
            answered.add(fetch(address))
            return set(pods) <= answered

        eventually(all_answered, PATIENCE)
        for item in pods.values():
            group = _group(item["metadata"]["uid"], "web.0")
            values = [(group / file).read_text().strip() for file in ("cpu.weight", "cpu.max", "memory.max")]
            assert values == ["59", "100000 100000", str(128 << 20)]
        greedy = container("c", "a = bytearray(200_000_000)", resources={"limits": {"memory": "32Mi"}})
        _cli(server, "apply", "-f", "-", stdin=pod("greedy", greedy, restartPolicy="Never"))
        eventually(lambda: _json(server, "pod", "greedy")["status"]["phase"] == "Failed", PATIENCE)
        [ended] = _json(server, "pod", "greedy")["status"]["containerStatuses"]
        assert (ended["state"]["terminated"]["reason"], ended["state"]["terminated"]["exitCode"]) == ("OOMKilled", 137)
        made = footprint(name, tmp_path) - before
        assert kinds(made) >= {"process", "mount", "netns", "link", "nft", "cgroup"}
    finally:
        code = server.stop(PATIENCE)
    assert code == 0, server.err
    assert "cgroup" not in server.err, server.err
    eventually(lambda: not footprint(name, tmp_path) & made, PATIENCE)
