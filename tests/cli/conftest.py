"""A real server with three simulated nodes, as a process of its own, and the command line in this one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from kube_lite.cli.main import main

if TYPE_CHECKING:
    from tests.cli.beside import Beside

ROOT = Path(__file__).parents[2]


class Said(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The administrator's kubeconfig of a running server."""
    directory = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "kube_lite", "server", "--data-dir", str(directory), "--sim-nodes", "3"]
    # any address: the endpoints of the `kubernetes` Service may not be on the loopback
    command += ["--listen", "0.0.0.0:0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    log = directory / "server.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=ROOT) as server,
    ):
        assert server.stdout is not None
        ready = server.stdout.readline().decode()
        found = re.search(r"kubeconfig: (\S+)", ready)
        try:
            assert found is not None, f"not ready: {ready}{log.read_text()}"
            yield Path(found[1])
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)


@pytest.fixture
def kl(
    kubeconfig: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    """Runs one command in this process."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))

    def run(*words: str) -> Said:
        capsysbinary.readouterr()
        code = main(words)
        out, err = capsysbinary.readouterr()
        return Said(code, out.decode(), err.decode())

    return run


@pytest.fixture
def namespace(kl: Callable[..., Said], request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:60].strip("-")
    assert kl("create", "namespace", name).code == 0
    yield name
    kl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def beside(
    kl: Callable[..., Said], kubeconfig: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Beside]:
    """Two fresh namespaces, and what runs scripts in both."""
    from tests.cli.beside import Beside

    both = Beside(kl, kubeconfig, re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-"), monkeypatch)
    for name in (both.own, both.other):
        assert kl("create", "namespace", name).code == 0
    yield both
    for name in (both.own, both.other):
        kl("delete", "namespace", name, "--wait=false")
