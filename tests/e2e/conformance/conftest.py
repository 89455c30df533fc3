"""The server that these tests share, and a namespace for each."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.conformance.caller import Caller, unique
from tests.support.running import Server, eventually


@pytest.fixture(scope="session")
def api(simulated: Server) -> Iterator[Caller]:
    """The cluster's administrator, over the server's unix socket."""
    transport = httpx.HTTPTransport(uds=str(simulated.data_dir / "api.sock"))
    with httpx.Client(transport=transport, base_url="http://localhost", timeout=30.0) as http:
        yield Caller(http)


def _made(api: Caller) -> Iterator[str]:
    name = unique("conf")
    api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    eventually(lambda: api.send("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default").status_code == 200)
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def namespace(api: Caller) -> Iterator[str]:
    """A namespace of its own in which pods are admitted (its ServiceAccount is there), deleted afterwards."""
    yield from _made(api)


@pytest.fixture(scope="module")
def shared_namespace(api: Caller) -> Iterator[str]:
    """A namespace for the tests of one file that leave nothing in it."""
    yield from _made(api)
