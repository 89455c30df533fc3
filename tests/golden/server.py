"""Starts what a replay needs: a server in a process of its own, and the shared fake kubelet for nodes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.golden.replay import CORPUS, TOKENS

ROOT = Path(__file__).resolve().parents[2]
STARTED_WITHIN = 60.0
"""Seconds in which a server must answer; it needs two on an idle machine."""
_KUBELET = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); import compare_stories; "
    "sys.modules['record'] = compare_stories; sys.argv = sys.argv[1:]; "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
"""The fake kubelet takes its client from the program under its earlier name, ``record``."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(f"{url}/readyz", headers={"Authorization": "Bearer admin-token"})
    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(request, context=context):
            return
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start: {log.read_text(encoding='utf-8')[-2000:]}")


@contextlib.contextmanager
def serving(directory: Path, *, controllers: bool = False) -> Iterator[str]:
    """A server as the corpus was recorded from (see its README); gives its URL.

    :param controllers: with controllers, scheduler and the fake kubelet's three nodes
    """
    tokens = directory / "tokens"
    tokens.write_text(TOKENS, encoding="utf-8")
    url = f"https://127.0.0.1:{_free_port()}"
    command = [sys.executable, "-m", "kube_lite", "server", "--data-dir", str(directory / "data")]
    command += ["--listen", url.removeprefix("https://"), "--token-auth-file", str(tokens)]
    command += ["--disable-admission-plugins", "ServiceAccount", "--service-cluster-ip-range", "10.96.0.0/16"]
    command += ["--node-monitor-grace-period", "16"]  # a story waits 40 s for a node to be missed
    if not controllers:
        command += ["--controllers", "", "--no-scheduler"]
    log = directory / "server.log"
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(_process(command, log))
        _wait_until_ready(url, process, log)
        if controllers:
            kubelet = [sys.executable, "-c", _KUBELET, str(CORPUS), str(CORPUS / "fake_kubelet.py"), url, "admin-token"]
            stack.enter_context(_process(kubelet, directory / "kubelet.log"))
        yield url
