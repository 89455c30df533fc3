"""The objects of flow control: there from the start, kept unless taken over, marked when they dangle."""

from __future__ import annotations

from typing import Any

import anyio

from kube_lite.api import flow_objects
from kube_lite.api.plane import Plane
from kube_lite.resources.flow_defaults import (
    AUTOUPDATE,
    MANDATORY_LEVELS,
    MANDATORY_SCHEMAS,
    SUGGESTED_LEVELS,
    SUGGESTED_SCHEMAS,
)
from tests.api.wire import call, run

GROUP = "/apis/flowcontrol.apiserver.k8s.io/v1"
LEVELS, SCHEMAS = f"{GROUP}/prioritylevelconfigurations", f"{GROUP}/flowschemas"
MERGE = {"content-type": "application/merge-patch+json"}


async def named(plane: Plane, path: str) -> dict[str, Any]:
    """All objects of a kind by name."""
    answer = await call(plane.app, "GET", path)
    return {item["metadata"]["name"]: item for item in answer.json()["items"]}


async def patched(plane: Plane, path: str, patch: Any) -> Any:
    """A merge patch's answer."""
    return (await call(plane.app, "PATCH", path, patch, MERGE)).json()


def test_every_cluster_has_upstreams_objects() -> None:
    async def story(plane: Plane) -> None:
        for path, wanted in (
            (LEVELS, {**SUGGESTED_LEVELS, **MANDATORY_LEVELS}),
            (SCHEMAS, {**SUGGESTED_SCHEMAS, **MANDATORY_SCHEMAS}),
        ):
            found = await named(plane, path)
            assert {name: obj["spec"] for name, obj in found.items()} == wanted
            assert all(obj["metadata"]["annotations"] == {AUTOUPDATE: "true"} for obj in found.values())

    run(story)


def test_what_is_deleted_comes_back_and_what_is_changed_is_mended_unless_taken_over() -> None:
    async def story(plane: Plane) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(plane.run)
            await anyio.sleep(1)
            for path in (f"{LEVELS}/catch-all", f"{LEVELS}/system", f"{SCHEMAS}/exempt", f"{SCHEMAS}/probes"):
                assert (await call(plane.app, "DELETE", path)).code == 200
            limited = {"spec": {"limited": {"nominalConcurrencyShares": 7}}}
            await patched(plane, f"{LEVELS}/workload-low", limited)
            mine = {**limited, "metadata": {"annotations": {AUTOUPDATE: "false"}}}
            await patched(plane, f"{LEVELS}/workload-high", mine)
            await patched(plane, f"{LEVELS}/exempt", {"spec": {"exempt": {"nominalConcurrencyShares": 9}}})
            old = {"metadata": {"name": "of-an-older-version", "annotations": {AUTOUPDATE: "true"}}}
            assert (await call(plane.app, "POST", LEVELS, {**old, "spec": SUGGESTED_LEVELS["system"]})).code == 201
            await anyio.sleep(1)
            levels, schemas = await named(plane, LEVELS), await named(plane, SCHEMAS)
            assert levels["workload-low"]["spec"] == SUGGESTED_LEVELS["workload-low"]
            assert levels["workload-high"]["spec"]["limited"]["nominalConcurrencyShares"] == 7
            assert levels["exempt"]["spec"]["exempt"]["nominalConcurrencyShares"] == 9
            assert "of-an-older-version" not in levels
            assert {"catch-all", "system"} < set(levels)
            assert {"exempt", "probes"} < set(schemas)
            tasks.cancel_scope.cancel()

    run(story)


def test_a_schema_says_whether_its_level_exists_and_since_when() -> None:
    spec = {"priorityLevelConfiguration": {"name": "mine"}}

    async def story(plane: Plane) -> None:
        async def condition() -> Any:
            await flow_objects.mark_dangling(plane.verbs)
            status = (await named(plane, SCHEMAS))["s"]["status"]
            return status["conditions"]

        assert (await call(plane.app, "POST", SCHEMAS, {"metadata": {"name": "s"}, "spec": spec})).code == 201
        (dangling,) = await condition()
        words = 'This FlowSchema references the PriorityLevelConfiguration object named "mine" '
        assert dangling["message"] == words + "but there is no such object"
        assert (dangling["type"], dangling["status"], dangling["reason"]) == ("Dangling", "True", "NotFound")
        await anyio.sleep(5)
        assert await condition() == [dangling]
        level = {"metadata": {"name": "mine"}, "spec": SUGGESTED_LEVELS["system"]}
        assert (await call(plane.app, "POST", LEVELS, level)).code == 201
        (found,) = await condition()
        assert (found["status"], found["reason"], found["message"]) == ("False", "Found", words + "and it exists")
        assert found["lastTransitionTime"] > dangling["lastTransitionTime"]

    run(story)


def test_the_mandatory_objects_cannot_be_changed() -> None:
    async def story(plane: Plane) -> None:
        for path, patch in (
            (f"{LEVELS}/catch-all", {"spec": {"limited": {"nominalConcurrencyShares": 6}}}),
            (f"{SCHEMAS}/exempt", {"spec": {"rules": None}}),
            (f"{SCHEMAS}/catch-all", {"spec": {"matchingPrecedence": 9999}}),
        ):
            status = await patched(plane, path, patch)
            assert status["code"] == 422
            assert status["message"].endswith(f"spec of '{path.rsplit('/')[-1]}' must equal the fixed value")

    run(story)
