"""Time travel: objects and lists as they were, and who changed what."""

from __future__ import annotations

import json

import anyio
import pytest

from kube_lite import clock, errors
from kube_lite.api import history
from kube_lite.api.http import Request
from kube_lite.api.plane import Plane
from kube_lite.api.request_info import parse
from kube_lite.api.user import User
from tests.api.wire import ask, call, run
from tests.plane import ADMIN, admin, started_plane


async def _get(plane: Plane, path: str, query: str) -> dict[str, object]:
    request = Request(parse("GET", path, query), user=ADMIN)
    found: dict[str, object] = json.loads(bytes((await plane.dispatcher.handle(request)).body))
    return found


def test_an_object_and_a_list_are_read_as_they_were() -> None:
    async def main() -> None:
        plane = await started_plane()
        client = admin(plane)
        base = "/api/v1/namespaces/default/configmaps"
        made = json.loads(await client.create("configmaps", {"metadata": {"name": "c"}, "data": {"a": "1"}}, "default"))
        plane.dispatcher.timeline.note()
        then = clock.timestamp()
        await anyio.sleep(60)
        await client.patch("configmaps", "c", {"data": {"a": "2"}}, "default")
        await client.delete("configmaps", "c", "default")
        revision = made["metadata"]["resourceVersion"]
        assert (await _get(plane, f"{base}/c", f"at={revision}"))["data"] == {"a": "1"}
        assert (await _get(plane, f"{base}/c", f"at={then}"))["data"] == {"a": "1"}
        listed = await _get(plane, base, f"at={then}")
        assert [item["data"] for item in listed["items"]] == [{"a": "1"}]  # type: ignore[attr-defined]
        assert (await _get(plane, base, "at=" + clock.timestamp()))["items"] == []

    clock.run_virtual(main())


@pytest.mark.parametrize(("at", "error"), [("yesterday", errors.BadRequest), ("2001-01-01T00:00:00Z", errors.Expired)])
def test_a_time_that_makes_no_sense_is_refused(at: str, error: type[errors.ApiError]) -> None:
    async def main() -> None:
        plane = await started_plane()
        with pytest.raises(error):
            await _get(plane, "/api/v1/namespaces/default/configmaps", f"at={at}")

    clock.run_virtual(main())


def test_each_write_names_its_writer_and_fields() -> None:
    async def main() -> None:
        plane = await started_plane()
        await admin(plane, "maker").create("configmaps", {"metadata": {"name": "c"}, "data": {"a": "1"}}, "default")
        await anyio.sleep(5)
        await admin(plane, "mender").patch("configmaps", "c", {"data": {"a": "2", "b": "3"}}, "default")
        await admin(plane).delete("configmaps", "c", "default")
        resource = plane.registry.named("configmaps")
        assert resource is not None
        first, second, last = await history.changes(plane.storage, resource, "default", "c")
        assert (first.manager, first.operation, first.time) == ("maker", "Update", "2026-01-01T00:00:00Z")
        assert (second.manager, second.time) == ("mender", "2026-01-01T00:00:05Z")
        assert [(f.field, f.before, f.after) for f in second.fields] == [(".data.a", "1", "2"), (".data.b", None, "3")]
        assert last.operation == "Delete"

    clock.run_virtual(main())


def test_the_changes_of_an_object_are_for_those_who_may_read_it() -> None:
    from kube_lite.api import extra

    async def story(plane: Plane) -> None:
        plane.app.extra = extra.build(None, plane)
        await admin(plane).create("secrets", {"metadata": {"name": "s"}, "stringData": {"a": "canary"}}, "default")
        role = {"metadata": {"name": "past"}, "rules": [{"nonResourceURLs": ["/kube-lite/*"], "verbs": ["get"]}]}
        await admin(plane).create("clusterroles", role)
        subject = {"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}
        reference = {"kind": "ClusterRole", "name": "past", "apiGroup": "rbac.authorization.k8s.io"}
        binding = {"metadata": {"name": "past"}, "roleRef": reference, "subjects": [subject]}
        await admin(plane).create("clusterrolebindings", binding)
        plane.authenticator.add_token("eve", User("eve"))
        path = "/kube-lite/v1/changes/secrets/s"
        refused = await ask(plane, path, token="eve")
        assert (refused.code, b"canary" in refused.body) == (403, False)
        assert (await call(plane.app, "GET", path)).code == 200

    run(story)
