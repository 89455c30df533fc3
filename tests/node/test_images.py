"""Pulling for a pod: its secrets go to the runtime, and what is wrong with them is told."""

from __future__ import annotations

import base64
import json

import anyio

from kube_lite.node.keyring import Credential
from tests.node.fake_runtime import FakeRuntime
from tests.node.harness import Json, container, pod, run, running_node


def _secret(name: str, config: str, kind: str = "kubernetes.io/dockerconfigjson") -> Json:
    data = {".dockerconfigjson": base64.b64encode(config.encode()).decode()}
    return {"metadata": {"name": name, "namespace": "default"}, "type": kind, "data": data}


def test_the_credentials_of_every_pull_secret_go_to_the_runtime() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.missing.add("quay.io/app")
        async with running_node(runtime) as node:
            for name in ("one", "two"):
                config = json.dumps({"auths": {"quay.io": {"username": name, "password": "p"}}})
                node.client.put("secrets", _secret(name, config))
            node.client.put("secrets", _secret("opaque", "{}", "Opaque"))
            secrets = [{"name": name} for name in ("one", "opaque", "two", "absent")]
            node.client.put("pods", pod("p", container(image="quay.io/app"), imagePullSecrets=secrets))
            await anyio.sleep(1)
            assert node.status()["phase"] == "Running"
            assert runtime.credentials == [Credential("quay.io", "one", "p"), Credential("quay.io", "two", "p")]
            message = (
                "Unable to retrieve some image pull secrets (absent); attempting to pull the image may not succeed."
            )
            assert ("FailedToRetrieveImagePullSecret", message, 1) in node.client.events()

    run(story)


def test_a_malformed_pull_secret_is_an_image_that_cannot_be_pulled() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.missing.add("app")
        async with running_node(runtime) as node:
            node.client.put("secrets", _secret("s", "no json"))
            node.client.put("pods", pod("p", container(image="app"), imagePullSecrets=[{"name": "s"}]))
            await anyio.sleep(1)
            waiting = node.state()["waiting"]
            assert waiting["reason"] == "ErrImagePull"
            assert waiting["message"].startswith("invalid pull secret: ")
            await anyio.sleep(3)
            assert node.state()["waiting"]["reason"] == "ImagePullBackOff"
            assert runtime.times("pull") == []

    run(story)
