"""The kubectl programs of this machine, and running one of them against a server."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

PLACES = ("/usr/lib/google-cloud-sdk/bin", "/usr/local/bin", "/usr/bin", "/snap/bin", "/opt/homebrew/bin")


@functools.cache
def installed() -> dict[str, Path]:
    """Every kubectl here: path by ``major.minor`` of what it says it is, oldest first.

    A plain ``kubectl`` may be a dispatcher that runs another one after asking the server; where programs
    with a version in their name stand beside it, they are taken instead.
    """
    found: dict[tuple[int, int], Path] = {}
    candidates = [path for place in PLACES for path in sorted(Path(place).glob("kubectl*"))]
    if os.environ.get("KUBECTL"):
        candidates.insert(0, Path(os.environ["KUBECTL"]))
    elif (which := shutil.which("kubectl")) is not None:
        candidates.append(Path(which))
    numbered = [path for path in candidates if path.name.startswith("kubectl.1.")]
    for path in numbered or candidates:
        done = subprocess.run([path, "version", "--client", "-o", "json"], capture_output=True, text=True)
        if done.returncode == 0:
            version = json.loads(done.stdout)["clientVersion"]
            found.setdefault((int(version["major"]), int(version["minor"].rstrip("+"))), path)
    return {f"{major}.{minor}": found[major, minor] for major, minor in sorted(found)}


def newest() -> Path | None:
    """The newest kubectl here, if any."""
    return list(installed().values())[-1] if installed() else None


@dataclass
class Kubectl:
    """One kubectl talking to one server in one namespace."""

    program: Path
    kubeconfig: Path
    namespace: str = "default"
    inside: Sequence[str] = ()
    """A command to run it by, to be in another network namespace."""

    def command(self, *arguments: str) -> list[str]:
        """The whole command line."""
        settings = [
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self.kubeconfig.parent}-kubectl",
            f"--namespace={self.namespace}",
        ]
        return [*self.inside, str(self.program), *settings, *arguments]

    def run(self, *arguments: str, stdin: str = "", timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run it, whatever its exit code."""
        return subprocess.run(
            self.command(*arguments), input=stdin, capture_output=True, text=True, timeout=timeout, env=_environment()
        )

    def __call__(self, *arguments: str, stdin: str = "", timeout: float = 60.0) -> str:
        """Run it; what it printed. :raises AssertionError: it failed"""
        done = self.run(*arguments, stdin=stdin, timeout=timeout)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def fails(self, *arguments: str, stdin: str = "") -> str:
        """Run it, expecting exit code 1; what it complained about."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 1, f"kubectl {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stderr

    def json(self, *arguments: str) -> Any:
        """``get ... -o json``, decoded."""
        return json.loads(self("get", *arguments, "-o", "json"))

    @contextmanager
    def running(self, *arguments: str) -> Iterator[IO[str]]:
        """Run it in the background, for ``-w`` and ``-f``: yields its output; killed at the end."""
        process = subprocess.Popen(self.command(*arguments), stdout=subprocess.PIPE, text=True, env=_environment())
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()
            process.stdout.close()
            process.wait(10)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
