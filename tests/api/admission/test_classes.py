"""Default storage class, runtime class, and the finalizers of volumes in use."""

from __future__ import annotations

import pytest

from kube_lite import errors
from kube_lite.api.local import LocalClient
from tests.api.admission.stories import Json, made, play, pod

DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}


def claim(name: str, **spec: str) -> Json:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name}, "spec": {**asked, **spec}}


def test_a_claim_without_a_class_gets_the_default_one() -> None:
    async def story(client: LocalClient) -> None:
        for name, marks in (("gold", {}), ("silver", DEFAULT)):
            obj = {"metadata": {"name": name, "annotations": marks}, "provisioner": "p.example.com"}
            await client.create("storageclasses.storage.k8s.io", obj)
        found = await made(client, "persistentvolumeclaims", claim("a"))
        assert found["spec"]["storageClassName"] == "silver"
        assert found["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
        assert (await made(client, "persistentvolumeclaims", claim("b", storageClassName="")))["spec"][
            "storageClassName"
        ] == ""
        found = await made(client, "persistentvolumeclaims", claim("c", storageClassName="gold"))
        assert found["spec"]["storageClassName"] == "gold"

    play(story)


RUNTIME: Json = {
    "metadata": {"name": "vm"},
    "handler": "vm",
    "overhead": {"podFixed": {"memory": "64Mi"}},
    "scheduling": {
        "nodeSelector": {"vm": "yes"},
        "tolerations": [{"key": "vm", "operator": "Exists", "effect": "NoSchedule"}],
    },
}


def test_a_pod_carries_what_its_runtime_class_asks_for() -> None:
    async def story(client: LocalClient) -> None:
        await client.create("runtimeclasses.node.k8s.io", RUNTIME)
        found = (await made(client, "pods", pod("a", spec={"runtimeClassName": "vm"})))["spec"]
        assert found["overhead"] == {"memory": "64Mi"}
        assert found["nodeSelector"] == {"vm": "yes"}
        assert RUNTIME["scheduling"]["tolerations"][0] in found["tolerations"]

    play(story)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found'),
        ({"runtimeClassName": "vm", "overhead": {"memory": "1Mi"}}, "pod rejected: Pod's Overhead doesn't match"),
        ({"overhead": {"memory": "1Mi"}}, "pod rejected: Pod Overhead set without corresponding RuntimeClass"),
        ({"runtimeClassName": "vm", "nodeSelector": {"vm": "no"}}, "conflict: "),
    ],
)
def test_a_pod_that_contradicts_its_class_is_refused(spec: Json, why: str) -> None:
    async def story(client: LocalClient) -> None:
        await client.create("runtimeclasses.node.k8s.io", RUNTIME)
        with pytest.raises(errors.Forbidden) as caught:
            await made(client, "pods", pod("a", spec=spec))
        assert why in caught.value.message

    play(story)
