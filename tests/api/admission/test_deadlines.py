"""A client that waits only so long is answered by then, however slow the webhooks are."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.api.admission.chain import build
from kube_lite.api.admission.plugin import Objects
from kube_lite.api.admission.webhook_call import CallFailed, WebhookCaller
from kube_lite.resources.schema import Type
from tests.api.admission.stories import WITHOUT, Json
from tests.api.admission.test_webhook import config_map, register
from tests.api.wire import call
from tests.plane import admin, started_plane

MAPS = "/api/v1/namespaces/default/configmaps"
OVERDUE = "Timeout: request did not complete within requested timeout - context deadline exceeded"


class Slow(WebhookCaller):
    """Webhooks that take as many seconds as the path of their URL says; ``asked`` has what time they were given."""

    def __init__(self) -> None:
        super().__init__(random.Random(1))
        self.asked: list[tuple[str, float]] = []

    async def post(self, config: Mapping[str, Any], body: Json, timeout: float, objects: Objects, type_: Type) -> Any:
        path = config["url"].rpartition("/")[2]
        self.asked.append((path, timeout))
        try:
            with anyio.fail_after(timeout):
                await anyio.sleep(float(path))
        except TimeoutError as error:
            raise CallFailed("failed to call webhook: context deadline exceeded") from error
        return {**body, "response": {"uid": body["request"]["uid"], "allowed": True}}


@pytest.mark.parametrize(
    ("mutating", "validating", "timeout", "code", "asked"),
    [
        ([(1, 20), (1, 5), (1, 20)], [(1, 20)], "10s", 201, [("1", 10), ("1", 5), ("1", 8), ("1", 7)]),
        ([(5, 4), (1, 5)], [], "3s", 504, [("5", 3)]),
        ([(5, 4), (1, 5)], [], "", 201, [("5", 4), ("1", 5)]),
        # without a bound of its own a client has upstream's 34 seconds
        ([(20, 30), (20, 30)], [(1, 5)], "", 504, [("20", 30), ("20", 14)]),
        ([], [], "soon", 400, []),
    ],
)
def test_webhooks_get_what_is_left_of_the_time_of_the_client(
    mutating: list[tuple[int, int]],
    validating: list[tuple[int, int]],
    timeout: str,
    code: int,
    asked: list[tuple[str, float]],
) -> None:
    async def main() -> None:
        plane = await started_plane(disabled=WITHOUT)
        slow = Slow()
        plane.verbs.admission = build(random.Random(1), WITHOUT, slow)
        for kind, hooks in (("mutating", mutating), ("validating", validating)):
            for index, (takes, bound) in enumerate(hooks):
                more = {"timeoutSeconds": bound, "failurePolicy": "Ignore"}
                await register(admin(plane), kind, {"url": f"https://w.example.com/{takes}"}, f"w{index}", **more)
        query = f"?timeout={timeout}" if timeout else ""
        answer = await call(plane.app, "POST", MAPS + query, config_map("a"))
        assert answer.code == code
        assert [(path, round(seconds)) for path, seconds in slow.asked] == asked
        if code == 504:
            assert json.loads(answer.body)["message"] == OVERDUE

    clock.run_virtual(main())
