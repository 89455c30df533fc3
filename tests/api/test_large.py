"""Large bodies: beside the loop one at a time, as if they had been worked on where they are."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from kube_lite import errors
from kube_lite.api import dispatch
from kube_lite.api.large import LARGE, beside
from kube_lite.api.plane import Plane
from tests.api.wire import call, run
from tests.plane import admin, started_plane

_noted: ContextVar[str] = ContextVar("noted", default="")
PODS = "/api/v1/namespaces/default/pods"


def test_large_work_leaves_the_loop_and_what_it_noted_comes_back() -> None:
    def work(text: str) -> int:
        _noted.set(text)
        return threading.get_ident()

    async def main() -> None:
        assert await beside(LARGE - 1, work, "small") == threading.get_ident()
        assert _noted.get() == "small"
        assert await beside(LARGE, work, "large") != threading.get_ident()
        assert _noted.get() == "large"
        with pytest.raises(errors.BadRequest):
            await beside(LARGE, _refuse)

    anyio.run(main)


def _refuse() -> None:
    raise errors.BadRequest("no")


def test_only_one_large_body_is_worked_on_at_a_time() -> None:
    running = most = 0

    def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        threading.Event().wait(0.01)
        running -= 1

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(beside, LARGE, work)

    anyio.run(main)
    assert most == 1


def test_a_pod_with_too_many_faults_is_told_the_first_thousand() -> None:
    async def story(plane: Plane) -> None:
        tolerations = [{"key": "$"}] * 20_000
        pod = {"metadata": {"name": "p"}, "spec": {"tolerations": tolerations, "containers": [{}]}}
        answer = await call(plane.app, "POST", PODS, pod)
        assert answer.code == 422
        causes = answer.json()["details"]["causes"]
        assert len(causes) == 1001
        assert causes[-1]["message"] == "Too many: only 1000 problems are told"

    run(story)


def test_what_defaults_blow_up_is_refused_before_it_is_looked_at() -> None:
    async def story(plane: Plane) -> None:
        pod = {"metadata": {"name": "p"}, "spec": {"containers": [{}] * 60_000}}
        answer = await call(plane.app, "POST", PODS, pod)
        assert answer.code == 413

    run(story)


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("OPTIONS", "*", None, 404),
        ("GET", "/api/v1/pods?at=" + "9" * 5000, None, 400),
        ("GET", "/api/v1/pods?limit=1&continue=" + "W1tb" * 10_000, None, 400),
        ("GET", "/api/v1/pods?labelSelector=" + "a," * 10_000, None, 400),
        ("GET", "/api/v1/pods?fieldSelector=" + "metadata.name%3Da," * 2_000, None, 400),
        (
            "POST",
            "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
            {"metadata": {"name": "p"}, "spec": {"minAvailable": "9" * 5000 + "%"}},
            422,
        ),
        (
            "POST",
            "/api/v1/namespaces/default/secrets",
            {
                "metadata": {"name": "s"},
                "type": "kubernetes.io/dockerconfigjson",
                "stringData": {".dockerconfigjson": "[" * 5000},
            },
            422,
        ),
    ],
)
def test_shapes_that_once_broke_a_request_are_refused(method: str, path: str, body: object, code: int) -> None:
    async def story(plane: Plane) -> None:
        answer = await call(plane.app, method, path, b"" if body is None else body)
        assert (answer.code, b"recursion" in answer.body) == (code, False), answer.body[:300]

    run(story)


def test_a_token_nested_too_deep_is_no_token() -> None:
    import base64

    async def main() -> None:
        plane = await started_plane()
        deep = base64.urlsafe_b64encode(b"[" * 30_000).decode().rstrip("=")
        for token in (f"{deep}.{deep}.{deep}", f"a.{deep}.b"):
            answer = await call(plane.app, "GET", "/api", headers={"authorization": f"Bearer {token}"}, peer={})
            assert answer.code == 401

    anyio.run(main)


def test_a_large_list_in_another_form_is_made_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    async def noted(size: int, made: Any, *args: Any) -> Any:
        sizes.append(size)
        return made(*args)

    monkeypatch.setattr(dispatch, "beside", noted)

    async def story(plane: Plane) -> None:
        await admin(plane).create("configmaps", {"metadata": {"name": "c"}, "data": {"a": "x" * LARGE}}, "default")
        for accept in ("application/json", "application/yaml", "application/json;as=Table;g=meta.k8s.io;v=v1"):
            sizes.clear()
            path = "/api/v1/namespaces/default/configmaps"
            assert (await call(plane.app, "GET", path, headers={"accept": accept})).code == 200
            assert (sizes[-1] > LARGE) is (accept != "application/json")

    run(story)
