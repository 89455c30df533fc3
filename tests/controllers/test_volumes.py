"""Claims get volumes that fit, each volume one claim; both are kept while they are used."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.resources.meta import Obj
from tests.controllers.test_crashes import Dying
from tests.controllers.world import NS, World, running

PV = "persistentvolumes"
PVC = "persistentvolumeclaims"
SC = "storageclasses.storage.k8s.io"
BINDER = ["persistentvolume-binder"]


def volume(name: str, size: str = "1Gi", labels: Obj | None = None, **spec: Any) -> Obj:
    body = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce", "ReadOnlyMany"], **spec}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": body}


def claim(name: str = "c", size: str = "1Gi", **spec: Any) -> Obj:
    body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return {"metadata": {"name": name}, "spec": body}


def phase(world: World, resource: str, name: str) -> str:
    found = world.get(resource, name, NS if resource == PVC else "")
    return str(found.get("status", {}).get("phase"))


def reasons(world: World) -> list[str]:
    return [reason for _, reason, _ in world.events()]


async def bound(volumes: list[Obj], claims: list[Obj], *, classes: list[Obj] | None = None) -> World:
    """The world after the binder has seen these."""
    world = World()
    for kind in classes or ():
        await world.client.create(SC, kind)
    for body in volumes:
        await world.client.create(PV, body)
    async with running(world, BINDER, kubelet=False):
        await anyio.sleep(1)
        for body in claims:
            await world.client.create(PVC, body, NS)
        await anyio.sleep(5)
    return world


def test_a_claim_gets_the_smallest_volume_that_fits() -> None:
    volumes = [volume("big", "9Gi"), volume("fit", "2Gi"), volume("small", "1Gi")]
    world = clock.run_virtual(bound(volumes, [claim(size="1500Mi")]))
    found = world.get(PVC, "c")
    assert found["spec"]["volumeName"] == "fit"
    assert found["metadata"]["annotations"] == {
        "pv.kubernetes.io/bind-completed": "yes",
        "pv.kubernetes.io/bound-by-controller": "yes",
    }
    modes = ["ReadWriteOnce", "ReadOnlyMany"]
    assert found["status"] == {"phase": "Bound", "accessModes": modes, "capacity": {"storage": "2Gi"}}
    reference = world.get(PV, "fit", "")["spec"]["claimRef"]
    assert (reference["kind"], reference["name"], reference["uid"]) == (
        "PersistentVolumeClaim",
        "c",
        found["metadata"]["uid"],
    )
    assert [phase(world, PV, name) for name in ("big", "fit", "small")] == ["Available", "Bound", "Available"]


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        ({"size": "1Gi"}, {"size": "2Gi"}),
        ({"storageClassName": "fast"}, {}),
        ({}, {"storageClassName": "fast"}),
        ({}, {"accessModes": ["ReadWriteMany"]}),
        ({"volumeMode": "Block"}, {}),
        ({}, {"selector": {"matchLabels": {"disk": "ssd"}}}),
        ({"claimRef": {"namespace": NS, "name": "other"}}, {}),
    ],
)
def test_what_does_not_fit_is_not_given(offered: Obj, asked: Obj) -> None:
    world = clock.run_virtual(bound([volume("v", **offered)], [claim(**asked)]))
    assert phase(world, PV, "v") == "Available"
    assert "volumeName" not in world.get(PVC, "c")["spec"]


def test_a_volume_may_be_kept_for_a_claim_and_a_claim_may_name_its_volume() -> None:
    volumes = [volume("a"), volume("b", "5Gi", claimRef={"namespace": NS, "name": "c"}), volume("n", "5Gi")]
    world = clock.run_virtual(bound(volumes, [claim(), claim("d", volumeName="n")]))
    assert world.get(PVC, "c")["spec"]["volumeName"] == "b"
    assert [phase(world, PVC, "c"), phase(world, PVC, "d"), phase(world, PV, "n")] == ["Bound"] * 3
    assert "pv.kubernetes.io/bound-by-controller" not in world.get(PVC, "d")["metadata"]["annotations"]
    assert "annotations" not in world.get(PV, "b", "")["metadata"]


def test_two_claims_never_share_a_volume() -> None:
    volumes = [volume(f"v{number}") for number in range(3)]
    world = clock.run_virtual(bound(volumes, [claim(f"c{number}") for number in range(5)]))
    given = [found["spec"].get("volumeName") for found in world.objects(PVC)]
    assert sorted(name for name in given if name) == ["v0", "v1", "v2"]
    assert reasons(world).count("FailedBinding") >= 2


def test_a_claim_that_waits_for_its_consumer_is_left_alone() -> None:
    late = {"metadata": {"name": "late"}, "provisioner": "x.io/p", "volumeBindingMode": "WaitForFirstConsumer"}
    world = clock.run_virtual(
        bound([volume("v", storageClassName="late")], [claim(storageClassName="late")], classes=[late])
    )
    assert phase(world, PV, "v") == "Available"
    assert reasons(world) == ["WaitForFirstConsumer"]


def test_a_claim_without_volume_asks_the_provisioner_of_its_class() -> None:
    kind = {"metadata": {"name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}
    world = clock.run_virtual(bound([], [claim()], classes=[{**kind, "provisioner": "x.io/p"}]))
    found = world.get(PVC, "c")
    assert found["spec"]["storageClassName"] == "fast"
    assert found["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"] == "x.io/p"
    assert set(reasons(world)) == {"ExternalProvisioning"}


@pytest.mark.parametrize(
    ("policy", "annotations", "left"),
    [
        ("Retain", {}, "Released"),
        ("Delete", {"pv.kubernetes.io/provisioned-by": "x.io/p"}, "Released"),
        ("Delete", {}, "Failed"),
        ("Recycle", {}, "Failed"),
    ],
)
def test_a_volume_outlives_its_claim_as_its_policy_says(policy: str, annotations: Obj, left: str) -> None:
    async def main() -> None:
        world = World()
        body = volume("v", persistentVolumeReclaimPolicy=policy)
        body["metadata"]["annotations"] = annotations
        await world.client.create(PV, body)
        await world.client.create(PVC, claim(), NS)
        async with running(world, BINDER, kubelet=False):
            await anyio.sleep(2)
            assert phase(world, PV, "v") == "Bound"
            await world.client.delete(PVC, "c", NS)
            await world.client.create(PVC, claim(), NS)  # another one of that name gets nothing of it
            await anyio.sleep(2)
            assert phase(world, PV, "v") == left
            assert "volumeName" not in world.get(PVC, "c")["spec"]
            writes = [write for write in world.client.writes if write[1] != "events"]
            await anyio.sleep(600)
            assert [write for write in world.client.writes if write[1] != "events"] == writes

    clock.run_virtual(main())


def test_a_claim_without_its_volume_is_lost() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(PV, volume("v"))
        await world.client.create(PVC, claim(), NS)
        async with running(world, BINDER, kubelet=False):
            await anyio.sleep(2)
            await world.client.delete(PV, "v")
            await anyio.sleep(2)
            assert phase(world, PVC, "c") == "Lost"
        assert reasons(world)[-1] == "ClaimLost"

    clock.run_virtual(main())


def test_a_death_at_any_write_leaves_no_half_binding() -> None:
    async def run(at: int, made: bool) -> tuple[Any, int]:
        world = World()
        dying = Dying(world.client, at, made)
        for name in ("v1", "v2"):
            await world.client.create(PV, volume(name))
            await world.client.create(PVC, claim(f"c-{name}"), NS)

        async def control() -> None:
            async with running(world, BINDER, client_for=lambda name: dying, kubelet=False):
                await dying.died.wait()
            async with running(world, BINDER, kubelet=False):
                await anyio.sleep_forever()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(control)
            await anyio.sleep(20)
            tasks.cancel_scope.cancel()
        pairs = {(found["spec"]["volumeName"], found["metadata"]["uid"]) for found in world.objects(PVC)}
        other = {(found["metadata"]["name"], found["spec"]["claimRef"]["uid"]) for found in world.objects(PV)}
        assert pairs == other
        return [found["status"] for found in (*world.objects(PV), *world.objects(PVC))], dying.count

    undisturbed, writes = clock.run_virtual(run(0, False))
    for at in range(1, writes + 1):
        for made in (False, True):
            assert clock.run_virtual(run(at, made))[0] == undisturbed, (at, made)


def test_a_deleted_claim_stays_while_a_pod_on_a_node_has_it() -> None:
    async def main() -> None:
        world = World()
        body = claim()
        body["metadata"]["finalizers"] = ["kubernetes.io/pvc-protection"]
        await world.client.create(PVC, body, NS)
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}]
        for name, node in (("p", "n1"), ("unplaced", "")):
            await world.client.create(
                "pods", {"metadata": {"name": name}, "spec": {"nodeName": node, "volumes": volumes}}, NS
            )
        async with running(world, ["pvc-protection"], kubelet=False):
            await world.client.delete(PVC, "c", NS)
            await anyio.sleep(60)
            assert world.get(PVC, "c")["metadata"]["deletionTimestamp"]
            await world.client.delete("pods", "p", NS, grace_period_seconds=0)
            await anyio.sleep(1)
            assert world.objects(PVC) == []

    clock.run_virtual(main())


def test_a_deleted_volume_stays_while_it_is_bound() -> None:
    async def main() -> None:
        world = World()
        body = volume("v")
        body["metadata"]["finalizers"] = ["kubernetes.io/pv-protection"]
        await world.client.create(PV, body)
        await world.client.create(PVC, claim(), NS)
        async with running(world, ["pv-protection", *BINDER], kubelet=False):
            await anyio.sleep(2)
            await world.client.delete(PV, "v")
            await anyio.sleep(60)
            assert phase(world, PV, "v") == "Bound"
            await world.client.delete(PVC, "c", NS)
            await anyio.sleep(2)
            assert world.objects(PV) == []

    clock.run_virtual(main())
