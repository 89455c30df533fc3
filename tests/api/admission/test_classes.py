"""Default storage class, runtime class, and the finalizers of volumes in use."""

from __future__ import annotations

import pytest

from kube_lite import errors
from kube_lite.api.local import LocalClient
from tests.api.admission.stories import Json, made, play, pod, read

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


def test_a_toleration_that_another_one_covers_is_dropped() -> None:
    wide: Json = {"key": "k", "operator": "Exists"}
    narrow: Json = {"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}
    brief: Json = {"key": "x", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    lasting: Json = {**brief, "tolerationSeconds": 9}

    async def story(client: LocalClient) -> None:
        scheduling = {"tolerations": [wide, lasting]}
        await client.create(
            "runtimeclasses.node.k8s.io", {"metadata": {"name": "vm"}, "handler": "vm", "scheduling": scheduling}
        )
        spec: Json = {"runtimeClassName": "vm", "tolerations": [narrow, brief]}
        found = (await made(client, "pods", pod("a", spec=spec)))["spec"]["tolerations"]
        assert [t for t in found if t["key"] in "kx"] == [wide, lasting]

    play(story)


def test_an_ingress_without_a_class_gets_the_default_one() -> None:
    mark: Json = {"ingressclass.kubernetes.io/is-default-class": "true"}
    spec: Json = {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}

    async def story(client: LocalClient) -> None:
        for name in ("b", "a"):
            obj = {"metadata": {"name": name, "annotations": mark}, "spec": {"controller": "x.example.com/c"}}
            await client.create("ingressclasses.networking.k8s.io", obj)
        kind = "ingresses.networking.k8s.io"
        found = await made(client, kind, {"metadata": {"name": "plain"}, "spec": spec})
        assert found["spec"]["ingressClassName"] == "a"
        found = await made(client, kind, {"metadata": {"name": "own"}, "spec": {**spec, "ingressClassName": "c"}})
        assert found["spec"]["ingressClassName"] == "c"
        old: Json = {"name": "old", "annotations": {"kubernetes.io/ingress.class": "c"}}
        assert "ingressClassName" not in (await made(client, kind, {"metadata": old, "spec": spec}))["spec"]

    play(story)


def test_only_a_bound_claim_of_a_class_that_allows_it_grows() -> None:
    wanted: Json = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    no_class = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must"

    async def story(client: LocalClient) -> None:
        for name in ("fixed", "elastic"):
            obj = {
                "metadata": {"name": name},
                "provisioner": "p.example.com",
                "allowVolumeExpansion": name == "elastic",
            }
            await client.create("storageclasses.storage.k8s.io", obj)
            await made(client, "persistentvolumeclaims", claim(name, storageClassName=name, volumeName="v"))
            bound = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
            await client.patch("persistentvolumeclaims", name, bound, "default", subresource="status")
        with pytest.raises(errors.Forbidden, match=no_class):
            await client.patch("persistentvolumeclaims", "fixed", wanted, "default")
        await client.patch("persistentvolumeclaims", "elastic", wanted, "default")
        assert (await read(client, "persistentvolumeclaims", "elastic"))["spec"]["resources"] == wanted["spec"][
            "resources"
        ]

    play(story)


def test_one_priority_class_at_most_is_the_default() -> None:
    kind = "priorityclasses.scheduling.k8s.io"

    async def story(client: LocalClient) -> None:
        for name in ("a", "b"):
            await client.create(kind, {"metadata": {"name": name}, "value": 5, "globalDefault": name == "a"})
        why = "PriorityClass a is already marked as default. Only one default can exist"
        with pytest.raises(errors.Forbidden, match=why):
            await client.create(kind, {"metadata": {"name": "c"}, "value": 6, "globalDefault": True})
        with pytest.raises(errors.Forbidden, match=why):
            await client.patch(kind, "b", {"globalDefault": True})
        await client.patch(kind, "a", {"description": "the default"})

    play(story)


def test_a_pod_carries_the_zone_and_the_region_of_its_node() -> None:
    place: Json = {"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r"}

    async def story(client: LocalClient) -> None:
        await client.create("nodes", {"metadata": {"name": "n", "labels": {**place, "other": "x"}}})
        found = await made(client, "pods", pod("direct", spec={"nodeName": "n"}))
        assert found["metadata"]["labels"] == place
        assert "labels" not in (await made(client, "pods", pod("lost", spec={"nodeName": "gone"})))["metadata"]
        assert "labels" not in (await made(client, "pods", pod("bound")))["metadata"]
        binding = {"metadata": {"name": "bound"}, "target": {"kind": "Node", "name": "n"}}
        await client.create("pods", binding, "default", name="bound", subresource="binding")
        assert (await read(client, "pods", "bound"))["metadata"]["labels"] == place

    play(story)
