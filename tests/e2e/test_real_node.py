"""A real node: containers, probes, restarts, logs and Services as users see them, and nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import kubernetes
import pytest

from tests.linux.images.test_archive import saved_by_new_docker
from tests.support import echo
from tests.support.kubectl import Kubectl
from tests.support.machine import KINDS, footprint, kinds
from tests.support.running import NODE_READY, REPOSITORY, KubeLite, Server, eventually, free_port, own_ranges
from tests.support.sockets import websocket

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a real node")]

PYTHON = "kube-lite.local/python"
WEB = """
import http.server, os, socket
class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(socket.gethostname().encode())
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("", 8080), Web).serve_forever()
"""


def container(name: str, code: str, **more: Any) -> dict[str, Any]:
    """A container that runs Python code."""
    return {"name": name, "image": PYTHON, "command": ["python3", "-u", "-c", code], **more}


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> str:
    """A pod's manifest; it ends at once when it is told to."""
    body = {"containers": list(containers), "terminationGracePeriodSeconds": 1, **spec}
    meta = {"name": name, "labels": {"app": name}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": body})


def web(replicas: int = 2, **more: Any) -> str:
    """A Deployment of web servers that say their pod's name, and its Service."""
    spec = {
        "containers": [container("web", WEB, ports=[{"containerPort": 8080}], **more)],
        "terminationGracePeriodSeconds": 1,
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
        },
    }
    ports = [{"port": 80, "targetPort": 8080}]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": ports},
    }
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [deployment, service]})


def on_host_port(name: str, port: int, **more: Any) -> dict[str, Any]:
    """A web server that says its pod's name, on a port of the node."""
    return container(name, WEB, ports=[{"containerPort": 8080, "hostPort": port, **more}])


def fetch(address: str, port: int = 80) -> str:
    """What a web server answers; '' while none does."""
    try:
        with urllib.request.urlopen(f"http://{address}:{port}/", timeout=2) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return ""


def status(kubectl: Kubectl, name: str, number: int = 0) -> dict[str, Any]:
    """The status of a container; {} while there is none."""
    listed = kubectl.json("pod", name)["status"].get("containerStatuses") or []
    return listed[number] if len(listed) > number else {}


def main_process(kubectl: Kubectl, name: str) -> int:
    """The first process of a pod's only container, as the machine numbers it."""
    uid = kubectl("get", "pod", name, "-o", "jsonpath={.metadata.uid}")
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, ProcessLookupError):
            inside = re.search(r"^NSpid:.*\t(\d+)$", (entry / "status").read_text(), re.M)
            if inside is not None and inside[1] == "1" and uid in (entry / "cgroup").read_text():
                return int(entry.name)
    raise AssertionError(f"no process of pod {name}")


def test_a_service_answers_from_every_pod_and_pods_are_replaced(on_node: Kubectl) -> None:
    on_node("apply", "-f", "-", stdin=web())
    on_node("rollout", "status", "deployment/web", "--timeout=30s")
    address = on_node("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    names = {item["metadata"]["name"] for item in on_node.json("pods")["items"]}
    answered: set[str] = set()

    def all_answered() -> bool:
        answered.add(fetch(address))
        return names <= answered

    eventually(all_answered)
    victim = sorted(names)[0]
    on_node("delete", "pod", victim)
    eventually(lambda: on_node.json("deployment", "web")["status"].get("readyReplicas") == 2)
    replaced = {item["metadata"]["name"] for item in on_node.json("pods")["items"]}
    assert len(replaced) == 2
    assert victim not in replaced
    assert {fetch(address) for _ in range(20)} <= replaced


def test_a_pod_that_is_not_ready_gets_no_requests(on_node: Kubectl) -> None:
    probe = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1}
    on_node("apply", "-f", "-", stdin=web(1, readinessProbe=probe))
    name = eventually(lambda: on_node("get", "pods", "-o", "name").strip()).removeprefix("pod/")
    eventually(lambda: "running" in status(on_node, name).get("state", {}))
    assert status(on_node, name)["ready"] is False
    address = on_node("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    assert fetch(address) == ""
    slices = on_node.json("endpointslices", "-l", "kubernetes.io/service-name=web")["items"]
    assert [end["conditions"]["ready"] for part in slices for end in part["endpoints"]] == [False]
    process = main_process(on_node, name)
    Path(f"/proc/{process}/root/tmp/ready").touch()
    eventually(lambda: fetch(address) == name)
    assert status(on_node, name)["ready"] is True
    Path(f"/proc/{process}/root/tmp/ready").unlink()
    eventually(lambda: fetch(address) == "", 20)
    assert status(on_node, name)["restartCount"] == 0


def test_a_host_port_answers_on_the_node_until_its_pod_is_gone(on_node: Kubectl) -> None:
    port, bound = free_port(), free_port()
    on_node("apply", "-f", "-", stdin=pod("open", on_host_port("c", port)))
    on_node("apply", "-f", "-", stdin=pod("local", on_host_port("c", bound, hostIP="127.0.0.1")))
    machine = on_node.json("nodes")["items"][0]
    node = next(each["address"] for each in machine["status"]["addresses"] if each["type"] == "InternalIP")
    for address in ("127.0.0.1", node):
        assert eventually(partial(fetch, address, port)) == "open"
    assert eventually(lambda: fetch("127.0.0.1", bound)) == "local"
    assert fetch(node, bound) == ""
    on_node("delete", "pod", "open")
    assert fetch("127.0.0.1", port) == ""
    assert fetch("127.0.0.1", bound) == "local"
    on_node("delete", "pod", "local")
    tables = subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout
    assert f"{machine['metadata']['name']}_host-ports" not in tables


def test_a_killed_container_is_restarted_and_its_last_words_are_kept(on_node: Kubectl) -> None:
    code = "import os, time; print('life of', os.uname().nodename); time.sleep(600)"
    on_node("apply", "-f", "-", stdin=pod("mortal", container("c", code)))
    on_node("wait", "pod/mortal", "--for=condition=Ready", "--timeout=30s")
    eventually(lambda: on_node("logs", "mortal") == "life of mortal\n")
    first = status(on_node, "mortal")["containerID"]
    os.kill(main_process(on_node, "mortal"), signal.SIGKILL)
    eventually(lambda: status(on_node, "mortal")["restartCount"] == 1)
    again = eventually(lambda: status(on_node, "mortal") if status(on_node, "mortal")["ready"] else None)
    assert again["containerID"] != first
    assert again["lastState"]["terminated"]["exitCode"] == 137
    assert again["lastState"]["terminated"]["reason"] == "Error"
    assert on_node("logs", "--previous", "mortal") == "life of mortal\n"
    assert on_node("get", "pod", "mortal", "--no-headers").split()[1:4] == ["1/1", "Running", "1"]


def test_a_container_over_its_memory_limit_is_oom_killed(on_node: Kubectl) -> None:
    greedy = container("c", "a = bytearray(200_000_000)", resources={"limits": {"memory": "32Mi"}})
    on_node("apply", "-f", "-", stdin=pod("greedy", greedy, restartPolicy="Never"))
    on_node("wait", "pod/greedy", "--for=jsonpath={.status.phase}=Failed", "--timeout=30s")
    ended = status(on_node, "greedy")["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert on_node("get", "pod", "greedy", "--no-headers").split()[1:4] == ["0/1", "OOMKilled", "0"]


def test_a_finished_pod_tells_its_exit_code(on_node: Kubectl) -> None:
    both = [container("good", "print('fine')"), container("bad", "raise SystemExit(3)")]
    on_node("apply", "-f", "-", stdin=pod("two", *both, restartPolicy="Never"))
    on_node("wait", "pod/two", "--for=jsonpath={.status.phase}=Failed", "--timeout=30s")
    states = {s["name"]: s["state"]["terminated"] for s in on_node.json("pod", "two")["status"]["containerStatuses"]}
    assert (states["good"]["exitCode"], states["good"]["reason"]) == (0, "Completed")
    assert (states["bad"]["exitCode"], states["bad"]["reason"]) == (3, "Error")
    assert on_node("logs", "two", "-c", "good") == "fine\n"
    refused = on_node.fails("logs", "two", "-c", "other")
    assert refused == "error: container other is not valid for pod two\n"


def test_logs_are_followed_until_the_end(on_node: Kubectl) -> None:
    code = "import time\nfor i in range(30): print('line', i); time.sleep(0.05)"
    on_node("apply", "-f", "-", stdin=pod("talker", container("c", code), restartPolicy="Never"))
    eventually(lambda: "state" in status(on_node, "talker") and "waiting" not in status(on_node, "talker")["state"])
    assert on_node("logs", "-f", "talker") == "".join(f"line {i}\n" for i in range(30))
    assert on_node("logs", "--tail=2", "talker") == "line 28\nline 29\n"
    stamped = on_node("logs", "--timestamps", "--limit-bytes=1000000", "talker").splitlines()
    assert len(stamped) == 30
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z line 0", stamped[0])


def test_the_python_client_reads_and_follows_logs(real: Server, on_node: Kubectl) -> None:
    code = "import time\nfor i in range(10): print('line', i); time.sleep(0.05)"
    on_node("apply", "-f", "-", stdin=pod("talker", container("c", code), restartPolicy="Never"))
    on_node("wait", "pod/talker", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    config: Any = kubernetes.config
    with config.new_client_from_config(str(real.kubeconfig)) as api:
        core: Any = kubernetes.client.CoreV1Api(api)
        assert core.read_namespaced_pod_log("talker", on_node.namespace, tail_lines=2) == "line 8\nline 9\n"
        watch: Any = kubernetes.watch
        lines = watch.Watch().stream(core.read_namespaced_pod_log, name="talker", namespace=on_node.namespace)
        assert list(lines) == [f"line {i}" for i in range(10)]


def test_pre_stop_runs_before_the_container_is_told_to_end(on_node: Kubectl, tmp_path: Path) -> None:
    told = tmp_path / "told"
    told.mkdir()
    code = (
        "import signal, sys, time\n"
        "def end(*a): open('/told/order', 'a').write('TERM '), sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nopen('/told/up', 'w')\nwhile True: time.sleep(1)"
    )
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "printf 'preStop ' >> /told/order"]}}}
    mounted = container("c", code, lifecycle=hook, volumeMounts=[{"name": "told", "mountPath": "/told"}])
    volume = {"name": "told", "hostPath": {"path": str(told)}}
    on_node("apply", "-f", "-", stdin=pod("polite", mounted, volumes=[volume], terminationGracePeriodSeconds=10))
    eventually((told / "up").exists)
    on_node("delete", "pod", "polite")
    assert (told / "order").read_text() == "preStop TERM "


def test_a_killed_executor_loses_no_line_and_no_exit_code(program: Path, tmp_path: Path) -> None:
    """The executor is killed while one container logs and then exits 7, and another just runs."""
    server = Server("server", tmp_path / "server", *own_ranges())
    name = f"kl-kill-{secrets.token_hex(3)}"
    flags = ["--server", server.url, "--token-file", str(server.data_dir / "node.token"), "--name", name]
    flags += ["--data-dir", str(tmp_path / "node")]
    executor = KubeLite(["node", *flags], tmp_path / "first")
    try:
        executor.wait_ready(NODE_READY)
        kubectl = Kubectl(program, server.kubeconfig)
        kubectl("wait", f"node/{name}", "--for=condition=Ready", "--timeout=30s")
        seven = "import time\nfor i in range(60): print('line', i); time.sleep(0.05)\nraise SystemExit(7)"
        kubectl("apply", "-f", "-", stdin=pod("seven", container("c", seven), restartPolicy="Never"))
        port = free_port()
        kubectl("apply", "-f", "-", stdin=pod("calm", on_host_port("c", port)))
        kubectl("wait", "pod/calm", "--for=condition=Ready", "--timeout=30s")
        calm = status(kubectl, "calm")
        eventually(lambda: "line 3" in kubectl.run("logs", "seven").stdout)
        executor.kill()
        assert main_process(kubectl, "calm"), "the container must outlive the executor"
        assert eventually(lambda: fetch("127.0.0.1", port)) == "calm"
        time.sleep(4)  # real time: "seven" ends while nobody watches it
        executor = KubeLite(["node", *flags], tmp_path / "second")
        executor.wait_ready(NODE_READY)
        kubectl("wait", "pod/seven", "--for=jsonpath={.status.phase}=Failed", "--timeout=30s")
        assert status(kubectl, "seven")["state"]["terminated"]["exitCode"] == 7
        assert status(kubectl, "seven")["restartCount"] == 0
        assert kubectl("logs", "seven") == "".join(f"line {i}\n" for i in range(60))
        eventually(lambda: status(kubectl, "calm")["ready"])
        after = status(kubectl, "calm")
        assert (after["containerID"], after["restartCount"]) == (calm["containerID"], 0)
        assert after["state"] == calm["state"]
        assert fetch("127.0.0.1", port) == "calm"
    finally:
        if executor.process.returncode is not None:  # a failed test leaves its containers as well
            executor = KubeLite(["node", *flags], tmp_path / "last")
            executor.wait_ready(NODE_READY)
        code = executor.stop()
        assert server.stop() == 0
    assert code == 0, executor.err


def test_an_imported_image_is_the_running_nodes(real: Server, on_node: Kubectl, tmp_path: Path) -> None:
    archive = tmp_path / "app.tar"
    archive.write_bytes(saved_by_new_docker())

    def image(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kube_lite", "image", "--data-dir", str(real.data_dir), *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)

    name = image("import", str(archive)).stdout.splitlines()[0]
    here = {"name": "c", "image": name, "command": ["/a"], "imagePullPolicy": "Never"}
    on_node("apply", "-f", "-", stdin=pod("imported", here, restartPolicy="Never"))
    eventually(lambda: on_node.json("pod", "imported")["status"]["phase"] == "Failed")  # its /a is no program
    refused = image("rm", name)
    assert (refused.returncode, refused.stderr) == (1, f"error: image {name} is in use by a container\n")
    on_node("delete", "pod", "imported")
    eventually(lambda: image("rm", name).returncode == 0)


def test_up_starts_its_node_executor_again_and_its_containers_never_notice(program: Path, tmp_path: Path) -> None:
    name = f"kl-again-{secrets.token_hex(3)}"
    server = Server("up", tmp_path / "data", "--node-name", name, *own_ranges())
    try:
        kubectl = Kubectl(program, server.kubeconfig)
        kubectl("apply", "-f", "-", stdin=pod("calm", container("c", "import time; time.sleep(1000)")))
        kubectl("wait", "pod/calm", "--for=condition=Ready", "--timeout=30s")
        before = status(kubectl, "calm")
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        (executor,) = children.read_text().split()
        os.kill(int(executor), signal.SIGKILL)
        eventually(lambda: children.read_text().split() not in ([], [executor]))
        kubectl("apply", "-f", "-", stdin=pod("new", container("c", "import time; time.sleep(1000)")))
        kubectl("wait", "pod/new", "--for=condition=Ready", "--timeout=30s")
        after = status(kubectl, "calm")
        assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)
        assert "the node executor ended with code -9; it is started again" in server.err
    finally:
        code = server.stop()
    assert code == 0, server.err


def test_nothing_is_left_of_a_cluster_that_was_stopped(program: Path, tmp_path: Path) -> None:
    name = f"kl-gone-{secrets.token_hex(3)}"
    before = footprint(name, tmp_path)
    server = Server("up", tmp_path / "data", "--node-name", name, *own_ranges())
    try:
        kubectl = Kubectl(program, server.kubeconfig)
        kubectl("apply", "-f", "-", stdin=web())
        kubectl("rollout", "status", "deployment/web", "--timeout=30s")
        made = footprint(name, tmp_path) - before
        assert kinds(made) == set(KINDS), "the test must see what a node makes"
    finally:
        code = server.stop()
    assert code == 0, server.err
    eventually(lambda: not footprint(name, tmp_path) & made, 5)


def test_tools_read_the_node_through_the_api(on_node: Kubectl, real: Server) -> None:
    writing = "open('/x','wb').write(b'x' * 3_000_000); print('said', flush=True); import time; time.sleep(1000)"
    on_node("apply", "-f", "-", stdin=pod("told", container("c", writing)))
    on_node("wait", "--for=condition=Ready", "pod/told", "--timeout=60s")
    (name,) = on_node("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    base = f"/api/v1/nodes/{name}/proxy"
    assert on_node("get", "--raw", f"{base}/healthz") == "ok"
    assert eventually(lambda: on_node("get", "--raw", f"{base}/containerLogs/{on_node.namespace}/told/c")) == "said\n"

    def measured() -> dict[str, Any] | None:
        pods = json.loads(on_node("get", "--raw", f"{base}/stats/summary"))["pods"]
        mine = [one for one in pods if one["podRef"]["namespace"] == on_node.namespace]
        return mine[0] if mine and mine[0]["containers"][0]["rootfs"]["usedBytes"] >= 3_000_000 else None

    told = eventually(measured)
    assert told["containers"][0]["memory"]["workingSetBytes"] > 1_000_000
    assert told["containers"][0]["cpu"]["usageCoreNanoSeconds"] > 0
    assert [one["name"] for one in told["network"]["interfaces"]] == ["eth0"]
    labels = f'{{container="c",namespace="{on_node.namespace}",pod="told"}}'
    assert f"container_memory_working_set_bytes{labels}" in on_node("get", "--raw", f"{base}/metrics/resource")
    names = [one["metadata"]["name"] for one in json.loads(on_node("get", "--raw", f"{base}/pods"))["items"]]
    assert "told" in names
    assert "NotFound" in on_node.fails("get", "--raw", f"{base}/nothing")


def test_a_pod_that_fills_the_nodes_disk_beyond_its_limit_is_evicted(on_node: Kubectl) -> None:
    writing = "open('/x','wb').write(b'x' * 3_000_000); import time; time.sleep(1000)"
    limits = {"resources": {"limits": {"ephemeral-storage": "1Mi"}}}
    on_node("apply", "-f", "-", stdin=pod("hog", container("c", writing, **limits)))
    on_node("wait", "--for=jsonpath={.status.reason}=Evicted", "pod/hog", "--timeout=60s")
    status = on_node.json("pod", "hog")["status"]
    message = "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "
    assert (status["phase"], status["message"]) == ("Failed", message)
    assert message.strip() in on_node("get", "events", "--field-selector", "reason=Evicted")


def test_websockets_reach_pods_through_the_proxies_of_pod_and_service(on_node: Kubectl, real: Server) -> None:
    probe = {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}, "ports": [{"containerPort": 8080}]}
    command = ["python3", "-u", "-c", Path(echo.__file__).read_text(), "8080"]
    on_node("apply", "-f", "-", stdin=pod("echo", {**container("c", ""), "command": command, **probe}))
    on_node("expose", "pod", "echo", "--port=80", "--target-port=8080")
    on_node("wait", "--for=condition=Ready", "pod/echo", "--timeout=60s")
    base = f"/api/v1/namespaces/{on_node.namespace}"
    eventually(lambda: on_node("get", "endpoints", "echo", "-o", "jsonpath={.subsets[*].addresses[*].ip}"))
    for path in ("pods/echo/proxy/chat", "services/echo:80/proxy/chat"):
        socket = websocket(real, f"{base}/{path}")
        for text in ("hello", "x" * 100_000):
            socket.send(text)
            assert socket.recv() == text
        socket.close()


def test_logs_come_over_websocket(on_node: Kubectl, real: Server) -> None:
    on_node("apply", "-f", "-", stdin=pod("talker", container("c", "print('said', flush=True)"), restartPolicy="Never"))
    on_node("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/talker", "--timeout=60s")
    path = f"/api/v1/namespaces/{on_node.namespace}/pods/talker/log?container=c"
    socket = websocket(real, path, subprotocols=["binary.k8s.io"])
    assert (socket.recv(), socket.recv()) == (b"", b"said\n")
    socket.close()


def test_a_second_executor_is_told_what_it_would_take_from_the_first(program: Path, tmp_path: Path) -> None:
    """By its directory, its name here or in the cluster, or its addresses; the first one's pods never notice."""
    name, ranges = f"kl-one-{secrets.token_hex(3)}", own_ranges()
    server = Server("up", tmp_path / "data", "--node-name", name, *ranges)
    token = ["--server", server.url, "--token-file", str(server.data_dir / "node.token")]
    own = str(server.data_dir / "node")
    try:
        kubectl = Kubectl(program, server.kubeconfig)
        kubectl("apply", "-f", "-", stdin=web(1))
        kubectl("rollout", "status", "deployment/web", "--timeout=30s")
        address = kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
        answering = eventually(lambda: fetch(address))  # a Service's rules may come after its pods
        for number, (flags, complaint) in enumerate(
            (
                ([*token, "--name", name, "--data-dir", own], f"{own} is in use by another kube-lite node"),
                ([*token, "--name", "kl-other", "--data-dir", own], f"{own} is in use by another kube-lite node"),
                ([*token, "--name", name, "--data-dir", str(tmp_path / "n")], "runs on this machine already"),
                ([*token, "--name", "kl-other", "--data-dir", "/etc/passwd"], "there is a file of this name"),
                ([*token, "--name", "kl-other", "--data-dir="], "--data-dir is empty"),
            )
        ):
            second = KubeLite(["node", *flags], tmp_path / f"second{number}")
            assert second.process.wait(30) == 1
            assert second.err.startswith("error: "), second.err
            assert complaint in second.err
            assert second.err.count("\n") == 1, second.err
        other = KubeLite(
            [
                "up",
                "--data-dir",
                str(tmp_path / "other"),
                "--node-name",
                "kl-other",
                "--listen",
                "127.0.0.1:0",
                *ranges,
            ],
            tmp_path / "third",
        )
        assert other.process.wait(30) == 1
        assert "another kube-lite node on this machine has the pod network" in other.err
        assert "Traceback" not in other.err
        assert fetch(address) == answering
        assert status(kubectl, answering)["restartCount"] == 0
    finally:
        assert server.stop() == 0
    moved = KubeLite(["node", "--server", server.url, "--name", "kl-other", "--data-dir", own], tmp_path / "moved")
    assert moved.process.wait(30) == 1
    assert f"error: {own} is node {name}'s: start it as --name {name}, or choose another" in moved.err
