"""Informers over a client: the first list, changes in order, lost connections, lost history, bad objects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.client.informer import Informer, Informers
from kube_lite.errors import ServiceUnavailable
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import ObjectView
from tests.controllers.fake_client import FakeClient

Story = list[tuple[str, str]]


def pod(name: str, node: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"nodeName": node, "containers": [{"name": "c"}]}}


def tell(story: Story) -> Callable[[ObjectView | None, ObjectView | None], None]:
    def handler(old: ObjectView | None, new: ObjectView | None) -> None:
        what = "add" if old is None else "delete" if new is None else "update"
        obj = new or old
        assert obj is not None
        story.append((what, obj.metadata.key))

    return handler


@asynccontextmanager
async def running(task: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(task)
        yield
        tasks.cancel_scope.cancel()


def test_the_first_list_and_every_change_are_told_in_order() -> None:
    async def main() -> None:
        client = FakeClient()
        await client.create("pods", pod("b"), "ns")
        await client.create("pods", pod("a"), "ns")
        story: Story = []
        informer = Informer(client, "pods", Pod)
        informer.on_change(tell(story))
        async with running(informer.run):
            await informer.wait_synced()
            assert story == [("add", "ns/a"), ("add", "ns/b")]
            await client.patch("pods", "a", {"metadata": {"labels": {"x": "y"}}}, "ns")
            await client.create("pods", pod("c"), "other")
            await client.delete("pods", "b", "ns")
            await anyio.sleep(0.1)
            assert story[2:] == [("update", "ns/a"), ("add", "other/c"), ("delete", "ns/b")]
            held = informer.get("ns/a")
            assert held is not None
            assert held.metadata.labels == {"x": "y"}
            assert [p.metadata.key for p in informer.list()] == ["ns/a", "other/c"]
            assert [p.metadata.key for p in informer.list("other")] == ["other/c"]
            assert informer.get("ns/b") is None

    clock.run_virtual(main())


def test_indexes_follow_the_objects_and_may_be_added_late() -> None:
    async def main() -> None:
        client = FakeClient()
        informer = Informer(client, "pods", Pod, indexers={"node": lambda p: [p.spec.node_name]})
        async with running(informer.run):
            await client.create("pods", pod("a"), "ns")
            await client.create("pods", pod("b", "n1"), "ns")
            await anyio.sleep(0.1)
            informer.add_index("container", lambda p: [c.name for c in p.spec.containers])
            assert [p.metadata.name for p in informer.by_index("node", "")] == ["a"]
            await client.patch("pods", "a", {"spec": {"nodeName": "n1"}}, "ns")
            await anyio.sleep(0.1)
            assert informer.by_index("node", "") == []
            assert [p.metadata.name for p in informer.by_index("node", "n1")] == ["b", "a"]
            assert [p.metadata.name for p in informer.by_index("container", "c")] == ["a", "b"]
            await client.delete("pods", "a", "ns", grace_period_seconds=0)
            await anyio.sleep(0.1)
            assert [p.metadata.name for p in informer.by_index("node", "n1")] == ["b"]

    clock.run_virtual(main())


def test_lost_history_is_made_up_for_by_the_difference_of_the_lists() -> None:
    async def main() -> None:
        client = FakeClient()
        for name in "abc":
            await client.create("pods", pod(name), "ns")
        story: Story = []
        informer = Informer(client, "pods", Pod)
        informer.on_change(tell(story))
        async with running(informer.run):
            await informer.wait_synced()
            unchanged = informer.get("ns/a")
            story.clear()
            client.broken = ServiceUnavailable("down")
            client.close_watches()
            await anyio.sleep(10)
            client.broken = None
            await client.delete("pods", "b", "ns")
            await client.create("pods", pod("d"), "ns")
            await client.delete("pods", "c", "ns")
            await client.create("pods", pod("c"), "ns")
            client.compact()
            await anyio.sleep(60)
            assert story == [("delete", "ns/b"), ("delete", "ns/c"), ("add", "ns/c"), ("add", "ns/d")]
            assert informer.get("ns/a") is unchanged  # decoded once per revision

    clock.run_virtual(main())


def test_a_watch_that_ends_goes_on_where_it_was_without_a_new_list() -> None:
    async def main() -> None:
        client = FakeClient()
        story: Story = []
        informer = Informer(client, "pods", Pod)
        informer.on_change(tell(story))
        lists = 0
        original = client.list

        async def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal lists
            lists += 1
            return await original(*args, **kwargs)

        client.list = counted  # type: ignore[method-assign]
        async with running(informer.run):
            await informer.wait_synced()
            for name in "abc":
                client.close_watches()
                await client.create("pods", pod(name), "ns")
                await anyio.sleep(5)
            assert story == [("add", "ns/a"), ("add", "ns/b"), ("add", "ns/c")]
            assert lists == 1

    clock.run_virtual(main())


def test_an_object_that_cannot_be_read_is_left_out_and_the_others_are_served(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        client = FakeClient()
        await client.create("pods", pod("good"), "ns")
        await client.create("pods", {"metadata": {"name": "bad"}, "spec": {"containers": "none"}}, "ns")
        story: Story = []
        informer = Informer(client, "pods", Pod)
        informer.on_change(tell(story))
        async with running(informer.run):
            await informer.wait_synced()
            await client.patch("pods", "good", {"spec": {"containers": 7}}, "ns")
            await client.create("pods", pod("new"), "ns")
            await client.delete("pods", "bad", "ns")
            await anyio.sleep(0.1)
            assert story == [("add", "ns/good"), ("add", "ns/new")]
            assert informer.get("ns/good") is not None  # as it last was: not mistaken for deleted
            await client.delete("pods", "good", "ns")
            await anyio.sleep(0.1)
            assert story[2:] == [("delete", "ns/good")]

    clock.run_virtual(main())
    assert "ns/bad" in caplog.text


def test_a_handler_that_comes_late_is_told_what_is_there() -> None:
    async def main() -> None:
        client = FakeClient()
        await client.create("pods", pod("a"), "ns")
        informer = Informer(client, "pods", Pod)
        async with running(informer.run):
            await informer.wait_synced()
            story: Story = []
            informer.on_change(tell(story))
            assert story == [("add", "ns/a")]

    clock.run_virtual(main())


def test_informers_are_shared_by_all_who_ask_and_start_late_ones_too() -> None:
    async def main() -> None:
        client = FakeClient()
        await client.create("pods", pod("a"), "ns")
        informers = Informers(client)
        first = informers.get("pods", Pod)
        assert informers.get("pods", Pod) is first
        assert informers.get("pods", Pod, namespace="ns") is not first
        async with running(informers.run):
            await informers.wait_synced()
            late = informers.get("pods", ObjectView)
            await late.wait_synced()
            assert [o.metadata.name for o in late.list()] == ["a"]
            informers.discard(late)
            await client.create("pods", pod("b"), "ns")
            await anyio.sleep(1)
            assert len(first.list()) == 2
            assert len(late.list()) == 1
            assert informers.get("pods", ObjectView) is not late

    clock.run_virtual(main())
