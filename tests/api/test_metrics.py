"""What the server tells Prometheus."""

from __future__ import annotations

import anyio
import pytest

from kube_lite.api import metrics
from kube_lite.api.plane import Plane
from kube_lite.resources.registry import Resource
from tests.api.wire import call, run

NAMESPACES = "/api/v1/namespaces"
SPACE = {"metadata": {"name": "shop"}}


async def scraped(plane: Plane) -> dict[str, float]:
    """The value of each series."""
    answer = await call(plane.app, "GET", "/metrics")
    assert (answer.code, answer.header("content-type")) == (200, "text/plain; version=0.0.4; charset=utf-8")
    lines = (line.rsplit(" ", 1) for line in answer.body.decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def series(name: str, verb: str, resource: str, scope: str, code: int = 0, **labels: str) -> str:
    """The name of a series of the core group."""
    told = {"code": str(code)} if code else {}
    told |= {"component": "apiserver", "verb": verb, "group": "", "version": "v1", "resource": resource}
    told |= {"subresource": "", "scope": scope, "dry_run": "", **labels}
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in told.items()) + "}"


def test_requests_are_counted_by_what_they_did_and_how_they_ended() -> None:
    async def story(plane: Plane) -> None:
        assert (await call(plane.app, "POST", NAMESPACES, SPACE)).code == 201
        assert (await call(plane.app, "POST", NAMESPACES, SPACE)).code == 409
        assert (await call(plane.app, "POST", NAMESPACES + "?dryRun=All", {"metadata": {"name": "dry"}})).code == 201
        assert (await call(plane.app, "GET", NAMESPACES)).code == 200
        assert (await call(plane.app, "GET", "/api/v1/namespaces/shop/pods")).code == 200
        applied = {"apiVersion": "v1", "kind": "Namespace", **SPACE}
        url = NAMESPACES + "/shop?fieldManager=me"
        assert (
            await call(plane.app, "PATCH", url, applied, {"content-type": "application/apply-patch+yaml"})
        ).code == 200
        told, total = await scraped(plane), "apiserver_request_total"
        assert told[series(total, "POST", "namespaces", "resource", 201)] == 1
        assert told[series(total, "POST", "namespaces", "resource", 409)] == 1
        assert told[series(total, "POST", "namespaces", "resource", 201, dry_run="All")] == 1
        assert told[series(total, "LIST", "namespaces", "cluster", 200)] == 1
        assert told[series(total, "LIST", "pods", "namespace", 200)] == 1
        assert told[series(total, "APPLY", "namespaces", "resource", 200)] == 1
        took = "apiserver_request_duration_seconds"
        assert told[series(f"{took}_count", "POST", "namespaces", "resource")] == 2
        assert told[series(f"{took}_bucket", "POST", "namespaces", "resource", le="60")] == 2

    run(story)


def test_what_is_under_way_and_what_is_stored_is_told() -> None:
    async def story(plane: Plane) -> None:
        before = await scraped(plane)
        assert before['apiserver_current_inflight_requests{request_kind="readOnly"}'] == 1  # the scrape itself
        assert before['apiserver_current_inflight_requests{request_kind="mutating"}'] == 0
        await call(plane.app, "POST", NAMESPACES, SPACE)
        after = await scraped(plane)
        stored = 'apiserver_storage_objects{resource="namespaces"}'
        assert after[stored] == before[stored] + 1
        assert after['apiserver_storage_objects{resource="deployments.apps"}'] == 0
        assert after['apiserver_flowcontrol_current_executing_seats{priority_level="exempt"}'] == 1
        assert 'apiserver_flowcontrol_nominal_limit_seats{priority_level="workload-low"}' in after

    run(story)


def test_what_does_not_exist_is_not_counted_by_name() -> None:
    async def story(plane: Plane) -> None:
        for path in ("/api/v1/wishes", "/apis/x.io/v1/wishes", "/wishes", "/api/v1/pods/x/wishes", "/metrics/wishes"):
            assert (await call(plane.app, "GET", path)).code in (403, 404)
        names = [name for name in await scraped(plane) if "wishes" in name]
        assert names == []
        other = [name for name in await scraped(plane) if 'verb="OTHER"' in name and name.endswith("_total") is False]
        assert any(name.startswith("apiserver_request_total") for name in other)

    run(story)


def test_the_sorts_that_are_told_apart_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_SORTS", 2)

    async def story(plane: Plane) -> None:
        for kind in ("pods", "services", "secrets", "configmaps"):
            assert (await call(plane.app, "GET", f"/api/v1/{kind}")).code == 200
        told = [name for name in await scraped(plane) if name.startswith("apiserver_request_total")]
        assert len(told) == 3
        assert sum('verb="OTHER"' in name for name in told) == 1

    run(story)


def test_kinds_that_are_gone_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who makes a definition under a new name each day would come to the bound, and see nothing new from then on."""
    monkeypatch.setattr(metrics, "MOST_SORTS", 3)

    async def story(plane: Plane) -> None:
        for number in range(4):
            custom = Resource(kind="Foo", plural="foos", group=f"g{number}.example.com", custom=True)
            plane.registry.add(custom)
            await call(plane.app, "GET", f"{custom.path}/foos")
            plane.registry.remove(custom.group, "foos")
            await anyio.sleep(metrics.LOOK_SECONDS)
        told = [name for name in await scraped(plane) if name.startswith("apiserver_request_total")]
        assert [name for name in told if "g3.example.com" in name]
        assert not [name for name in told if "g0.example.com" in name]
        assert len(plane.metrics.requests._finished) <= 4

    run(story)


def test_only_reading_it_is_allowed_and_only_to_those_who_may() -> None:
    async def story(plane: Plane) -> None:
        assert (await call(plane.app, "POST", "/metrics", {})).code == 405
        assert (await call(plane.app, "GET", "/metrics", peer={})).code in (401, 403)

    run(story)
