"""Every story of ``stories`` with the kubectls of this machine, against one server with simulated nodes.

The newest and the oldest program run in ``make test``, all the others in ``make test-long``.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import secrets
import select
import shlex
import subprocess
from pathlib import Path
from typing import IO

import pytest
from _pytest.mark import ParameterSet

from kube_lite.api.certs import Authority
from tests.e2e.stories import applying, changing, creating, describing, nodes, reading, rollouts
from tests.e2e.stories.story import Row, Story
from tests.support.kubectl import Kubectl, installed
from tests.support.running import Server, eventually

STORIES = [s for part in (creating, applying, reading, changing, rollouts, nodes, describing) for s in part.STORIES]


def versions() -> list[ParameterSet]:
    """A case for each program: the newest in ``make test``."""
    programs = list(installed())
    return [pytest.param(v, id=v, marks=[] if v == programs[-1] else [pytest.mark.long]) for v in programs]


def cases() -> list[ParameterSet]:
    """A case for each program and story; none where there is no kubectl."""
    return [
        pytest.param(*program.values, story, id=f"{program.id}-{story.name.replace(' ', '-')}", marks=program.marks)
        for program in versions()
        for story in STORIES
    ]


@pytest.fixture(scope="session")
def key_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a certificate and its key, for secrets of type tls."""
    directory = tmp_path_factory.mktemp("pair")
    made = Authority(directory / "pki").server_pair(["x.example"])
    (directory / "tls.crt").write_bytes(made.certificate.read_bytes())
    (directory / "tls.key").write_bytes(made.key.read_bytes())
    return directory


def told(row: Row, kubectl: Kubectl, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run one row's command."""
    arguments = shlex.split(row.arguments.replace("DIR", str(directory)))
    settings = dict(row.settings)
    if row.editor:
        script = directory / "editor.sed"
        script.write_text(row.editor + "\n")
        settings["KUBE_EDITOR"] = f"sed -i -f {script}"
    return subprocess.run(
        kubectl.command(*(a.replace("NS", kubectl.namespace) for a in arguments)),
        input=row.stdin.replace("NS", kubectl.namespace),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **settings},
    )


def holds(row: Row, kubectl: Kubectl, directory: Path) -> bool:
    """True. :raises AssertionError: it did not say what it should"""
    done = told(row, kubectl, directory)
    said = done.stdout + done.stderr
    shown = f"kubectl {row.arguments}\nexit {done.returncode}, wanted {row.code}\n{said}"
    assert done.returncode == row.code, shown
    for pattern in row.patterns():
        wanted = pattern.replace("NS", kubectl.namespace)
        assert re.search(wanted, said, re.M), f"{shown}\nwanted: {wanted}"
    return True


@pytest.mark.parametrize(("version", "story"), cases())
def test_kubectl(version: str, story: Story, simulated: Server, key_pair: Path, tmp_path: Path) -> None:
    namespace = f"s-{secrets.token_hex(3)}"
    kubectl = Kubectl(installed()[version], simulated.kubeconfig, namespace)
    kubectl("create", "namespace", namespace)
    for name, text in story.files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("NS", namespace))
    for path in key_pair.glob("tls.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    minor = int(version.split(".")[1])
    try:
        for row in story.rows:
            if not row.since <= minor <= row.until:
                continue
            if row.eventually:
                eventually(functools.partial(holds, row, kubectl, tmp_path))
            else:
                holds(row, kubectl, tmp_path)
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.parametrize("version", versions())
def test_a_watch_prints_tables_that_go_on(version: str, simulated: Server) -> None:
    namespace = f"s-{secrets.token_hex(3)}"
    kubectl = Kubectl(installed()[version], simulated.kubeconfig, namespace)
    kubectl("create", "namespace", namespace)
    kubectl("create", "configmap", "cm", "--from-literal=a=1")
    with (
        kubectl.running("get", "configmap", "cm", "-w", "--output-watch-events") as table,
        kubectl.running("get", "configmaps", "--watch-only", "-o", "name") as names,
    ):
        assert table.readline().split() == ["EVENT", "NAME", "DATA", "AGE"]
        assert table.readline().split()[:3] == ["ADDED", "cm", "1"]
        eventually(functools.partial(_heard, kubectl, names))
        kubectl("patch", "configmap", "cm", "-p", '{"data":{"b":"2"}}')
        assert table.readline().split()[:3] == ["MODIFIED", "cm", "2"]
        kubectl("delete", "configmap", "cm")
        assert table.readline().split()[:3] == ["DELETED", "cm", "2"]
    kubectl("delete", "namespace", namespace, "--wait=false")


def _heard(kubectl: Kubectl, names: IO[str]) -> bool:
    """Whether a watch of names hears of an object made now: it has begun."""
    made = f"seen-{secrets.token_hex(3)}"
    kubectl("create", "configmap", made)
    readable, _, _ = select.select([names], [], [], 2)
    return bool(readable) and "configmap/seen-" in names.readline()


@pytest.mark.parametrize("version", versions())
def test_a_proxy_forwards_plain_requests(version: str, simulated: Server) -> None:
    kubectl = Kubectl(installed()[version], simulated.kubeconfig)
    with kubectl.running("proxy", "--port=0") as said:
        found = re.search(r"^Starting to serve on (\S+)$", said.readline().strip())
        assert found is not None
        connection = http.client.HTTPConnection(found[1], timeout=20)
        connection.request("GET", "/api/v1/nodes/sim-0")
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["kind"]) == (200, "Node")
        connection.close()
