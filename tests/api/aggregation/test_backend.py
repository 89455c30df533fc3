"""Extension servers that answer what no server should: others are served as before."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from kube_lite import clock, errors
from kube_lite.api import request_info
from kube_lite.api.admission.webhook_call import WebhookCaller
from kube_lite.api.aggregation import aggregator, backend
from kube_lite.api.aggregation.aggregator import Aggregator
from kube_lite.api.aggregation.backend import Backend
from kube_lite.api.aggregation.conditions import PASSED
from kube_lite.api.certs import Authority
from kube_lite.api.http import Request
from kube_lite.api.user import SERVER
from kube_lite.resources.meta import Obj
from tests.plane import ADMIN, admin, started_plane

BASE = "/apis/x.example.com/v1"
LISTED = {"kind": "APIResourceList", "groupVersion": "x.example.com/v1"}
Answer = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


def api_service(version: str = "v1") -> Obj:
    service = {"namespace": "default", "name": version, "port": 443}
    spec = {"group": "x.example.com", "version": version, "service": service, "insecureSkipTLSVerify": True}
    priorities = {"groupPriorityMinimum": 100, "versionPriority": 100}
    return {"metadata": {"name": f"{version}.x.example.com"}, "spec": {**spec, **priorities}}


class Somewhere(WebhookCaller):
    """Every Service is at one address."""

    def resolve(self, namespace: str, name: str, port: int, objects: Any) -> str:
        return "10.0.0.1:443"


def asking(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """A backend that answers so."""
    monkeypatch.setattr(backend, "unreachable", lambda *_: None)
    made = Backend(api_service(), Somewhere(random.Random(0)), None, None)  # type: ignore[arg-type]
    made._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return made


def documents(**by_path: Any) -> Answer:
    async def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        found = by_path.get("v2" if path == "/openapi/v2" else "v3" if path == "/openapi/v3" else "root", 404)
        if isinstance(found, int):
            return httpx.Response(found, stream=httpx.ByteStream(b""))
        raw = found if isinstance(found, bytes) else json.dumps(found).encode()
        return httpx.Response(200, stream=httpx.ByteStream(raw))

    return answer


@pytest.mark.parametrize(
    "root",
    [
        b"<html>",
        b"[" * 100_000,
        {**LISTED, "resources": 5},
        {**LISTED, "resources": [{"name": "a", "kind": {"a": 1}}]},
        {**LISTED, "resources": [{"name": "a", "kind": "A", "verbs": [1], "shortNames": 7}]},
    ],
)
def test_resources_that_make_no_sense_are_none(root: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """kubectl reads no group at all when a verb of one is a number."""
    made = asking(documents(root=root), monkeypatch)
    clock.run_virtual(made.check(api_service()))
    assert made.state == PASSED
    assert (made.discovered.resources, made.discovered.fresh) == ((), False)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"serverRelativeURL": 5}, None),
        (7, None),
        ({"serverRelativeURL": "https://evil/?hash=A b", "x": [1]}, f"/openapi/v3{BASE}?hash=A%20b"),
    ],
)
def test_where_a_document_of_openapi_lies_is_said_here(told: Any, shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {**LISTED, "resources": []}
    made = asking(documents(root=listed, v3={"paths": {BASE[1:]: told}}), monkeypatch)
    clock.run_virtual(made.check(api_service()))
    assert made.openapi_paths == ({BASE[1:]: {"serverRelativeURL": shown}} if shown else {})


def asked(path: str, query: str = "") -> Request:
    scope = {"query_string": query.encode()}
    return Request(request_info.parse("GET", path, query), scope=scope, user=ADMIN)


def test_an_answer_that_does_not_come_is_given_up_but_for_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await anyio.sleep(100)
        return httpx.Response(200)

    async def main() -> None:
        made = asking(never, monkeypatch)
        made.state = PASSED
        with pytest.raises(errors.Timeout, match="request did not complete within the allotted timeout"):
            await made.pass_on(asked(f"{BASE}/things"), f"{BASE}/things")
        assert anyio.current_time() == pytest.approx(60)
        assert (await made.pass_on(asked(f"{BASE}/things", "watch=1"), f"{BASE}/things")).code == 200

    clock.run_virtual(main())


def test_a_path_is_passed_on_as_it_was_authorized(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its dots it would lead into another namespace than the one whose rights were asked for."""
    targets: list[bytes] = []

    async def noted(request: httpx.Request) -> httpx.Response:
        targets.append(request.extensions["target"])
        return httpx.Response(200)

    async def main() -> None:
        made = asking(noted, monkeypatch)
        made.state = PASSED
        path = f"{BASE}/namespaces/mine/things/../../../yours/./a%2fb#c\xe9"
        await made.pass_on(asked(path, "q=..%2f&x=[1]"), path)

    clock.run_virtual(main())
    assert targets == [f"{BASE}/namespaces/mine/things/../../../yours/./a%2fb%23c%E9?q=..%2f&x=[1]".encode()]


@pytest.mark.parametrize("code", [101, 600, 999])
def test_an_answer_with_a_code_of_its_own_is_none(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def odd(request: httpx.Request) -> httpx.Response:
        return httpx.Response(code)

    async def main() -> None:
        made = asking(odd, monkeypatch)
        made.state = PASSED
        answer = await made.pass_on(asked(f"{BASE}/things"), f"{BASE}/things")
        assert answer.code == 503
        assert str(code) in bytes(answer.body).decode()

    clock.run_virtual(main())


def test_headers_of_an_answer_are_handed_on_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    async def odd(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=[(b"X-Price", "5 €".encode()), (b"X-A", b"1"), (b"x-a", b"2")])

    async def main() -> None:
        made = asking(odd, monkeypatch)
        made.state = PASSED
        answer = await made.pass_on(asked(f"{BASE}/things"), f"{BASE}/things")
        assert answer.headers["x-price"].encode("latin-1") == "5 €".encode()
        assert answer.headers["x-a"] == "1, 2"

    clock.run_virtual(main())


class Endless(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await anyio.sleep(0.001)
            yield b" " * 1_000_000


def test_a_server_that_is_slow_or_endless_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "unreachable", lambda *_: None)

    async def check(self: Backend, api_service: Obj) -> None:
        if self.version == "v1":
            await anyio.sleep(1000)
        if self.version == "v2":
            raise ValueError("broken")
        self.state = PASSED
        self.discovered = backend.Discovered(({"resource": "things"},), fresh=True)

    monkeypatch.setattr(Backend, "check", check)

    async def main() -> None:
        plane = await started_plane()
        plane.webhook_caller.resolve = lambda *_: "10.0.0.1:443"  # type: ignore[method-assign]
        running = Aggregator(plane, Authority(tmp_path), b"")
        for version in ("v1", "v2", "v3"):
            await admin(plane).create(aggregator.API_SERVICES, api_service(version))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(running.run)
            await anyio.sleep(1)
            served = {key[1]: found.fresh for key, found in plane.discovery.elsewhere.items()}
            assert served == {"v1": False, "v2": False, "v3": True}
            running._backends["x.example.com", "v3"]._client = httpx.AsyncClient(
                transport=httpx.MockTransport(lambda request: httpx.Response(200, stream=Endless()))
            )
            with pytest.raises(errors.ServiceUnavailable, match="the answer is too large"):
                await running.list(SERVER, "things.x.example.com", "", "")
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())
