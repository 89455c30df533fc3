"""Which account a pod runs as, and what that lets it refer to."""

from __future__ import annotations

import anyio
import pytest

from kube_lite import errors
from kube_lite.api.local import LocalClient
from tests.api.admission.stories import Json, made, play, pod

MIRROR: Json = {"kubernetes.io/config.mirror": "x"}
STRICT: Json = {
    "metadata": {"name": "strict", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
    "secrets": [{"name": "known"}],
    "imagePullSecrets": [{"name": "pull"}],
}
ENV: Json = {"name": "E", "valueFrom": {"secretKeyRef": {"name": "x", "key": "k"}}}
TOLD = "is not allowed because service account strict does not reference that"


def container(name: str, **more: object) -> Json:
    return {"name": name, "image": "i:1", **more}


def test_a_pod_waits_for_the_account_of_a_new_namespace_and_for_no_other() -> None:
    async def story(client: LocalClient) -> None:
        async def come_late() -> None:
            await anyio.sleep(0.5)
            await client.create("serviceaccounts", {"metadata": {"name": "default"}}, "default")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(come_late)
            found = await made(client, "pods", pod("a"))
        assert found["spec"]["serviceAccountName"] == "default"
        before = anyio.current_time()
        with pytest.raises(errors.Forbidden, match='error looking up service account default/x: serviceaccount "x"'):
            await made(client, "pods", pod("b", spec={"serviceAccountName": "x"}))
        assert anyio.current_time() == before

    play(story, disabled=())


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({}, ""),
        ({"serviceAccountName": "strict"}, "a mirror pod may not reference service accounts"),
        ({"volumes": [{"name": "v", "secret": {"secretName": "x"}}]}, "a mirror pod may not reference secrets"),
        (
            {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            "a mirror pod may not use ServiceAccountToken volume projections",
        ),
    ],
)
def test_a_mirror_pod_has_no_account_and_no_secrets(spec: Json, why: str) -> None:
    async def story(client: LocalClient) -> None:
        obj = pod("a", spec={"nodeName": "n", **spec})
        obj["metadata"]["annotations"] = MIRROR
        if not why:
            assert "serviceAccountName" not in (await made(client, "pods", obj))["spec"]
            return
        with pytest.raises(errors.Forbidden) as caught:
            await made(client, "pods", obj)
        assert caught.value.message == f'pods "a" is forbidden: {why}'

    play(story, disabled=())


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"volumes": [{"name": "v", "secret": {"secretName": "known"}}]}, ""),
        (
            {"volumes": [{"name": "v", "secret": {"secretName": "x"}}]},
            f'volume with secret.secretName="x" {TOLD} secret',
        ),
        (
            {"containers": [container("c", env=[ENV])]},
            f'container c with envVar E referencing secret.secretName="x" {TOLD} secret',
        ),
        (
            {"initContainers": [container("i", envFrom=[{"secretRef": {"name": "x"}}])]},
            f'init container i with envFrom referencing secret.secretName="x" {TOLD} secret',
        ),
        ({"imagePullSecrets": [{"name": "x"}]}, f'imagePullSecrets[0].name="x" {TOLD} imagePullSecret'),
    ],
)
def test_an_account_that_says_so_bounds_the_secrets_of_its_pods(spec: Json, why: str) -> None:
    async def story(client: LocalClient) -> None:
        await client.create("serviceaccounts", STRICT, "default")
        obj = pod("a", spec={"serviceAccountName": "strict", **spec})
        if not why:
            assert (await made(client, "pods", obj))["spec"]["imagePullSecrets"] == [{"name": "pull"}]
            return
        with pytest.raises(errors.Forbidden) as caught:
            await made(client, "pods", obj)
        assert caught.value.message == f'pods "a" is forbidden: {why}'

    play(story, disabled=())


def test_a_container_that_is_added_later_is_bound_by_the_account_too() -> None:
    async def story(client: LocalClient) -> None:
        await client.create("serviceaccounts", STRICT, "default")
        await made(client, "pods", pod("a", spec={"serviceAccountName": "strict"}))
        added = {"spec": {"ephemeralContainers": [container("e", env=[ENV])]}}
        with pytest.raises(errors.Forbidden) as caught:
            await client.patch("pods", "a", added, "default", subresource="ephemeralcontainers")
        told = f'ephemeral container e with envVar E referencing secret.secretName="x" {TOLD} secret'
        assert caught.value.message == f'pods "a" is forbidden: {told}'

    play(story, disabled=())
