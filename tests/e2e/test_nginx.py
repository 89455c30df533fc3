"""nginx from a real registry: the example Deployment runs unchanged through a registry mirror and serves its page."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

import pytest

from tests.e2e.test_real_node import fetch
from tests.linux.images.nginx import PAGE, push_nginx
from tests.linux.images.registry import serve_registry
from tests.support.kubectl import Kubectl
from tests.support.running import REPOSITORY, Server, eventually, own_ranges

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a real node")]

CACHE = Path(tempfile.gettempdir()) / "kube-lite-tests" / "nginx"
"""Debian's packages and the root made of them, kept between runs."""


EXAMPLES = REPOSITORY / "examples"


@pytest.mark.parametrize(
    "example",
    [EXAMPLES / "nginx-deployment.yaml", EXAMPLES / "legacy" / "nginx-extensions-v1beta1.yaml"],
    ids=["v1", "old"],
)
def test_the_example_serves_its_page(program: Path, tmp_path: Path, example: Path) -> None:
    with serve_registry(tmp_path / "registry") as registry:
        push_nginx(registry, CACHE)
        flags = ["--node-name", f"kl-nginx-{secrets.token_hex(3)}", "--registry-mirror", f"docker.io={registry}"]
        server = Server("up", tmp_path / "data", *flags, *own_ranges())
        try:
            kubectl = Kubectl(program, server.kubeconfig)
            kubectl("apply", "-f", str(example))
            kubectl("expose", "deployment", "nginx-deployment", "--port=80", "--name=nginx")
            kubectl("rollout", "status", "deployment/nginx-deployment", "--timeout=60s")
            pods = kubectl.json("pods", "-l", "app=nginx-server")["items"]
            assert len(pods) == 2
            address = kubectl("get", "service", "nginx", "-o", "jsonpath={.spec.clusterIP}")
            eventually(lambda: fetch(address) == PAGE.decode())
            for pod in pods:
                assert fetch(pod["status"]["podIP"]) == PAGE.decode()
                state = pod["status"]["containerStatuses"][0]
                assert state["image"].endswith("nginx:1.7.9")
                assert state["imageID"].startswith("docker.io/library/nginx@sha256:")
            eventually(lambda: "GET / HTTP/1.1" in kubectl("logs", "-l", "app=nginx-server"))
        finally:
            code = server.stop()
        assert code == 0, server.err
