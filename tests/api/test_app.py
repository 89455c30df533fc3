"""The edge: limits, refusals as Status, compression, streams that end with their reader, and what is audited."""

from __future__ import annotations

import gzip
import json
import logging
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.api.audit import AuditLog
from kube_lite.api.exchange import EXCHANGE
from kube_lite.api.http import Request, Response
from kube_lite.api.plane import Plane, PlaneOptions
from kube_lite.api.user import User
from kube_lite.store.memory import MemoryStore
from tests.api.wire import ROOT, Answer, call, opened, run, scope
from tests.plane import admin

CONFIGS = "/api/v1/namespaces/default/configmaps"
JSON = {"content-type": "application/json"}
MIB = 1024 * 1024


def config(name: str, size: int = 0) -> dict[str, Any]:
    """A ConfigMap with that many bytes of data."""
    return {"metadata": {"name": name}, "data": {"k": "x" * size}}


def test_a_body_over_three_mebibytes_is_refused_however_it_comes() -> None:
    async def story(plane: Plane) -> None:
        large = str(3 * MIB + 1)
        told = await call(plane.app, "POST", CONFIGS, b"{}", {**JSON, "content-length": large})
        assert told.refusal() == (413, "RequestEntityTooLarge")
        assert told.json()["message"] == "Request entity too large: limit is 3145728"
        untold = await call(plane.app, "POST", CONFIGS, headers=JSON, chunks=[b"x" * MIB] * 4)
        assert untold.refusal() == (413, "RequestEntityTooLarge")
        bomb = gzip.compress(b" " * (64 * MIB))
        packed = await call(plane.app, "POST", CONFIGS, bomb, {**JSON, "content-encoding": "gzip"})
        assert packed.refusal() == (413, "RequestEntityTooLarge")
        chunks = [json.dumps(config("a", 1000)).encode()[i : i + 100] for i in range(0, 1100, 100)]
        assert (await call(plane.app, "POST", CONFIGS, headers=JSON, chunks=chunks)).code == 201

    run(story)


def test_a_compressed_body_is_read_and_a_broken_one_refused() -> None:
    async def story(plane: Plane) -> None:
        headers = {**JSON, "content-encoding": "gzip"}
        packed = gzip.compress(json.dumps(config("a")).encode())
        assert (await call(plane.app, "POST", CONFIGS, packed, headers)).code == 201
        for broken in (b"not gzip", packed[:-20], b""):
            assert (await call(plane.app, "POST", CONFIGS, broken, headers)).refusal() == (400, "BadRequest")
        # all of the text is there, but the checksum that would prove it is not
        whole_text = json.dumps(config("b")).encode()
        cut = gzip.compress(whole_text)[:-8]
        assert (await call(plane.app, "POST", CONFIGS, cut, headers)).refusal() == (400, "BadRequest")

    run(story)


def test_a_deep_body_is_refused_and_the_server_lives() -> None:
    async def story(plane: Plane) -> None:
        for deep in (b"[" * 100_000, b'{"a":' * 100_000, b'{"data":' + b"[" * 200 + b"]" * 200 + b"}"):
            assert (await call(plane.app, "POST", CONFIGS, deep, JSON)).refusal() == (400, "BadRequest")
        assert (await call(plane.app, "GET", "/livez")).body == b"ok"

    run(story)


def test_a_body_that_does_not_arrive_is_given_up_after_half_a_minute() -> None:
    async def story(plane: Plane) -> None:
        answer = Answer()

        async def receive() -> Any:
            await anyio.sleep(8)
            return {"type": "http.request", "body": b" ", "more_body": True}

        began = clock.monotonic()
        await plane.app(scope("POST", CONFIGS, JSON, ROOT), receive, answer.take)
        assert answer.refusal() == (504, "Timeout")
        assert clock.monotonic() - began == pytest.approx(30, abs=0.1)

        async def gone() -> Any:
            return {"type": "http.disconnect"}

        await plane.app(scope("POST", CONFIGS, JSON, ROOT), gone, answer.take)
        assert (await call(plane.app, "GET", CONFIGS)).json()["items"] == []

    run(story)


def test_refusals_are_status_objects() -> None:
    cases = [
        ("GET", "/api/v1/nonsense", {}, b"", (404, "NotFound")),
        ("GET", CONFIGS + "/none", {}, b"", (404, "NotFound")),
        ("GET", "/api/v1/namespaces/default/pods/x/nonsense", {}, b"", (404, "NotFound")),
        ("PUT", CONFIGS, JSON, b"{}", (405, "MethodNotAllowed")),
        ("POST", CONFIGS + "/a", JSON, b"{}", (405, "MethodNotAllowed")),
        ("POST", "/api", JSON, b"{}", (405, "MethodNotAllowed")),
        ("GET", CONFIGS, {"accept": "image/png"}, b"", (406, "NotAcceptable")),
        ("POST", CONFIGS, {"content-type": "text/html"}, b"<p>", (415, "UnsupportedMediaType")),
        ("PATCH", CONFIGS + "/a", JSON, b"{}", (415, "UnsupportedMediaType")),
        ("POST", CONFIGS, JSON, b"{", (400, "BadRequest")),
        ("POST", CONFIGS, JSON, b"", (400, "BadRequest")),
        ("BREW", CONFIGS, JSON, b"", (405, "MethodNotAllowed")),
    ]

    async def story(plane: Plane) -> None:
        for method, path, headers, body, wanted in cases:
            answer = await call(plane.app, method, path, body, headers)
            assert answer.refusal() == wanted, (method, path, answer.body)
            assert answer.header("content-type") == "application/json"

    run(story)


def test_warnings_are_headers_and_cannot_break_them() -> None:
    async def story(plane: Plane) -> None:
        body = {**config("a"), 'un"known\n': 1}
        answer = await call(plane.app, "POST", CONFIGS, body, JSON)
        (warning,) = [v for k, v in answer.headers if k == "warning"]
        assert (answer.code, warning.startswith('299 - "unknown field')) == (201, True)
        assert "\n" not in warning
        unicode = await call(plane.app, "POST", CONFIGS, {**config("b"), "größe-漢字": 1}, JSON)
        assert unicode.code == 201

    run(story)


def test_large_answers_are_compressed_for_who_takes_it() -> None:
    async def story(plane: Plane) -> None:
        await admin(plane).create("configmaps", config("a", 200_000), "default")
        plain = await call(plane.app, "GET", CONFIGS)
        packed = await call(plane.app, "GET", CONFIGS, headers={"accept-encoding": "gzip, br"})
        assert (plain.header("content-encoding"), packed.header("content-encoding")) == ("", "gzip")
        assert gzip.decompress(packed.body) == plain.body
        assert packed.header("content-length") == str(len(packed.body))
        assert len(packed.body) < 10_000
        small = await call(plane.app, "GET", "/api/v1/namespaces/kube-system", headers={"accept-encoding": "gzip"})
        assert (small.header("content-encoding"), small.header("vary")) == ("", "")

    run(story)


def test_head_is_not_allowed_but_for_health() -> None:
    async def story(plane: Plane) -> None:
        for path in (CONFIGS, CONFIGS + "?watch=1", CONFIGS + "/c", "/version", "/api", "/apis/apps/v1"):
            head = await call(plane.app, "HEAD", path)
            assert (path, head.code, head.body) == (path, 405, b"")
        whole, head = await call(plane.app, "GET", "/livez"), await call(plane.app, "HEAD", "/livez")
        assert (head.code, head.body, head.header("content-length")) == (200, b"", str(len(whole.body)))

    run(story)


def test_the_pods_of_all_namespaces_are_not_deleted_at_once() -> None:
    async def story(plane: Plane) -> None:
        assert (await call(plane.app, "DELETE", "/api/v1/configmaps")).code == 405
        assert (await call(plane.app, "DELETE", CONFIGS)).code == 200

    run(story)


def test_errors_come_in_the_media_type_that_was_asked_for() -> None:
    async def story(plane: Plane) -> None:
        path = CONFIGS + "/nope"
        yaml = await call(plane.app, "GET", path, headers={"accept": "application/yaml"})
        assert (yaml.code, yaml.header("content-type")) == (404, "application/yaml")
        assert yaml.body.startswith(b"apiVersion: v1\ncode: 404\n")
        protobuf = await call(plane.app, "GET", path, headers={"accept": "application/vnd.kubernetes.protobuf"})
        assert (protobuf.code, protobuf.body[:4]) == (404, b"k8s\0")
        unknown = await call(plane.app, "GET", path, headers={"accept": "application/*"})
        assert (unknown.code, unknown.json()["message"]) == (406, "406: Not Acceptable")

    run(story)


def test_every_answer_names_its_audit_id_and_is_not_to_be_cached() -> None:
    async def story(plane: Plane) -> None:
        answers = [await call(plane.app, "GET", path) for path in ("/livez", CONFIGS, "/api/v1/nonsense")]
        assert len({answer.header("audit-id") for answer in answers}) == 3
        assert {answer.header("cache-control") for answer in answers} == {"no-cache, private"}

    run(story)


# ---- streams


def test_a_watch_ends_when_its_reader_goes_away() -> None:
    async def story(plane: Plane) -> None:
        configs = plane.registry.named("configmaps")
        assert configs is not None
        cache = plane.storage.cache(configs)
        async with opened(plane.app, CONFIGS + "?watch=1") as answer:
            assert cache.wakeups.waiting == 1
        # the block above waits for the application to return, an hour before the watch would have ended
        assert (cache.wakeups.waiting, answer.code) == (0, 200)
        assert clock.monotonic() < 10

    run(story)


class Line:
    """A connection as a listener hands it over (``exchange.Exchange``), whose client hangs up at some moment."""

    def __init__(self) -> None:
        self.disconnected = False
        self.on_disconnect: Any = None
        self.hang_up_at = ""
        self.upgrade = self.full = False
        self.on_writable: Any = None

    async def begin(self, status: int, headers: Any, length: int = -1) -> None:
        """The head."""
        self.disconnected = self.hang_up_at == "begin"

    async def chunk(self, data: bytes) -> None:
        """A chunk."""

    async def end(self) -> None:
        """The end."""


def test_a_watch_ends_over_a_connection_too_even_one_that_was_lost_before_it_began() -> None:
    async def story(plane: Plane) -> None:
        async def receive() -> Any:
            await anyio.sleep_forever()

        for when in ("begin", "later"):
            line, answer = Line(), Answer()
            line.hang_up_at = when
            peer = {**ROOT, EXCHANGE: line}
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(plane.app, scope("GET", CONFIGS + "?watch=1", {}, peer), receive, answer.take)
                if when == "later":
                    await anyio.sleep(5)
                    line.disconnected = True
                    line.on_disconnect()
        assert clock.monotonic() < 10

    run(story)


# ---- what must not happen


def test_an_internal_error_is_a_status_and_the_next_request_works(caplog: pytest.LogCaptureFixture) -> None:
    async def story(plane: Plane) -> None:
        async def broken(request: Request) -> Response:
            raise ZeroDivisionError("secret detail of the path /etc")

        plane.nonresource.pages["broken"] = broken
        with caplog.at_level(logging.CRITICAL):
            answer = await call(plane.app, "GET", "/broken")
        assert answer.refusal() == (500, "InternalError")
        assert answer.json()["message"].startswith("Internal error occurred: ")
        assert (await call(plane.app, "GET", CONFIGS)).code == 200

    run(story)


def test_scopes_other_than_http_are_left_alone() -> None:
    async def story(plane: Plane) -> None:
        async def never(*_: Any) -> Any:
            raise AssertionError("not asked")

        await plane.app({"type": "lifespan"}, never, never)

    run(story)


# ---- audit


def test_every_request_leaves_one_line_without_tokens_or_bodies(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"

    async def main() -> list[dict[str, Any]]:
        audit = AuditLog(path)
        tokens = {"s3cr3t-token": User("alice", groups=("system:masters",), how="token")}
        plane = Plane(MemoryStore(), PlaneOptions(tokens=tokens), random.Random(0), audit)
        await plane.start()
        headers = {**JSON, "authorization": "Bearer s3cr3t-token", "user-agent": "me/1"}
        body = {"metadata": {"name": "s"}, "stringData": {"password": "hunter2"}}
        await call(plane.app, "POST", "/api/v1/namespaces/default/secrets", body, headers, peer={})
        await call(plane.app, "GET", "/api/v1/pods", headers={"authorization": "Bearer wr0ng-token"}, peer={})
        await call(plane.app, "GET", CONFIGS + "?watch=1&timeoutSeconds=5")
        async with opened(plane.app, CONFIGS + "?watch=1"):
            pass

        async def failing() -> AsyncIterator[bytes]:
            yield b"begun"
            raise ZeroDivisionError

        async def page(request: Request) -> Response:
            return Response(stream=failing())

        plane.nonresource.pages["failing"] = page
        with pytest.raises(ExceptionGroup):
            await call(plane.app, "GET", "/failing")
        audit.close()
        return [json.loads(line) for line in path.read_text().splitlines()]

    lines = clock.run_virtual(main())
    assert [(e["verb"], e["user"]["username"], e["responseStatus"]["code"]) for e in lines] == [
        ("create", "alice", 201),
        ("list", "system:anonymous", 401),
        ("watch", "kube-lite:owner", 200),
        ("watch", "kube-lite:owner", 200),
        ("get", "kube-lite:owner", 200),
    ]
    assert lines[0]["objectRef"] == {"resource": "secrets", "apiVersion": "v1", "namespace": "default"}
    assert (lines[0]["level"], lines[0]["stage"], lines[0]["userAgent"]) == ("Metadata", "ResponseComplete", "me/1")
    assert lines[2]["durationSeconds"] == pytest.approx(5, abs=0.1)
    assert len({e["auditID"] for e in lines}) == 5
    text = path.read_text()
    assert not any(secret in text for secret in ("s3cr3t", "wr0ng", "hunter2"))
    assert path.stat().st_mode & 0o777 == 0o600
