"""The same commands to the real kubectl and to kube-lite, each in a namespace of its own: they must say the same.

A script is one command a line; ``NS`` in it stands for the namespace, ``NODE`` for a node of its own, and
`` <<< TEXT`` gives standard input.
"""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.conftest import Said

KL = Callable[..., Said]
CANDIDATES = ("/usr/lib/google-cloud-sdk/bin/kubectl.1.33", shutil.which("kubectl") or "")
KUBECTL = next((path for path in CANDIDATES if path and Path(path).exists()), "")
needs_kubectl = pytest.mark.skipif(not KUBECTL, reason="no kubectl on this machine")

_DIFFERS = (
    (re.compile(r"\b(?:\d+[dhms]){1,2}\b|\d{4}-\d\d-\d\dT[\d:.]+Z"), "T"),
    (re.compile(r"((?:uid|resourceVersion|generation|clusterIP|nodePort)\W+)[-\w.]+"), r"\1X"),
    (re.compile(r"(?m)^\s+- \d+\.\d+\.\d+\.\d+$"), "- IP"),
    (re.compile(r"(-[a-z0-9]{8,10})?-[bcdfghjklmnpqrstvwxz2456789]{5}\b"), "-RANDOM"),
    (re.compile(r" {2,}|-{3,}"), "  "),
)


class Beside:
    """Runs scripts twice, and compares."""

    def __init__(self, kl: KL, kubeconfig: Path, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._kl = kl
        self._kubectl = [KUBECTL, "--kubeconfig", str(kubeconfig), "--cache-dir", str(kubeconfig.parent / "cache")]
        self._monkeypatch = monkeypatch
        self.own, self.other = f"{namespace}-l"[-60:].strip("-"), f"{namespace}-k"[-60:].strip("-")
        self.nodes = {self.own: "sim-1", self.other: "sim-2"}

    def script(self, text: str) -> None:
        """Each line of ``text`` by both; code, output and errors must agree."""
        for line in filter(None, map(str.strip, text.splitlines())):
            command, _, given = line.partition(" <<< ")
            told = self._told(self._by_kubectl(self._words(command, self.other), given), self.other)
            own = self._told(self._by_kube_lite(self._words(command, self.own), given), self.own)
            assert own == told, f"{line}\nkubectl:   {told}\nkube-lite: {own}"

    def _by_kubectl(self, words: list[str], given: str) -> Said:
        done = subprocess.run([*self._kubectl, *words], capture_output=True, text=True, timeout=30, input=given)
        return Said(done.returncode, done.stdout, done.stderr)

    def _by_kube_lite(self, words: list[str], given: str) -> Said:
        self._monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(given.encode())))
        return self._kl(*words)

    def _words(self, command: str, namespace: str) -> list[str]:
        words = shlex.split(command.replace("NS", namespace).replace("NODE", self.nodes[namespace]))
        at = words.index("--") if "--" in words else len(words)
        return [*words[:at], "-n", namespace, *words[at:]]

    def _told(self, said: Said, namespace: str) -> Said:
        def steady(text: str) -> str:
            text = text.replace(namespace, "NS").replace(self.nodes[namespace], "NODE").replace("kube-lite", "kubectl")
            for pattern, instead in _DIFFERS:
                text = pattern.sub(instead, text)
            return "\n".join(line.rstrip() for line in text.strip().splitlines())

        return Said(said.code, steady(said.out), steady(said.err))
