"""Runs that are ended because the pod names another image: of sidecars too, at once each time, and of nothing else."""

from __future__ import annotations

import anyio

from tests.node.fake_runtime import Program
from tests.node.harness import Json, Node, container, pod, run, running_node


def _set_image(node: Node, field: str, image: str) -> None:
    obj = node.client.pod("p")
    obj["spec"][field][0]["image"] = image
    node.client.put("pods", obj)


def _restarts(node: Node, field: str) -> int:
    statuses: list[Json] = node.status()[field]
    return int(statuses[0]["restartCount"])


def test_a_sidecar_is_restarted_with_its_new_image_and_the_others_are_not() -> None:
    async def story() -> None:
        async with running_node() as node:
            side = container("side", image="one", restartPolicy="Always")
            node.client.put("pods", pod("p", container(image="app"), initContainers=[side]))
            await anyio.sleep(1)
            _set_image(node, "initContainers", "two")
            await anyio.sleep(1)
            assert node.status()["initContainerStatuses"][0]["image"] == "two"
            assert (_restarts(node, "initContainerStatuses"), _restarts(node, "containerStatuses")) == (1, 0)

    run(story)


def test_an_init_container_that_is_done_is_not_run_again() -> None:
    async def story() -> None:
        async with running_node() as node:
            node.runtime.programs["setup"] = Program(seconds=1, code=0)
            init = container("init", image="setup")
            node.client.put("pods", pod("p", container(image="app"), initContainers=[init]))
            await anyio.sleep(3)
            _set_image(node, "initContainers", "two")
            await anyio.sleep(3)
            assert (_restarts(node, "initContainerStatuses"), _restarts(node, "containerStatuses")) == (0, 0)
            assert node.status()["phase"] == "Running"

    run(story)


def test_each_new_image_starts_at_once() -> None:
    async def story() -> None:
        async with running_node() as node:
            node.client.put("pods", pod("p", container(image="v0")))
            await anyio.sleep(1)
            for number in range(1, 4):
                _set_image(node, "containers", f"v{number}")
                await anyio.sleep(0.5)
                assert node.status()["containerStatuses"][0]["image"] == f"v{number}"
                assert _restarts(node, "containerStatuses") == number

    run(story)


def test_a_pod_that_never_restarts_does_not_count_as_ended_while_its_new_image_starts() -> None:
    async def story() -> None:
        async with running_node() as node:
            node.client.put("pods", pod("p", container(image="one"), restartPolicy="Never"))
            await anyio.sleep(1)
            node.runtime.start_delay = 20.0
            _set_image(node, "containers", "two")
            await anyio.sleep(10)
            told = node.status()["containerStatuses"][0]
            assert "waiting" in told["state"]  # an end under this policy could not be taken back
            assert "terminated" in told["lastState"]
            assert node.status()["phase"] == "Running"
            await anyio.sleep(20)
            assert "running" in node.status()["containerStatuses"][0]["state"]

    run(story)
