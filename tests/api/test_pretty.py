"""Answers that people read are indented."""

from __future__ import annotations

import pytest

from kube_lite.api.plane import Plane
from tests.api.wire import call, run

NAMESPACE = "/api/v1/namespaces/default"
INDENTED = b'{\n  "'
CURL = "curl/7.88.1"


@pytest.mark.parametrize(
    ("path", "agent", "headers", "indented"),
    [
        (NAMESPACE, CURL, {}, True),
        (NAMESPACE, "Wget/1.21", {}, True),
        (NAMESPACE, "Mozilla/5.0 (X11)", {}, True),
        (NAMESPACE, "kubectl/v1.36.0", {}, False),
        (NAMESPACE, "", {}, False),
        (NAMESPACE + "?pretty=true", "", {}, True),
        (NAMESPACE + "?pretty=1", "", {}, True),
        (NAMESPACE + "?pretty=false", CURL, {}, False),
        (NAMESPACE + "?pretty=", CURL, {}, True),
        ("/api/v1/namespaces", CURL, {}, True),
        ("/api/v1/namespaces/none", CURL, {}, True),
        ("/apis", CURL, {}, True),
        ("/version", "", {}, True),
        ("/openapi/v3", CURL, {}, False),
        (NAMESPACE, CURL, {"accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}, True),
    ],
)
def test_who_gets_an_indented_answer(path: str, agent: str, headers: dict[str, str], indented: bool) -> None:
    async def story(plane: Plane) -> None:
        answer = await call(plane.app, "GET", path, headers={**headers, "user-agent": agent})
        assert answer.body.startswith(INDENTED) is indented
        answer.json()

    run(story)


def test_what_is_not_json_stays_as_it_is() -> None:
    async def story(plane: Plane) -> None:
        for path, accept in ((NAMESPACE, "application/yaml"), ("/livez", "*/*")):
            plain = await call(plane.app, "GET", path, headers={"accept": accept})
            read = await call(plane.app, "GET", path, headers={"accept": accept, "user-agent": CURL})
            assert read.body == plain.body

    run(story)
