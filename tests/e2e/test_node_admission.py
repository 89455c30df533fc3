"""A real node: pods bound past the scheduler that do not fit, and containers that are given another image."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.e2e.test_real_node import PYTHON, WEB, container, fetch, main_process, pod, status
from tests.support.kubectl import Kubectl
from tests.support.running import eventually

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a real node")]

SLEEP = "import time; time.sleep(600)"


def test_a_pod_that_does_not_fit_its_node_is_rejected_and_says_why(on_node: Kubectl) -> None:
    [node] = on_node.json("nodes")["items"]
    name, cpus = node["metadata"]["name"], int(node["status"]["allocatable"]["cpu"])
    greedy = container("c", SLEEP, resources={"requests": {"cpu": str(cpus + 1)}})
    on_node("apply", "-f", "-", stdin=pod("greedy", greedy, nodeName=name))
    on_node("wait", "pod/greedy", "--for=jsonpath={.status.phase}=Failed", "--timeout=30s")
    rejected = on_node.json("pod", "greedy")["status"]
    assert rejected["reason"] == "OutOfcpu"
    assert rejected["message"].startswith(
        f"Pod was rejected: Node didn't have enough resource: cpu, requested: {cpus + 1}000, used: "
    )
    assert on_node("get", "pod", "greedy", "--no-headers").split()[1:4] == ["0/1", "OutOfcpu", "0"]
    on_node(
        "apply", "-f", "-", stdin=pod("elsewhere", container("c", SLEEP), nodeName=name, nodeSelector={"no": "such"})
    )
    on_node("wait", "pod/elsewhere", "--for=jsonpath={.status.reason}=NodeAffinity", "--timeout=30s")
    on_node("delete", "pod", "greedy", "elsewhere")


def test_a_label_that_was_just_set_counts(on_node: Kubectl) -> None:
    [node] = on_node.json("nodes")["items"]
    name = node["metadata"]["name"]
    on_node("label", "node", name, "just=set")
    on_node("apply", "-f", "-", stdin=pod("new", container("c", SLEEP), nodeName=name, nodeSelector={"just": "set"}))
    on_node("wait", "pod/new", "--for=condition=Ready", "--timeout=30s")
    on_node("label", "node", name, "just-")


def test_a_container_that_is_given_another_image_runs_it(on_node: Kubectl) -> None:
    on_node("apply", "-f", "-", stdin=pod("p", container("c", SLEEP), restartPolicy="Never"))
    on_node("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    before = status(on_node, "p")
    on_node("set", "image", "pod/p", f"c={PYTHON}:other")
    eventually(lambda: status(on_node, "p")["restartCount"] == 1)
    eventually(lambda: status(on_node, "p")["ready"])
    after = status(on_node, "p")
    assert after["image"].endswith(":other")
    assert after["containerID"] != before["containerID"]
    assert "Container c definition changed, will be restarted" in on_node("describe", "pod", "p")


def test_a_pod_in_a_user_namespace_serves_and_is_nobody_on_the_machine(on_node: Kubectl) -> None:
    on_node("apply", "-f", "-", stdin=pod("apart", container("c", WEB), hostUsers=False))

    def begun() -> dict[str, Any] | None:
        state: dict[str, Any] = status(on_node, "apart").get("state", {})
        return None if state.get("waiting", {}).get("reason") == "ContainerCreating" else state or None

    waiting = eventually(begun).get("waiting", {})
    if "cannot be mounted into a user namespace" in waiting.get("message", ""):
        pytest.skip(waiting["message"])  # tmpfs before Linux 6.3, overlayfs
    on_node("wait", "pod/apart", "--for=condition=Ready", "--timeout=30s")
    address = on_node("get", "pod", "apart", "-o", "jsonpath={.status.podIP}")
    eventually(lambda: fetch(address, 8080) == "apart")
    assert os.stat(f"/proc/{main_process(on_node, 'apart')}").st_uid >= 65536
