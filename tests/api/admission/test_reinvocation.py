"""Which mutating webhooks are asked a second time, and of what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kube_lite.api.local import LocalClient
from tests.api.admission.stories import Json, made, pod
from tests.api.admission.test_webhook import play, register
from tests.api.admission.webhook_server import Webhook, json_patch, webhook

RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Webhook]:
    with webhook(tmp_path) as running:
        yield running


def _labelled(name: str, value: str) -> Callable[[Json], Json]:
    return lambda request: json_patch({"op": "add", "path": f"/metadata/labels/{name}", "value": value})


def _labels(request: Json) -> Json:
    labels: Json = request["object"]["metadata"]["labels"]
    return labels


def _urgent(request: Json) -> Json:
    spec = request["object"]["spec"]
    if spec.get("priorityClassName") == "high":
        return {"allowed": True}
    operations: list[Json] = [{"op": "add", "path": "/spec/priorityClassName", "value": "high"}]
    return json_patch(*operations, {"op": "remove", "path": "/spec/priority"})


@pytest.mark.parametrize(
    ("asked_first", "asked", "labels"),
    [
        (["/noop"], ["/noop"], {}),
        (["/a"], ["/a"], {"a": "true"}),
        # the second time, the Priority plugin answers what the webhook changed, which it is then shown
        (["/urgent"], ["/urgent", "/urgent"], {}),
        (["/a", "/after-a"], ["/a", "/after-a", "/a"], {"a": "true", "b": "true"}),
        (["/yes", "/no"], ["/yes", "/no", "/yes", "/no"], {"fight": "no"}),
    ],
)
def test_a_webhook_is_asked_again_after_changes_that_it_has_not_seen(
    hook: Webhook, asked_first: list[str], asked: list[str], labels: dict[str, str]
) -> None:
    hook.answers = {
        "/a": lambda request: _labelled("a", "true")(request) if "a" not in _labels(request) else {"allowed": True},
        "/after-a": lambda request: _labelled("b", "true")(request) if "a" in _labels(request) else {"allowed": True},
        "/yes": _labelled("fight", "yes"),
        "/no": _labelled("fight", "no"),
        "/urgent": _urgent,
    }

    async def story(client: LocalClient) -> None:
        for name, value in (("low", 1), ("high", 10)):
            await client.create("priorityclasses.scheduling.k8s.io", {"metadata": {"name": name}, "value": value})
        for position, path in enumerate(asked_first):
            name = f"w{position}"
            await register(client, "mutating", hook.config(path), name, rules=[RULE], reinvocationPolicy="IfNeeded")
        obj = pod("p", spec={"priorityClassName": "low"})
        obj["metadata"]["labels"] = {"x": "y"}
        found = await made(client, "pods", obj)
        assert hook.paths == asked
        assert found["metadata"]["labels"] == {"x": "y", **labels}
        assert found["spec"]["priority"] == (10 if asked_first == ["/urgent"] else 1)

    play(story)
