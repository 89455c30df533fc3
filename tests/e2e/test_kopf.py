"""A real operator, written with kopf, against a real server: what every operator relies on must hold."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPERATOR = Path(__file__).with_name("operator_for_kopf.py")
PATIENCE = 40.0
"""Seconds that a step may take on a busy machine; usually it is a fraction of one."""
FINALIZER = "kopf.zalando.org/KopfFinalizerMarker"
WIDGETS = "/apis/kopf.example.com/v1/namespaces/default/widgets"
MERGE = "application/merge-patch+json"

pytestmark = pytest.mark.timeout(240)


@dataclass
class Server:
    """A running server and a token for it."""

    url: str
    kubeconfig: Path

    def request(self, method: str, path: str, body: Any = None, media: str = "application/json") -> tuple[int, Any]:
        """Status code and decoded answer."""
        headers = {"Authorization": "Bearer admin-token", "Content-Type": media}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, method=method, data=data, headers=headers)
        context = ssl._create_unverified_context()
        try:
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def _eventually(what: str, holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"never: {what}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    tokens = tmp_path / "tokens"
    tokens.write_text('admin-token,admin,admin-uid,"system:masters"\n')
    data = tmp_path / "data"
    log = (tmp_path / "server.log").open("wb")
    command = [sys.executable, "-m", "kube_lite", "server", "--data-dir", str(data), "--listen", "127.0.0.1:0"]
    command += ["--token-auth-file", str(tokens), "--controllers", "", "--no-scheduler"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=ROOT)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert line.startswith("ready: "), (tmp_path / "server.log").read_text()
        yield Server(line.split()[1], data / "admin.kubeconfig")
    finally:
        _stop(process)
        log.close()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def operator(server: Server, tmp_path: Path) -> Iterator[Path]:
    """The operator's output; it runs once the definition is there."""
    size = {"type": "integer"}
    spec = {"type": "object", "properties": {"size": size}}
    schema = {"type": "object", "properties": {"spec": spec}, "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.kopf.example.com"},
        "spec": {
            "group": "kopf.example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }
    code, answer = server.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    assert code == 201, answer
    output = tmp_path / "operator.log"
    with output.open("wb") as log:
        command = [sys.executable, "-m", "kopf", "run", "--standalone", "--namespace", "default", str(OPERATOR)]
        environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig)}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            yield output
        finally:
            _stop(process)


def test_an_operator_sees_a_resource_made_changed_and_deleted(server: Server, operator: Path) -> None:
    widget = {"apiVersion": "kopf.example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}}
    code, answer = server.request("POST", WIDGETS, widget)
    assert code == 201, answer

    def current() -> dict[str, Any]:
        code, found = server.request("GET", f"{WIDGETS}/w")
        return found if code == 200 else {}

    try:
        _eventually("status after creation", lambda: current().get("status", {}).get("made") == 1)
        assert current()["metadata"]["finalizers"] == [FINALIZER]
        assert current()["metadata"]["generation"] == 1, "a write to /status is no change of what is wanted"

        code, answer = server.request("PATCH", f"{WIDGETS}/w", {"spec": {"size": 2}}, MERGE)
        assert code == 200, answer
        _eventually("status after a change", lambda: current().get("status", {}).get("resized") == "1 to 2")

        code, answer = server.request("DELETE", f"{WIDGETS}/w")
        assert code == 200, answer
        _eventually("the object to go", lambda: not current())
        assert b"cleaned up after w" in operator.read_bytes()
    except AssertionError as error:
        raise AssertionError(f"{error}\n{operator.read_text()}") from error
