"""What is answered where no executor keeps a channel: the refusals of a server that dials kubelets."""

from __future__ import annotations

import socket

import anyio
import pytest

from kube_lite import clock, errors
from kube_lite.api import kubelets
from kube_lite.api.plane import Plane
from kube_lite.resources.meta import Obj
from tests.api.wire import call
from tests.plane import admin, started_plane


def node(*addresses: tuple[str, str], port: int = 0) -> Obj:
    listed = [{"type": kind, "address": address} for kind, address in addresses]
    status = {"addresses": listed, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
    return {"metadata": {"name": "n"}, "status": status}


def test_the_best_address_is_taken() -> None:
    told = node(("ExternalIP", "1.2.3.4"), ("InternalIP", "10.0.0.1"), ("InternalIP", "10.0.0.2"), port=10250)
    assert kubelets.endpoint(told) == ("10.0.0.1", 10250)
    assert kubelets.endpoint(node(("Hostname", "h"))) is None
    with pytest.raises(errors.Unspecified, match=r"no preferred addresses found; known addresses: \[\]"):
        kubelets.endpoint(node())


def test_where_nobody_listens_the_refusal_is_told_in_gos_words() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        told = anyio.run(kubelets.dial, "127.0.0.1", port)
        assert told == f"dial tcp 127.0.0.1:{port}: connect: connection refused"
        free.listen()
        assert anyio.run(kubelets.dial, "127.0.0.1", port) == ""


@pytest.mark.parametrize("path", ["exec?command=ls", "attach", "portforward?ports=80"])
def test_connections_to_pods_want_an_upgrade(path: str) -> None:
    async def story() -> None:
        plane: Plane = await started_plane(disabled=["ServiceAccount"])
        pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}}
        await admin(plane).create("pods", pod, "default")
        answer = await call(plane.app, "GET", f"/api/v1/namespaces/default/pods/p/{path}")
        assert answer.refusal() == (400, "BadRequest")
        assert answer.json()["message"] == "Upgrade request required"
        asked = {"connection": "Upgrade", "upgrade": "SPDY/3.1"}
        answer = await call(plane.app, "POST", f"/api/v1/namespaces/default/pods/p/{path}", b"", asked)
        assert (answer.code, answer.json()["message"]) == (
            500,
            f"{path.split('?')[0]} is not there yet in this version of kube-lite (logs are)",
        )

    clock.run_virtual(story())
