"""Pods that were bound to this node and cannot run here: refused with the kubelet's reasons, others are not."""

from __future__ import annotations

from typing import Any

import anyio
import msgspec
import pytest

from kube_lite.node.admission import refusal
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.views import Node as NodeView
from tests.node.harness import Json, Node, container, pod, run, running_node

ALLOCATABLE = {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "10Gi", "pods": "3", "example.com/gpu": "1"}
LABELS = {"kubernetes.io/os": "linux", "disk": "ssd"}


def _asking(name: str = "p", **requests: str) -> Json:
    resources = {"requests": {key.replace("_", "-"): value for key, value in requests.items()}}
    return pod(name, container(resources=resources))


def _on_port(name: str, port: int, **more: Any) -> Json:
    return pod(name, container(ports=[{"containerPort": 80, "hostPort": port, **more}]))


def _selecting(*terms: Json) -> Json:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return pod("p", affinity={"nodeAffinity": required})


def _verdict(wanted: Json, *others: Json) -> tuple[str, str] | None:
    view, *rest = [msgspec.convert(obj, Pod) for obj in (wanted, *others)]
    found = refusal(view, rest, "n1", LABELS, ALLOCATABLE)
    return (found.reason, found.message) if found else None


def _short(name: str, requested: int, used: int, capacity: int) -> tuple[str, str]:
    text = f"Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}"
    return f"OutOf{name}", text


@pytest.mark.parametrize(
    ("wanted", "others", "verdict"),
    [
        (_asking(cpu="2"), [], None),
        (_asking(cpu="2500m"), [], _short("cpu", 2500, 0, 2000)),
        (_asking(cpu="1"), [_asking("o", cpu="1500m")], _short("cpu", 1000, 1500, 2000)),
        (_asking(memory="1Gi"), [_asking("o", memory="1Mi")], _short("memory", 1 << 30, 1 << 20, 1 << 30)),
        (_asking(ephemeral_storage="11Gi"), [], _short("ephemeral-storage", 11 << 30, 0, 10 << 30)),
        (pod("p"), [pod("a"), pod("b")], None),
        (pod("p"), [pod("a"), pod("b"), pod("c")], _short("pods", 1, 3, 3)),
        (pod("p", container(resources={"requests": {"example.com/gpu": "2"}})), [], _short("example.com/gpu", 2, 0, 1)),
        (pod("p", container(resources={"requests": {"example.com/unknown": "2"}})), [], None),
    ],
)
def test_resources_that_are_not_left(wanted: Json, others: list[Json], verdict: tuple[str, str] | None) -> None:
    assert _verdict(wanted, *others) == verdict


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (pod("p", nodeSelector={"disk": "ssd"}), True),
        (pod("p", nodeSelector={"disk": "hdd"}), False),
        (_selecting({"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd", "nvme"]}]}), True),
        (_selecting({"matchExpressions": [{"key": "disk", "operator": "NotIn", "values": ["ssd"]}]}), False),
        (_selecting({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}), False),
        (_selecting({"matchExpressions": [{"key": "x", "operator": "Exists"}]}, {"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": ["n1"]}]}), True),
    ],
)  # fmt: skip
def test_labels_that_the_node_does_not_have(wanted: Json, fits: bool) -> None:
    why = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    assert _verdict(wanted) == (None if fits else ("NodeAffinity", why))


@pytest.mark.parametrize(
    ("wanted", "held", "fits"),
    [
        (_on_port("p", 80), _on_port("o", 80), False),
        (_on_port("p", 80), _on_port("o", 81), True),
        (_on_port("p", 80, protocol="UDP"), _on_port("o", 80), True),
        (_on_port("p", 80, hostIP="10.0.0.1"), _on_port("o", 80, hostIP="10.0.0.2"), True),
        (_on_port("p", 80, hostIP="10.0.0.1"), _on_port("o", 80), False),
    ],
)
def test_ports_of_the_node_that_are_taken(wanted: Json, held: Json, fits: bool) -> None:
    why = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    assert _verdict(wanted, held) == (None if fits else ("NodePorts", why))


@pytest.mark.parametrize(
    ("name", "more", "why"),
    [
        ("net.ipv4.tcp_syncookies", {}, None),
        ("net/ipv4/ip_local_port_range", {}, None),
        ("kernel.core_pattern", {}, "not allowlisted"),
        ("kernel.msgmax", {}, "not allowlisted"),
        ("net.ipv4.tcp_syncookies", {"hostNetwork": True}, "not allowed with host net enabled"),
        ("kernel.shm_rmid_forced", {"hostIPC": True}, "not allowed with host ipc enabled"),
    ],
)
def test_sysctls_that_a_pod_may_not_set(name: str, more: Json, why: str | None) -> None:
    wanted = pod("p", securityContext={"sysctls": [{"name": name, "value": "1"}]}, **more)
    assert _verdict(wanted) == (None if why is None else ("SysctlForbidden", f'forbidden sysctl: "{name}" {why}'))


def _known(node: Node, labels: dict[str, str]) -> None:
    """Let the node know itself: with these labels."""
    known = {"metadata": {"name": "n1", "labels": labels}, "status": {"allocatable": ALLOCATABLE}}
    view = msgspec.convert(known, NodeView)
    node.context.node = lambda: view


def test_a_pod_that_does_not_fit_fails_and_the_next_one_runs() -> None:
    async def story() -> None:
        async with running_node() as node:
            _known(node, LABELS)
            for obj in (_asking("first", cpu="1"), _asking("large", cpu="1500m"), _asking("small", cpu="500m")):
                node.client.put("pods", obj)
            await anyio.sleep(1)
            _, why = _short("cpu", 1500, 1000, 2000)
            status = node.status("large")
            assert {key: status[key] for key in ("phase", "reason", "message")} == {
                "phase": "Failed",
                "reason": "OutOfcpu",
                "message": f"Pod was rejected: {why}",
            }
            assert "containerStatuses" not in status
            assert ("OutOfcpu", why, 1) in node.client.events()
            assert [node.status(name)["phase"] for name in ("first", "small")] == ["Running", "Running"]
            assert sorted(spec.name for spec in node.runtime.sandboxes) == ["first", "small"]

    run(story)


def test_labels_newer_than_the_node_knows_are_looked_up_before_a_pod_is_refused() -> None:
    async def story() -> None:
        async with running_node() as node:
            _known(node, {})
            node.client.put("nodes", {"metadata": {"name": "n1", "labels": {"disk": "ssd"}}})
            node.client.put("pods", pod("p", nodeSelector={"disk": "ssd"}))
            node.client.put("pods", pod("q", nodeSelector={"disk": "hdd"}))
            await anyio.sleep(1)
            assert node.status("p")["phase"] == "Running"
            assert (node.status("q")["phase"], node.status("q")["reason"]) == ("Failed", "NodeAffinity")

    run(story)
