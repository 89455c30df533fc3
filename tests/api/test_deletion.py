"""Deletion: grace periods, finalizers, propagation, preconditions."""

from __future__ import annotations

import json

import pytest

from kube_lite import errors
from kube_lite.api.local import LocalClient
from kube_lite.store.memory import MemoryStore
from kube_lite.store.store import StorageFull
from tests.api.test_verbs import pod, run


async def _bound_pod(client: LocalClient, name: str) -> str:
    made = json.loads(await client.create("pods", pod(name), "default"))
    binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": "n"}}
    await client.create("pods", binding, "default", name=name, subresource="binding")
    return str(made["metadata"]["uid"])


def test_an_object_without_ties_is_gone_at_once() -> None:
    async def story(client: LocalClient) -> None:
        made = json.loads(await client.create("configmaps", {"metadata": {"name": "c"}}, "default"))
        answer = json.loads(await client.delete("configmaps", "c", "default"))
        assert answer["status"] == "Success"
        assert answer["details"] == {"name": "c", "kind": "configmaps", "uid": made["metadata"]["uid"]}
        with pytest.raises(errors.NotFound, match='configmaps "c" not found'):
            await client.get("configmaps", "c", "default")

    run(story)


def test_a_pod_on_a_node_gets_its_grace_period_which_can_only_shrink() -> None:
    async def story(client: LocalClient) -> None:
        await _bound_pod(client, "p")
        going = json.loads(await client.delete("pods", "p", "default"))["metadata"]
        assert going["deletionGracePeriodSeconds"] == 30
        assert going["deletionTimestamp"] == "2026-01-01T00:00:30Z"
        longer = json.loads(await client.delete("pods", "p", "default", grace_period_seconds=60))["metadata"]
        assert longer["deletionGracePeriodSeconds"] == 30
        shorter = json.loads(await client.delete("pods", "p", "default", grace_period_seconds=5))["metadata"]
        assert (shorter["deletionGracePeriodSeconds"], shorter["deletionTimestamp"]) == (5, "2026-01-01T00:00:05Z")
        await client.delete("pods", "p", "default", grace_period_seconds=0)
        with pytest.raises(errors.NotFound):
            await client.get("pods", "p", "default")

    run(story)


def test_a_pod_without_a_node_has_nothing_to_wait_for() -> None:
    async def story(client: LocalClient) -> None:
        await client.create("pods", pod("p"), "default")
        await client.delete("pods", "p", "default")
        with pytest.raises(errors.NotFound):
            await client.get("pods", "p", "default")

    run(story)


def test_a_finalizer_holds_an_object_until_it_is_removed() -> None:
    async def story(client: LocalClient) -> None:
        held = {"metadata": {"name": "c", "finalizers": ["example.com/hold"]}}
        await client.create("configmaps", held, "default")
        going = json.loads(await client.delete("configmaps", "c", "default"))
        assert going["metadata"]["deletionTimestamp"]
        assert json.loads(await client.get("configmaps", "c", "default"))["metadata"]["finalizers"]
        await client.patch("configmaps", "c", {"metadata": {"finalizers": None}}, "default")
        with pytest.raises(errors.NotFound):
            await client.get("configmaps", "c", "default")

    run(story)


def test_propagation_is_left_to_the_collector_as_a_finalizer() -> None:
    async def story(client: LocalClient) -> None:
        for name, policy, finalizer in (("f", "Foreground", "foregroundDeletion"), ("o", "Orphan", "orphan")):
            await client.create("configmaps", {"metadata": {"name": name}}, "default")
            going = json.loads(await client.delete("configmaps", name, "default", propagation_policy=policy))
            assert going["metadata"]["finalizers"] == [finalizer]

    run(story)


@pytest.mark.parametrize("policy", ["Foreground", "Orphan"])
def test_an_event_waits_for_no_dependants(policy: str) -> None:
    async def story(client: LocalClient) -> None:
        event = {"metadata": {"name": "e"}, "involvedObject": {"namespace": "default"}}
        await client.create("events", event, "default")
        await client.delete("events", "e", "default", propagation_policy=policy)
        with pytest.raises(errors.NotFound):
            await client.get("events", "e", "default")

    run(story)


def test_preconditions_guard_against_a_namesake() -> None:
    async def story(client: LocalClient) -> None:
        await client.create("configmaps", {"metadata": {"name": "c"}}, "default")
        with pytest.raises(errors.Conflict, match="the UID in the precondition"):
            await client.delete("configmaps", "c", "default", uid="another")
        with pytest.raises(errors.Conflict, match="the ResourceVersion in the precondition"):
            await client.delete("configmaps", "c", "default", resource_version="1")
        assert await client.get("configmaps", "c", "default")

    run(story)


def test_the_namespaces_that_a_cluster_needs_stay() -> None:
    async def story(client: LocalClient) -> None:
        with pytest.raises(errors.Forbidden, match="this namespace may not be deleted"):
            await client.delete("namespaces", "kube-system")

    run(story)


def test_a_terminating_namespace_takes_nothing_new() -> None:
    async def story(client: LocalClient) -> None:
        await client.create("namespaces", {"metadata": {"name": "n"}})
        await client.create("serviceaccounts", {"metadata": {"name": "a"}}, "n")
        going = json.loads(await client.delete("namespaces", "n"))
        assert going["status"]["phase"] == "Terminating"
        with pytest.raises(errors.Forbidden, match=r'configmaps "c-" is forbidden: .* because it is being terminated'):
            await client.create("configmaps", {"metadata": {"generateName": "c-"}}, "n")
        with pytest.raises(errors.Forbidden) as caught:  # nor anything for what is there
            await client.create("serviceaccounts", {"spec": {}}, "n", name="a", subresource="token")
        assert [cause["reason"] for cause in caught.value.details["causes"]] == ["NamespaceTerminating"]

    run(story)


def test_asking_again_for_what_is_under_way_writes_nothing() -> None:
    async def story(client: LocalClient) -> None:
        held = {"metadata": {"name": "c", "finalizers": ["example.com/hold"]}}
        await client.create("configmaps", held, "default")
        going = json.loads(await client.delete("configmaps", "c", "default"))
        again = json.loads(await client.delete("configmaps", "c", "default"))
        assert again["metadata"]["resourceVersion"] == going["metadata"]["resourceVersion"]

    run(story)


def test_how_dependants_go_is_settled_by_the_first_delete_of_a_pod() -> None:
    async def story(client: LocalClient) -> None:
        await _bound_pod(client, "p")
        first = json.loads(await client.delete("pods", "p", "default", propagation_policy="Orphan"))
        again = json.loads(await client.delete("pods", "p", "default", propagation_policy="Foreground"))
        assert (again["metadata"]["finalizers"], again) == (["orphan"], first)

    run(story)


def test_finalizers_that_are_there_keep_their_order_and_no_grace_shrinks_below_none() -> None:
    async def story(client: LocalClient) -> None:
        order = ["foregroundDeletion", "example.com/hold"]
        await client.create("pods", {**pod("p"), "metadata": {"name": "p", "finalizers": order}}, "default")
        for _ in range(2):
            going = await client.delete(
                "pods", "p", "default", propagation_policy="Foreground", grace_period_seconds=-1
            )
            meta = json.loads(going)["metadata"]
            assert (meta["finalizers"], meta["deletionGracePeriodSeconds"]) == (order, 0)

    run(story)


def test_what_is_removed_is_answered_as_it_was() -> None:
    async def story(client: LocalClient) -> None:
        made = json.loads(await client.create("resourcequotas", {"metadata": {"name": "q"}}, "default"))
        gone = json.loads(await client.delete("resourcequotas", "q", "default"))
        assert gone["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        node = json.loads(await client.create("csinodes", {"metadata": {"name": "n"}, "spec": {"drivers": []}}))
        assert json.loads(await client.delete("csinodes", "n"))["metadata"]["uid"] == node["metadata"]["uid"]

    run(story)


def test_a_service_that_is_held_is_answered_with_a_status_too() -> None:
    async def story(client: LocalClient) -> None:
        held = {"metadata": {"name": "s", "finalizers": ["example.com/hold"]}, "spec": {"ports": [{"port": 1}]}}
        await client.create("services", held, "default")
        assert json.loads(await client.delete("services", "s", "default"))["status"] == "Success"
        assert json.loads(await client.get("services", "s", "default"))["metadata"]["deletionTimestamp"]

    run(story)


def test_on_a_full_disk_a_pod_is_marked_by_nothing_and_removed_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*args: object, **more: object) -> None:
        raise StorageFull("the disk is full")

    async def story(client: LocalClient) -> None:
        await _bound_pod(client, "p")
        monkeypatch.setattr(MemoryStore, "write", full)
        with pytest.raises(errors.InsufficientStorage, match="the disk is full"):
            await client.delete("pods", "p", "default")
        await client.delete("pods", "p", "default", grace_period_seconds=0)
        with pytest.raises(errors.NotFound):
            await client.get("pods", "p", "default")

    run(story)
