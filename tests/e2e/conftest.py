"""Servers that the end-to-end tests share: a control plane with simulated nodes, and a cluster with a real node."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.linux.images.registry import install
from tests.support.kubectl import Kubectl, newest
from tests.support.running import Server, own_ranges


@pytest.fixture(scope="session")
def program() -> Path:
    """The newest kubectl of the machine."""
    path = newest()
    if path is None:
        pytest.skip("no kubectl on this machine; name one in $KUBECTL")
    return path


def _ended_well(server: Server) -> None:
    """Stop a server that tests have shared, and show all that it complained about if anything went wrong."""
    code = server.stop()
    if code != 0 or "Traceback" in server.err:
        # an assertion would cut long texts, and its comparison hides where the text begins
        pytest.fail(f"a shared server ended with {code} and said:\n{server.err}", pytrace=False)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A control plane with three simulated nodes; needs no root."""
    server = Server("server", tmp_path_factory.mktemp("simulated") / "data", "--sim-nodes", "3", "--seed", "1")
    yield server
    _ended_well(server)


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``kube-lite up``: a control plane and one real node."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a real node")
    install("nftables", "nft")
    name = f"kl-e2e-{secrets.token_hex(3)}"
    server = Server("up", tmp_path_factory.mktemp("real") / "data", "--node-name", name, *own_ranges())
    yield server
    _ended_well(server)


def _in_namespace(server: Server, program: Path, name: str) -> Iterator[Kubectl]:
    kubectl = Kubectl(program, server.kubeconfig, name)
    kubectl("create", "namespace", name)
    yield kubectl
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def kubectl(simulated: Server, program: Path) -> Iterator[Kubectl]:
    """kubectl against simulated nodes, in a namespace of its own."""
    yield from _in_namespace(simulated, program, f"t-{secrets.token_hex(3)}")


@pytest.fixture
def on_node(real: Server, program: Path) -> Iterator[Kubectl]:
    """kubectl against the real node, in a namespace of its own."""
    yield from _in_namespace(real, program, f"t-{secrets.token_hex(3)}")
