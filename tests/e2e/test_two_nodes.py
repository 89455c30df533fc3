"""Two nodes, each in a network namespace as if on a machine of its own, join one server over a wire."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_real_node import container
from tests.linux.images.registry import install
from tests.linux.network.namespaces import ip, namespace, path
from tests.support.kubectl import Kubectl
from tests.support.running import NODE_READY, KubeLite, Server, eventually

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root for real nodes")]

SERVER = "198.18.0.1:6443"
"""In the range for tests between networks (RFC 2544); on a bridge in the server's namespace."""

RELAY = """
import http.server, socket, urllib.request
class Relay(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        _, via, *rest = self.path.split("/") + [""]
        said = socket.gethostname().encode()
        if via:
            said = urllib.request.urlopen(f"http://{via}:8080/", timeout=3).read()
        self.send_response(200); self.end_headers(); self.wfile.write(said)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("", 8080), Relay).serve_forever()
"""


def inside(name: str) -> list[str]:
    """The command that runs another in a namespace; unlike ``ip netns exec`` it leaves /sys as it is."""
    return ["nsenter", f"--net={path(name)}", "--"]


def fetch_inside(name: str, url: str) -> str:
    """What a web server answers to somebody in the namespace; '' when it does not."""
    code = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=4).read().decode(), end='')"
    done = subprocess.run([*inside(name), sys.executable, "-c", code, url], capture_output=True, text=True)
    return done.stdout


@dataclass
class Machine:
    """One node and the namespace that stands for its machine."""

    name: str
    netns: str
    data_dir: Path
    flags: list[str]
    executor: KubeLite

    def power_off(self) -> None:
        """All of its processes end at once, as when a machine loses power."""
        self.executor.kill()
        os.kill(int((self.data_dir / "zygote.pid").read_text()), signal.SIGKILL)

    def boot(self) -> None:
        """Start the executor again."""
        self.executor = KubeLite(["node", *self.flags], self.data_dir.parent / "again", inside=inside(self.netns))
        self.executor.wait_ready(NODE_READY)


@dataclass
class Pair:
    """A server and two nodes."""

    server: Server
    kubectl: Kubectl
    first: Machine
    second: Machine


def _wire(server: str, node: str, number: int) -> None:
    ip(server, f"link add p{number} type veth peer name eth0 netns {node}")
    ip(server, f"link set p{number} master br0 up")
    ip(node, f"addr add 198.18.0.{10 + number}/24 dev eth0")
    ip(node, "link set eth0 up")


def _machine(server: Server, token: Path, name: str, netns: str, directory: Path) -> Machine:
    flags = ["--server", f"https://{SERVER}", "--token-file", str(token), "--name", name]
    flags += ["--data-dir", str(directory / "node")]
    executor = KubeLite(["node", *flags], directory / "output", inside=inside(netns))
    return Machine(name, netns, directory / "node", flags, executor)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, program: Path) -> Iterator[Pair]:
    """The server on a bridge with two nodes."""
    install("nftables", "nft")
    directory = tmp_path_factory.mktemp("pair")
    unique = secrets.token_hex(3)
    with namespace("srv") as outer, namespace("one") as one, namespace("two") as two:
        ip(outer, "link add br0 type bridge")
        ip(outer, "addr add 198.18.0.1/24 dev br0")
        ip(outer, "link set br0 up")
        _wire(outer, one, 1)
        _wire(outer, two, 2)
        flags = ["--node-monitor-grace-period", "15s"]  # nodes renew their leases each 10 s
        server = Server("server", directory / "server", *flags, listen=SERVER, inside=inside(outer))
        token = server.data_dir / "node.token"
        kubectl = Kubectl(program, server.kubeconfig, inside=inside(outer))
        machines: list[Machine] = []
        try:
            for name, netns in ((f"kl-one-{unique}", one), (f"kl-two-{unique}", two)):
                machines.append(_machine(server, token, name, netns, directory / name))
            for machine in machines:
                machine.executor.wait_ready(NODE_READY)
                kubectl("wait", f"node/{machine.name}", "--for=condition=Ready", "--timeout=30s")
            yield Pair(server, kubectl, *machines)
        finally:
            codes = [machine.executor.stop() for machine in machines]
            codes.append(server.stop())
        assert codes == [0, 0, 0], [machine.executor.err for machine in machines]


def relays(name: str, replicas: int) -> str:
    """A Deployment that flees from a dead node after two seconds."""
    tolerations = [
        {"key": f"node.kubernetes.io/{why}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 2}
        for why in ("unreachable", "not-ready")
    ]
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    spec = {
        "containers": [container("relay", RELAY, readinessProbe=probe)],
        "terminationGracePeriodSeconds": 1,
        "tolerations": tolerations,
    }
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec}
    body = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": body})


def standing(kubectl: Kubectl, app: str) -> list[dict[str, Any]]:
    """The pods that are not being deleted."""
    items = kubectl.json("pods", "-l", f"app={app}")["items"]
    return [item for item in items if "deletionTimestamp" not in item["metadata"]]


def test_pods_on_both_nodes_reach_each_other_and_the_service(pair: Pair) -> None:
    kubectl = pair.kubectl
    kubectl("apply", "-f", "-", stdin=relays("relay", 4))
    kubectl("rollout", "status", "deployment/relay", "--timeout=60s")
    by_node: dict[str, list[dict[str, Any]]] = {}
    for pod in standing(kubectl, "relay"):
        by_node.setdefault(pod["spec"]["nodeName"], []).append(pod)
    assert {node: len(pods) for node, pods in by_node.items()} == {pair.first.name: 2, pair.second.name: 2}
    for here, there in ((pair.first, pair.second), (pair.second, pair.first)):
        mine, other = by_node[here.name][0], by_node[there.name][0]
        url = f"http://{mine['status']['podIP']}:8080/{other['status']['podIP']}"
        assert fetch_inside(here.netns, url) == other["metadata"]["name"]
    kubectl("expose", "deployment", "relay", "--port=80", "--target-port=8080")
    address = kubectl("get", "service", "relay", "-o", "jsonpath={.spec.clusterIP}")
    names = {pod["metadata"]["name"] for pods in by_node.values() for pod in pods}
    answered: set[str] = set()

    def all_answered() -> bool:
        answered.add(fetch_inside(pair.first.netns, f"http://{address}/"))
        return names <= answered

    eventually(all_answered)
    assert kubectl("logs", "-l", "app=relay", "--prefix") == ""


def test_a_wrong_token_is_refused(pair: Pair, tmp_path: Path) -> None:
    right = (pair.server.data_dir / "node.token").read_text().strip()
    for text, complaint in (
        (right[:-4] + "beef", "Unauthorized"),
        ("K10" + "0" * 64 + right[67:], "is not the server of this token: its CA has another hash"),
        ("nonsense", "holds no node token"),
    ):
        token = tmp_path / "token"
        token.write_text(text)
        flags = ["--server", f"https://{SERVER}", "--token-file", str(token), "--name", "kl-intruder"]
        intruder = KubeLite(
            ["node", *flags, "--data-dir", str(tmp_path / "n")], tmp_path, inside=inside(pair.first.netns)
        )
        assert intruder.process.wait(30) == 1
        assert intruder.err.startswith("error: "), intruder.err
        assert complaint in intruder.err
        assert "Traceback" not in intruder.err
    assert "kl-intruder" not in pair.kubectl("get", "nodes")


def test_a_node_reads_the_secrets_of_its_own_pods_only(pair: Pair) -> None:
    kubectl = pair.kubectl
    kubectl("create", "secret", "generic", "mine", "--from-literal=a=1")
    user = container("c", "import time; time.sleep(600)", envFrom=[{"secretRef": {"name": "mine"}}])
    spec = {"nodeName": pair.first.name, "containers": [user], "terminationGracePeriodSeconds": 1}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user"}, "spec": spec}
    kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    kubectl("wait", "pod/user", "--for=condition=Ready", "--timeout=30s")

    def as_node(machine: Machine, *arguments: str) -> subprocess.CompletedProcess[str]:
        home = machine.data_dir
        return kubectl.run(
            f"--server=https://{SERVER}",
            f"--certificate-authority={home / 'ca.crt'}",
            f"--client-certificate={home / 'node.crt'}",
            f"--client-key={home / 'node.key'}",
            "--kubeconfig=/dev/null",
            *arguments,
        )

    assert as_node(pair.first, "get", "secret", "mine", "-o", "jsonpath={.data.a}").stdout == "MQ=="
    refused = as_node(pair.second, "get", "secret", "mine").stderr
    assert refused.startswith(
        f'Error from server (Forbidden): secrets "mine" is forbidden: User "system:node:{pair.second.name}" '
        'cannot get resource "secrets" in API group "" in the namespace "default"'
    )
    assert "Forbidden" in as_node(pair.first, "get", "secrets").stderr
    assert "Forbidden" in as_node(pair.first, "label", "node", pair.second.name, "a=b").stderr
    assert "Forbidden" in as_node(pair.second, "delete", "pod", "user").stderr
    kubectl("delete", "pod", "user")


def test_the_pods_of_a_dead_machine_come_back_on_the_other(pair: Pair) -> None:
    kubectl = pair.kubectl
    kubectl("apply", "-f", "-", stdin=relays("flee", 2))
    kubectl("rollout", "status", "deployment/flee", "--timeout=60s")
    assert {pod["spec"]["nodeName"] for pod in standing(kubectl, "flee")} == {pair.first.name, pair.second.name}
    pair.second.power_off()
    try:

        def moved() -> bool:
            pods = standing(kubectl, "flee")
            ready = kubectl.json("deployment", "flee")["status"].get("readyReplicas")
            return {pod["spec"].get("nodeName") for pod in pods} == {pair.first.name} and len(pods) == 2 == ready

        eventually(moved, 60)
        row = kubectl("get", "node", pair.second.name, "--no-headers").split()
        assert row[1] == "NotReady"
        taints = {taint["key"] for taint in kubectl.json("node", pair.second.name)["spec"]["taints"]}
        assert "node.kubernetes.io/unreachable" in taints
        for pod in standing(kubectl, "flee"):
            assert fetch_inside(pair.first.netns, f"http://{pod['status']['podIP']}:8080/") == pod["metadata"]["name"]
    finally:
        with contextlib.suppress(AssertionError):
            pair.second.boot()
    kubectl("wait", f"node/{pair.second.name}", "--for=condition=Ready", "--timeout=30s")
    eventually(lambda: "taints" not in kubectl.json("node", pair.second.name)["spec"], 20)
    # what was being deleted when the machine died is finished by the machine that came back
    eventually(lambda: len(kubectl.json("pods", "-l", "app=flee")["items"]) == 2, 30)
