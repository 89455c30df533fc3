"""APIServices against a real extension server: metrics.k8s.io, as ``kubectl top`` and operators use it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.extension import BASE, Extension, serving
from tests.support.kubectl import Kubectl, installed
from tests.support.running import Server, eventually
from tests.support.sockets import websocket

NAME = "v1beta1.metrics.k8s.io"
HOST = "metrics.kube-system.svc"


def manifest(port: int, ca: bytes, **spec: Any) -> str:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "metrics", "namespace": "kube-system"},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }
    api_service = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": NAME},
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": {"namespace": "kube-system", "name": "metrics", "port": port},
            "caBundle": base64.b64encode(ca).decode(),
            **spec,
        },
    }
    return json.dumps(service) + "\n---\n" + json.dumps(api_service)


def condition(kubectl: Kubectl) -> tuple[str, str]:
    found = kubectl.json("apiservice", NAME)
    conditions = found.get("status", {}).get("conditions", ())
    told: dict[str, str] = next((c for c in conditions if c["type"] == "Available"), {})
    return told.get("status", ""), told.get("reason", "")


@pytest.fixture
def extension(simulated: Server, tmp_path: Path) -> Iterator[Extension]:
    """An extension server that believes this API server's front proxy."""
    front_proxy = simulated.data_dir / "pki" / "front-proxy" / "ca.crt"
    with serving(tmp_path / "pki", (HOST,), front_proxy) as running:
        running.nodes = ("sim-0", "sim-1", "sim-2")
        yield running


@pytest.fixture
def registered(kubectl: Kubectl, extension: Extension) -> Iterator[Extension]:
    """The extension server behind an APIService that is available."""
    kubectl("apply", "-n", "kube-system", "-f", "-", stdin=manifest(extension.port, extension.ca))
    eventually(lambda: condition(kubectl) == ("True", "Passed"))
    yield extension
    kubectl("delete", "apiservice", NAME, "--ignore-not-found")
    kubectl("delete", "service", "metrics", "-n", "kube-system", "--ignore-not-found")


def test_every_version_served_here_is_a_local_api_service(kubectl: Kubectl) -> None:
    def told() -> bool:
        return bool(re.search(r"^v1.apps +Local +True ", kubectl("get", "apiservices"), re.M))

    eventually(told)
    core = kubectl.json("apiservice", "v1.")
    assert core["spec"] == {"groupPriorityMinimum": 18000, "version": "v1", "versionPriority": 15}
    assert core["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
    trust = kubectl.json("configmap", "extension-apiserver-authentication", "-n", "kube-system")["data"]
    assert trust["requestheader-allowed-names"] == '["front-proxy-client"]'
    assert "BEGIN CERTIFICATE" in trust["requestheader-client-ca-file"]


def test_top_reads_the_metrics_of_an_extension_server(kubectl: Kubectl, registered: Extension) -> None:
    header, *rows = [line.split() for line in kubectl("top", "nodes").splitlines()]
    assert header[:2] == ["NAME", "CPU(cores)"]
    assert [row[:2] for row in rows] == [["sim-0", "250m"], ["sim-1", "250m"], ["sim-2", "250m"]]
    assert kubectl("top", "pods").splitlines()[1].split() == ["measured", "250m", "64Mi"]
    assert "nodes.metrics.k8s.io" in kubectl("api-resources", "--api-group=metrics.k8s.io", "-o", "name")
    assert "metrics.k8s.io/v1beta1" in kubectl("api-versions")
    assert json.loads(kubectl("get", "--raw", "/apis/metrics.k8s.io"))["preferredVersion"]["version"] == "v1beta1"
    assert "apis/metrics.k8s.io/v1beta1" in json.loads(kubectl("get", "--raw", "/openapi/v3"))["paths"]


def test_the_backend_learns_who_is_calling_from_the_front_proxy(kubectl: Kubectl, registered: Extension) -> None:
    registered.seen.clear()
    kubectl("get", "--raw", f"{BASE}/nodes/sim-1?x=y", "--as=joe", "--as-group=system:masters")
    (asked,) = [r for r in registered.seen if r["path"] == f"{BASE}/nodes/sim-1?x=y"]
    assert asked["client"] == {"commonName": "front-proxy-client"}
    headers = asked["headers"]
    assert [v for k, v in headers if k == "x-remote-user"] == ["joe"]
    assert [v for k, v in headers if k == "x-remote-group"] == ["system:masters", "system:authenticated"]
    assert not [k for k, _ in headers if k == "authorization" or k.startswith("impersonate-")]


def test_websockets_go_through_to_the_backend_with_the_user_in_headers(
    simulated: Server, registered: Extension
) -> None:
    registered.seen.clear()
    socket = websocket(simulated, f"{BASE}/nodes/sim-1/shell", subprotocols=["v5.channel.k8s.io"])
    assert socket.getsubprotocol() == "v5.channel.k8s.io"
    for text in ("hello", "x" * 100_000):
        socket.send(text)
        assert socket.recv() == text
    socket.close()
    (asked,) = [r for r in registered.seen if r["path"] == f"{BASE}/nodes/sim-1/shell"]
    assert asked["client"] == {"commonName": "front-proxy-client"}
    assert [v for k, v in asked["headers"] if k == "x-remote-user"] == ["kubernetes-admin"]


@pytest.mark.parametrize("documents", [("v2", "v3"), ("v2",), ("v3",)], ids=["both", "only-v2", "only-v3"])
def test_explain_knows_what_an_extension_server_serves(
    kubectl: Kubectl, simulated: Server, extension: Extension, documents: tuple[str, ...]
) -> None:
    extension.documents = documents
    kubectl("apply", "-n", "kube-system", "-f", "-", stdin=manifest(extension.port, extension.ca))
    try:
        eventually(lambda: condition(kubectl) == ("True", "Passed"))
        found = list(installed().values())
        for program in {found[0], found[-1]}:
            asked = Kubectl(program, simulated.kubeconfig, "default")
            if "v2" in documents:  # as kubectl 1.26 and older do it, with the protobuf of v2
                old = asked("explain", "--output=plaintext-openapiv2", "gauges")
                assert "What the node uses." in old, program
            told = asked("explain", "gauges")
            assert "Gauge of an extension server." in told, program
            assert "How long was measured." in asked("explain", "gauge.window"), program
            # what is our own is as it was
            assert "Standard object's metadata" in asked("explain", "pods.metadata"), program
        swagger = json.loads(kubectl("get", "--raw", "/openapi/v2"))
        assert (f"{BASE}/gauges/{{name}}" in swagger["paths"]) is ("v2" in documents)
        assert "/version/" not in swagger["paths"] or "get" in swagger["paths"]["/version/"]
    finally:
        kubectl("delete", "apiservice", NAME, "--ignore-not-found")
        kubectl("delete", "service", "metrics", "-n", "kube-system", "--ignore-not-found")
    eventually(lambda: f"{BASE}/gauges/{{name}}" not in kubectl("get", "--raw", "/openapi/v2"))


def test_answers_of_the_backend_come_through_as_they_are(kubectl: Kubectl, registered: Extension) -> None:
    missing = kubectl.run("get", "--raw", f"{BASE}/nothing")
    assert missing.returncode == 1
    assert "NotFound" in missing.stderr
    lines = kubectl("get", "--raw", f"{BASE}/nodes?watch=true").splitlines()
    assert [json.loads(line)["object"]["metadata"]["name"] for line in lines] == ["sim-0", "sim-1", "sim-2"]


def test_a_backend_that_is_gone_is_told_so_and_comes_back(kubectl: Kubectl, registered: Extension) -> None:
    good = registered.port
    kubectl("patch", "apiservice", NAME, "--type=merge", "-p", '{"spec":{"service":{"port":1}}}')
    eventually(lambda: condition(kubectl) == ("False", "FailedDiscoveryCheck"))
    refused = kubectl.fails("get", "--raw", f"{BASE}/nodes")
    assert "the server is currently unable to handle the request" in refused or "service unavailable" in refused
    assert re.search(
        rf"^{re.escape(NAME)} +kube-system/metrics +False \(FailedDiscoveryCheck\)",
        kubectl("get", "apiservice", NAME, "--no-headers"),
    )
    kubectl("patch", "apiservice", NAME, "--type=merge", "-p", json.dumps({"spec": {"service": {"port": good}}}))
    eventually(lambda: condition(kubectl) == ("True", "Passed"))
    kubectl("delete", "service", "metrics", "-n", "kube-system")
    eventually(lambda: condition(kubectl) == ("False", "ServiceNotFound"))
    kubectl("delete", "apiservice", NAME)
    eventually(lambda: "metrics.k8s.io" not in kubectl("get", "--raw", "/apis"))


def test_a_backend_with_a_foreign_certificate_is_not_believed(kubectl: Kubectl, extension: Extension) -> None:
    other = (Path(__file__).parent / "none").name  # a name that the certificate does not have
    text = manifest(extension.port, extension.ca).replace('"metrics"', f'"{other}"')
    kubectl("apply", "-n", "kube-system", "-f", "-", stdin=text)
    try:
        eventually(lambda: condition(kubectl) == ("False", "FailedDiscoveryCheck"))
        change = {"spec": {"caBundle": None, "insecureSkipTLSVerify": True}}
        kubectl("patch", "apiservice", NAME, "--type=merge", "-p", json.dumps(change))
        eventually(lambda: condition(kubectl) == ("True", "Passed"))
    finally:
        kubectl("delete", "apiservice", NAME)
        kubectl("delete", "service", other, "-n", "kube-system")


@pytest.mark.long
def test_an_autoscaler_scales_by_the_metrics_of_an_extension_server(kubectl: Kubectl, registered: Extension) -> None:
    kubectl("create", "deployment", "busy", "--image=x")
    kubectl("set", "resources", "deployment/busy", "--requests=cpu=200m")
    kubectl("rollout", "status", "deployment/busy")
    kubectl("autoscale", "deployment", "busy", "--min=1", "--max=3", "--cpu-percent=50")

    def scaled() -> bool:
        names = kubectl("get", "pods", "-l", "app=busy", "-o", "jsonpath={.items[*].metadata.name}").split()
        registered.pods = tuple(names)
        return bool(kubectl.json("deployment", "busy")["spec"]["replicas"] == 3)

    eventually(scaled, seconds=80.0, every=1.0)
    conditions = {c["type"]: c["status"] for c in kubectl.json("hpa", "busy")["status"]["conditions"]}
    assert (conditions["ScalingActive"], conditions["AbleToScale"]) == ("True", "True")
