"""ComponentStatuses: what runs in this process is healthy, what was left out is not, and nothing is stored."""

from __future__ import annotations

import anyio

from kube_lite.api.plane import Plane
from kube_lite.api.user import AUTHENTICATED, MASTERS, User
from tests.api.wire import ask
from tests.plane import started_plane

PATH = "/api/v1/componentstatuses"


async def world() -> Plane:
    plane = await started_plane()
    plane.authenticator.add_token("root", User("root", "1", (MASTERS, AUTHENTICATED)))
    plane.components.running("scheduler")
    return plane


def test_parts_that_run_are_healthy() -> None:
    async def main() -> None:
        plane = await world()
        answer = await ask(plane, PATH, token="root")
        assert answer.json()["kind"] == "ComponentStatusList"
        found = {item["metadata"]["name"]: item["conditions"] for item in answer.json()["items"]}
        healthy = [{"type": "Healthy", "status": "True", "message": "ok"}]
        stopped = [{"type": "Healthy", "status": "False", "message": "not running in this process"}]
        assert found == {"scheduler": healthy, "controller-manager": stopped, "etcd-0": healthy}
        one = (await ask(plane, f"{PATH}/etcd-0", token="root")).json()
        assert (one["kind"], one["apiVersion"], one["conditions"]) == ("ComponentStatus", "v1", healthy)

    anyio.run(main)


def test_a_part_that_does_not_exist_is_not_found() -> None:
    async def main() -> None:
        answer = await ask(await world(), f"{PATH}/x", token="root")
        assert (answer.code, answer.json()["message"]) == (404, 'componentstatuses "x" not found')

    anyio.run(main)


def test_selectors_and_tables() -> None:
    async def main() -> None:
        plane = await world()
        accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")]
        table = (await ask(plane, PATH, token="root", headers=accept)).json()
        assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Status", "Message", "Error"]
        assert [row["cells"] for row in table["rows"]] == [
            ["scheduler", "Healthy", "ok", ""],
            ["controller-manager", "Unhealthy", "not running in this process", ""],
            ["etcd-0", "Healthy", "ok", ""],
        ]
        for query, names in (("fieldSelector=metadata.name%3Detcd-0", ["etcd-0"]), ("labelSelector=a%3Db", [])):
            items = (await ask(plane, f"{PATH}?{query}", token="root")).json()["items"]
            assert [item["metadata"]["name"] for item in items] == names
        assert (await ask(plane, f"{PATH}?watch=1", token="root")).code == 405

    anyio.run(main)
