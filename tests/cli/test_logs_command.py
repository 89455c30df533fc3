"""Which pods and containers a ``logs`` means, and what it asks of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kube_lite.cli import connection
from tests.cli.conftest import Said

KL = Callable[..., Said]


@pytest.fixture
def pods(kl: KL, namespace: str) -> str:
    """A namespace with two pods of a Deployment."""
    assert kl("create", "deployment", "web", "--image=a", "--image=b", "--replicas=2", "-n", namespace).code == 0
    assert kl("rollout", "status", "deploy/web", "-n", namespace).code == 0
    return namespace


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """What logs were asked for; simulated containers write none, so each answers with one line."""
    found: list[tuple[str, dict[str, str]]] = []

    def stream(api: Any, path: str, query: dict[str, str], accept: str = "") -> Any:
        found.append((path, query))
        yield b"hello\n"

    monkeypatch.setattr(connection.Api, "stream", stream)
    return found


def test_the_first_container_is_read_unless_another_is_named(kl: KL, pods: str, asked: list[Any]) -> None:
    name = kl("get", "pods", "-n", pods, "-o", "jsonpath={.items[0].metadata.name}").out
    said = kl("logs", name, "-n", pods, "--tail=5", "--since=2m", "--timestamps")
    assert said == (0, "hello\n", 'Defaulted container "a" out of: a, b\n')
    path = f"/api/v1/namespaces/{pods}/pods/{name}/log"
    assert asked == [(path, {"container": "a", "timestamps": "true", "tailLines": "5", "sinceSeconds": "120"})]
    kl("logs", f"pod/{name}", "-c", "b", "-p", "-n", pods)
    assert asked[-1] == (path, {"container": "b", "previous": "true"})
    assert kl("logs", name, "-c", "x", "-n", pods).err == f"error: container x is not valid for pod {name}\n"


def test_one_pod_of_a_deployment_or_all_with_a_label(kl: KL, pods: str, asked: list[Any]) -> None:
    said = kl("logs", "deploy/web", "-c", "a", "-n", pods)
    assert (said.code, said.out) == (0, "hello\n")
    assert said.err.startswith("Found 2 pods, using pod/web-")
    said = kl("logs", "-l", "app=web", "--all-containers", "--prefix", "-n", pods)
    assert len(said.out.splitlines()) == 4
    assert said.out.startswith("[pod/web-")
    assert asked[-1][1] == {"container": "b", "tailLines": "10"}
    followed = kl("logs", "-l", "app=web", "-f", "-n", pods)
    assert sorted(followed.out.splitlines()) == ["hello", "hello"]


def test_a_pod_that_does_not_exist(kl: KL) -> None:
    assert kl("logs", "none").err == 'Error from server (NotFound): pods "none" not found\n'
