"""DefaultBinder."""

from __future__ import annotations

from kube_lite import clock
from kube_lite.sched.plugins.default_binder import DefaultBinder
from tests.sched.cluster import BindingClient, info, pod_object


def test_the_pod_is_bound_through_its_binding() -> None:
    async def main() -> None:
        client = BindingClient()
        await client.create("pods", pod_object("p"), "ns")
        assert await DefaultBinder().bind(client, info("p"), "n1")
        assert client.node_of("p") == "n1"

    clock.run_virtual(main())
