"""Writing a pod's status: the newest one ends up in the API, whatever happened while an older one was on its way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import msgspec

from kube_lite.node.publisher import StatusPublisher
from kube_lite.node.settings import NodeSettings
from kube_lite.resources.kinds.pod.view import Pod
from tests.node.fake_client import FakeClient
from tests.node.harness import Json, pod, run


class _SlowClient(FakeClient):
    """Takes a second for every patch."""

    async def patch(self, *args: Any, **kwargs: Any) -> bytes:
        await anyio.sleep(1)
        return await super().patch(*args, **kwargs)


def _status(ready: str) -> Json:
    return {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}


def test_a_status_that_goes_back_while_it_is_written_is_written_back() -> None:
    async def story() -> None:
        client = _SlowClient()
        client.put("pods", pod("p"))
        publisher = StatusPublisher(
            client, msgspec.convert(pod("p"), Pod), NodeSettings(name="n1", data_dir=Path("/nonexistent"))
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publisher.run)

            def shown() -> str:
                conditions: Json = {c["type"]: c["status"] for c in client.pod("p")["status"]["conditions"]}
                return str(conditions.get("Ready"))

            publisher.submit(_status("False"), urgent=True)
            await publisher.flush()
            assert shown() == "False"
            publisher.submit(_status("True"), urgent=True)
            await anyio.sleep(0.5)
            publisher.submit(_status("False"), urgent=True)
            await publisher.flush()
            assert shown() == "False"
            await anyio.sleep(5)
            assert shown() == "False"
            assert sum(verb == "patch" for verb, _, _ in client.requests) == 3
            tasks.cancel_scope.cancel()

    run(story)
