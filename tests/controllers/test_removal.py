"""Only what was seen is taken away, and what is gone already is no trouble."""

from __future__ import annotations

import msgspec
import pytest

from kube_lite import clock
from kube_lite.controllers.removal import delete_seen, lift_finalizer
from kube_lite.errors import Conflict
from kube_lite.resources.meta import ObjectMeta, ObjectView
from tests.controllers.fake_client import FakeClient


async def seen(client: FakeClient, *finalizers: str) -> ObjectMeta:
    made = await client.create("configmaps", {"metadata": {"name": "c", "finalizers": list(finalizers)}}, "ns")
    return msgspec.json.decode(made, type=ObjectView).metadata


def test_an_object_is_deleted_unless_another_has_its_name_by_now() -> None:
    async def body() -> None:
        client = FakeClient()
        meta = await seen(client)
        await delete_seen(client, "configmaps", meta)
        assert client.writes[-1] == ("delete", "configmaps", "ns/c")
        await delete_seen(client, "configmaps", meta)
        await seen(client)
        with pytest.raises(Conflict):
            await delete_seen(client, "configmaps", meta)

    clock.run_virtual(body())


def test_a_finalizer_is_lifted_unless_the_object_changed() -> None:
    async def body() -> None:
        client = FakeClient()
        meta = await seen(client, "example.com/a", "example.com/b")
        await lift_finalizer(client, "configmaps", meta, "example.com/a")
        left = msgspec.json.decode(await client.get("configmaps", "c", "ns"), type=ObjectView).metadata
        assert left.finalizers == ["example.com/b"]
        with pytest.raises(Conflict):
            await lift_finalizer(client, "configmaps", meta, "example.com/b")
        await client.patch("configmaps", "c", {"metadata": {"finalizers": None}}, "ns")
        await delete_seen(client, "configmaps", left)
        await lift_finalizer(client, "configmaps", left, "example.com/b")

    clock.run_virtual(body())
