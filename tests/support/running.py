"""kube-lite as a process of its own, started as a user starts it and stopped by SIGTERM."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

REPOSITORY = Path(__file__).resolve().parents[2]
READY = re.compile(r"^ready: (?P<url>\S+) kubeconfig: (?P<kubeconfig>\S+) \(\d+\.\d\d s\)$", re.M)
NODE_READY = re.compile(r"^ready: node (?P<name>\S+) \(\d+\.\d\d s\)$", re.M)

T = TypeVar("T")


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def own_ranges() -> list[str]:
    """Flags for pod and Service addresses of which no other cluster on this machine uses any.

    What others use shows in the routes, but only once their nodes are up: test processes that run beside each other
    (pytest-xdist) therefore choose from different numbers.
    """
    routes = [line.split()[1] for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    used = {int(route[4:6], 16) for route in routes if route.endswith("64")}  # 100.x.y.z, lowest byte first
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    free = [n for n in range(32) if n % workers == own % workers and not {64 + n, 96 + n} & used]
    number = random.SystemRandom().choice(free)
    return ["--cluster-cidr", f"100.{64 + number}.0.0/16", "--service-cluster-ip-range", f"100.{96 + number}.0.0/20"]


def eventually(look: Callable[[], T | None], seconds: float = 30.0, every: float = 0.05) -> T:
    """Call ``look`` until it returns something true; an AssertionError in it counts as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        problem: AssertionError | None = None
        try:
            if found := look():
                return found
        except AssertionError as error:
            problem = error
        if time.monotonic() > deadline:
            raise problem or AssertionError(f"did not become true within {seconds} s")
        time.sleep(every)


class KubeLite:
    """One ``kube-lite`` process."""

    def __init__(
        self,
        arguments: Sequence[str],
        directory: Path,
        *,
        inside: Sequence[str] = (),
    ) -> None:
        """:param directory: where its output goes; ``inside`` is a command to run it by (nsenter)"""
        directory.mkdir(parents=True, exist_ok=True)
        self._out, self._err = directory / "stdout", directory / "stderr"
        command = [*inside, sys.executable, "-m", "kube_lite", *arguments]
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=env, cwd=directory)

    @property
    def out(self) -> str:
        """What it has printed."""
        return self._out.read_text()

    @property
    def err(self) -> str:
        """What it has complained about."""
        return self._err.read_text()

    def wait_ready(self, line: re.Pattern[str] = READY, seconds: float = 60.0) -> re.Match[str]:
        """The line that it prints when it is ready. :raises AssertionError: it ended, or took too long"""

        def look() -> re.Match[str] | None:
            found = line.search(self.out)
            if found is None and self.process.poll() is not None:
                raise RuntimeError(f"ended with {self.process.returncode}: {self.err}")
            return found

        return eventually(look, seconds)

    def stop(self, seconds: float = 60.0) -> int:
        """End it as Ctrl-C or a service manager would; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop within {seconds} s of SIGTERM; it said: {self.err}") from None

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(10)


class Server(KubeLite):
    """A control plane, ready when made; with a real node when ``command`` is ``up``."""

    def __init__(
        self,
        command: str,
        data_dir: Path,
        *flags: str,
        listen: str = "",
        inside: Sequence[str] = (),
        seconds: float = 60.0,
    ) -> None:
        self.data_dir = data_dir
        self.listen = listen or f"127.0.0.1:{free_port()}"
        arguments = [command, "--data-dir", str(data_dir), "--listen", self.listen, *flags]
        super().__init__(arguments, data_dir.parent / f"{data_dir.name}-output", inside=inside)
        try:
            found = self.wait_ready(seconds=seconds)
        except BaseException:
            self.process.kill()
            raise
        self.url = found["url"]
        self.kubeconfig = Path(found["kubeconfig"])
