"""The same question to kube-lite and to the real kubectl: the same answer, to the blank."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.beside import KUBECTL, needs_kubectl
from tests.cli.conftest import Said

KL = Callable[..., Said]
pytestmark = needs_kubectl

_TIMES = re.compile(r"\b(?:\d+[dhms]){1,2}\b|\d\d:\d\d:\d\d|\d{6}Z|Resource Version:\s+\d+|resourceVersion\W+\d+")


def _steady(text: str) -> list[str]:
    """Lines without what differs from one second to the next, nor the blanks that depend on it."""
    return [re.sub(r" {2,}|-{3,}", "  ", _TIMES.sub("T", line)) for line in text.splitlines()]


@pytest.fixture
def workload(kl: KL, namespace: str) -> str:
    """A namespace with a Deployment and what belongs to it."""
    assert kl("create", "deployment", "web", "--image=nginx:1", "--port=80", "--replicas=2", "-n", namespace).code == 0
    assert kl("create", "service", "clusterip", "web", "--tcp=80:8080", "-n", namespace).code == 0
    assert kl("create", "configmap", "settings", "--from-literal=a=b", "-n", namespace).code == 0
    assert kl("rollout", "status", "deploy/web", "-n", namespace).code == 0
    return namespace


def test_get_and_describe_print_what_kubectl_prints(kl: KL, workload: str, kubeconfig: Path) -> None:
    for words in (
        "get pods,deployments,rs,services",
        "get pods -o wide",
        "get all",
        "get deploy web -o yaml",
        "get deploy,svc -o json",
        "get pods -o name",
        "get pods --show-labels --sort-by=.metadata.name",
        "get pods -L app,pod-template-hash --no-headers",
        "get deploy -o custom-columns=NAME:.metadata.name,REPLICAS:.spec.replicas",
        "get pods -o jsonpath={.items[*].spec.containers[0].image}",
        "get nodes -o wide",
        "get ingress",
        "get pod nosuch",
        "describe pods -l app=web",
        "describe deploy web",
        "describe rs -l app=web",
        "describe svc web",
        "describe cm settings",
        "describe node sim-1",
        "describe lease sim-1 -n kube-node-lease",
        "rollout history deploy web",
        "delete pod nosuch",
    ):
        arguments = words.split()
        if "-n" not in arguments:
            arguments += ["-n", workload]
        kubectl = [KUBECTL, "--kubeconfig", str(kubeconfig), "--cache-dir", str(kubeconfig.parent / "cache")]
        done = subprocess.run([*kubectl, *arguments], capture_output=True, text=True, timeout=30, check=False)
        said = kl(*arguments)
        assert _steady(said.out) == _steady(done.stdout), words
        assert said.err.strip() == done.stderr.strip(), words
        assert said.code == done.returncode, words
