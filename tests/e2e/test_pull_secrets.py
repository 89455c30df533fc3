"""A registry that asks who one is: pods without a pull secret wait and say why, with one they run."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from tests.e2e.test_real_node import pod, status
from tests.linux.images.registry import Image, push, serve_registry, tar_of
from tests.support.kubectl import Kubectl
from tests.support.running import Server, eventually, own_ranges

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a real node")]

USERS = "reader:$2b$05$dqY7f7AehuCPgoqx4lGPxekXhzb0imxDBIyEYEY6/vWsQHuO0CdkC\n"
"""The password is ``s3cret``; bcrypt is the only hash that the registry takes."""


def _pod(name: str, image: str, **spec: object) -> str:
    """A pod that runs the host's own ``sleep``, so that the image need not hold any program."""
    usr = {"name": "usr", "hostPath": {"path": "/usr"}}
    mounted = [{"name": "usr", "mountPath": "/usr", "readOnly": True}]
    sleeper = {"name": "c", "image": image, "command": ["/usr/bin/sleep", "600"], "volumeMounts": mounted}
    return pod(name, sleeper, volumes=[usr], **spec)


def test_a_pull_secret_of_pod_or_account_opens_a_closed_registry(program: Path, tmp_path: Path) -> None:
    layer = tar_of({"usr": None, "lib64": "usr/lib64", "lib": "usr/lib"})
    with serve_registry(tmp_path / "registry") as base:
        for repository in ("team/one", "team/two"):
            digest = push(base, repository, "v1", Image([layer]))
    with serve_registry(tmp_path / "registry", USERS) as base:
        registry = base.removeprefix("http://")
        server = Server("up", tmp_path / "data", "--node-name", f"kl-pull-{secrets.token_hex(3)}", *own_ranges())
        try:
            kubectl = Kubectl(program, server.kubeconfig)
            kubectl("apply", "-f", "-", stdin=_pod("closed", f"{registry}/team/one:v1"))

            def waiting() -> dict[str, str]:
                found: dict[str, str] = status(kubectl, "closed").get("state", {}).get("waiting", {})
                return found

            eventually(lambda: waiting().get("reason") == "ErrImagePull", every=0.2)
            assert "no basic auth credentials" in waiting()["message"]
            eventually(lambda: waiting().get("reason") == "ImagePullBackOff", every=0.2)
            login = ["--docker-server", registry, "--docker-username=reader"]
            kubectl("create", "secret", "docker-registry", "wrong", *login, "--docker-password=guess")
            kubectl("create", "secret", "docker-registry", "right", *login, "--docker-password=s3cret")
            both = [{"name": "wrong"}, {"name": "right"}]
            kubectl("apply", "-f", "-", stdin=_pod("open", f"{registry}/team/one:v1", imagePullSecrets=both))
            kubectl("wait", "pod/open", "--for=condition=Ready", "--timeout=30s")
            assert status(kubectl, "open")["imageID"] == f"{registry}/team/one@{digest}"
            kubectl("apply", "-f", "-", stdin=_pod("curious", f"{registry}/team/one:v1"))
            eventually(lambda: "waiting" in status(kubectl, "curious").get("state", {}), every=0.2)
            eventually(
                lambda: (
                    status(kubectl, "curious")["state"]["waiting"]["reason"] in ("ErrImagePull", "ImagePullBackOff")
                ),
                every=0.2,
            )
            account = '{"imagePullSecrets": [{"name": "right"}]}'
            kubectl("patch", "serviceaccount", "default", "-p", account)
            kubectl("apply", "-f", "-", stdin=_pod("accounted", f"{registry}/team/two:v1"))
            kubectl("wait", "pod/accounted", "--for=condition=Ready", "--timeout=30s")
            assert kubectl.json("pod", "accounted")["spec"]["imagePullSecrets"] == [{"name": "right"}]
        finally:
            code = server.stop()
        assert code == 0, server.err
