"""The log reader over CRI files, and logs over the tunnel with upstream's refusals."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace

from kube_lite import clock
from kube_lite.errors import ApiError
from kube_lite.node.log_service import LogService
from kube_lite.node.logs import LogReader, options_from, tail_text
from kube_lite.node.tunnel import Tunnel
from tests.node.fake_runtime import FakeRuntime, Program
from tests.node.harness import Node, container, pod, run, running_node

STAMP = "2026-01-01T00:00:{:02d}.000000000Z"


def record(second: int, text: str, tag: str = "F", stream: str = "stdout") -> str:
    return f"{STAMP.format(second)} {stream} {tag} {text}\n"


def write(path: Path, *records: str) -> None:
    with path.open("a") as file:
        file.write("".join(records))


def read(path: Path, params: dict[str, str], after: float = 0) -> str:
    async def story() -> str:
        await anyio.sleep(after)
        reader = LogReader(str(path), options_from(params), lambda: True)
        return b"".join([chunk async for chunk in reader.read()]).decode()

    return clock.run_virtual(story())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    (tmp_path / "0.log.20251231-235900.gz").write_bytes(gzip.compress(record(0, "oldest").encode()))
    write(tmp_path / "0.log.20260101-000001", record(1, "older", stream="stderr"))
    write(path, record(2, "long ", "P"), record(2, "line"), record(3, ""), record(4, "last"), "not a record\n")
    return path


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "oldest\nolder\nlong line\n\nlast\n"),
        ({"tailLines": "2"}, "\nlast\n"),
        ({"tailLines": "3"}, "long line\n\nlast\n"),
        ({"tailLines": "0"}, ""),
        ({"tailLines": "100"}, "oldest\nolder\nlong line\n\nlast\n"),
        ({"sinceTime": "2026-01-01T00:00:03Z"}, "\nlast\n"),
        ({"limitBytes": "9"}, "oldest\nol"),
        ({"limitBytes": "0"}, ""),
        (
            {"timestamps": "true", "tailLines": "3"},
            f"{STAMP.format(2)} long line\n{STAMP.format(3)} \n{STAMP.format(4)} last\n",
        ),
    ],
)
def test_a_log_is_read_across_its_rotated_files(log: Path, params: dict[str, str], expected: str) -> None:
    assert read(log, params) == expected


def test_an_output_without_a_newline_is_shown_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "0.log", record(1, "a"), record(2, "prompt> ", "P"))
    assert read(tmp_path / "0.log", {}) == "a\nprompt> "


def test_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path / "0.log", {}) == ""
    assert tail_text(str(tmp_path / "0.log")) == ""


def test_since_seconds_counts_back_from_now(log: Path) -> None:
    assert read(log, {"sinceSeconds": "1"}, after=4) == "\nlast\n"


def test_the_end_of_a_log_stands_in_for_a_termination_message(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    write(path, *(record(1, f"line {n}") for n in range(200)))
    text = tail_text(str(path))
    assert text.endswith("line 198\nline 199\n")
    assert text.count("\n") == 80


def test_following_goes_on_across_rotation_until_the_container_has_ended_and_is_drained(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    write(path, record(1, "one"))

    async def story() -> str:
        ended = False
        seen = b""

        async def follow() -> None:
            nonlocal seen
            async for chunk in LogReader(str(path), options_from({"follow": "true"}), lambda: ended).read():
                seen += chunk

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await anyio.sleep(1)
            assert seen == b"one\n"
            write(path, record(2, "two"), record(3, "half")[:-3])
            await anyio.sleep(0.1)
            assert seen == b"one\ntwo\n"
            write(path, record(3, "half")[-3:])
            path.rename(tmp_path / "0.log.20260101-000003")
            write(path, record(4, "three"))
            await anyio.sleep(1)
            write(path, record(5, "end"))
            ended = True
        return seen.decode()

    assert clock.run_virtual(story()) == "one\ntwo\nhalf\nthree\nend\n"


class FakeTransport:
    """A server that asks what it is told to, and keeps the answers."""

    def __init__(self) -> None:
        self.send, self._receive = anyio.create_memory_object_stream[list[bytes]](100)
        self.answers: dict[str, bytes] = {}
        self.opened = 0
        self.refuse = 0

    def ask(self, stream: str, op: str, **params: object) -> None:
        """Ask something of the node."""
        self.send.send_nowait([json.dumps({"id": stream, "op": op, "params": params}).encode()])

    def answer(self, stream: str) -> tuple[dict[str, object], bytes]:
        """Header and body of an answer."""
        head, _, body = self.answers[stream].partition(b"\n")
        return json.loads(head), body

    @asynccontextmanager
    async def lines(
        self, path: str, *, params: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        assert path == "/apis/node.kube-lite.io/v1/nodes/n1/tunnel"
        self.opened += 1
        if self.opened <= self.refuse:
            raise ConnectionError("refused")

        async def batches() -> AsyncIterator[list[bytes]]:
            while True:
                yield await self._receive.receive()

        yield batches()

    async def request_stream(
        self, method: str, path: str, content: AsyncIterator[bytes], *, params: Mapping[str, str] | None = None
    ) -> bytes:
        stream = path.removeprefix("/apis/node.kube-lite.io/v1/nodes/n1/streams/")
        self.answers[stream] = b""
        async for chunk in content:
            self.answers[stream] += chunk
        self.answers[stream] += b"<end>"
        return b""

    def close(self) -> None:
        """Let go of the stream."""
        self.send.close()
        self._receive.close()


@asynccontextmanager
async def tunnelled(runtime: FakeRuntime | None = None) -> AsyncIterator[tuple[Node, FakeTransport]]:
    async with running_node(runtime) as node, anyio.create_task_group() as tasks:
        transport = FakeTransport()
        tunnel = Tunnel(transport, "n1", {"logs": LogService(node.agent).open})
        tasks.start_soon(tunnel.run)
        yield node, transport
        tasks.cancel_scope.cancel()
    transport.close()


def point_logs(node: Node, directory: Path) -> None:
    """Let the runtime's containers write into ``directory``, one file for each attempt."""
    worker = node.agent.workers["uid-p"]
    for tries in worker.view.attempts.values():
        for attempt, state in tries.items():
            tries[attempt] = replace(state, log_path=str(directory / f"{attempt}.log"))


def test_logs_are_answered_over_the_tunnel(tmp_path: Path) -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.programs["app"] = Program(seconds=100)
        async with tunnelled(runtime) as (node, transport):
            node.client.put("pods", pod("p", restartPolicy="Never"))
            await anyio.sleep(1)
            point_logs(node, tmp_path)
            write(tmp_path / "0.log", record(1, "one"), record(2, "two"))
            transport.ask("1", "logs", namespace="default", pod="p", container="c", tailLines=1)
            transport.ask("2", "logs", namespace="default", pod="p", container="c", follow=True)
            await anyio.sleep(1)
            assert transport.answer("1") == ({"status": 200}, b"two\n<end>")
            assert transport.answer("2") == ({"status": 200}, b"one\ntwo\n")
            await anyio.sleep(100)
            assert transport.answer("2")[1].endswith(b"<end>")

    run(story)


def test_an_answer_ends_when_its_reader_is_gone(tmp_path: Path) -> None:
    async def story() -> None:
        async with tunnelled() as (node, transport):
            node.client.put("pods", pod())
            await anyio.sleep(1)
            point_logs(node, tmp_path)
            transport.ask("1", "logs", namespace="default", pod="p", follow=True)
            await anyio.sleep(1)
            transport.ask("1", "cancel")
            await anyio.sleep(1)
            write(tmp_path / "0.log", record(1, "nobody reads this"))
            await anyio.sleep(1)
            assert transport.answer("1") == ({"status": 200}, b"")

    run(story)


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"pod": "q"}, 404, 'pod "q" does not exist'),
        ({"container": "x"}, 400, "container x is not valid for pod p"),
        ({"container": "c"}, 400, 'container "c" in pod "p" is waiting to start: trying and failing to pull image'),
        ({"previous": "true"}, 400, 'previous terminated container "c" in pod "p" not found'),
        ({"container": "d"}, 400, 'container "d" in pod "p" is waiting to start: ContainerCreating'),
        ({"uid": "another"}, 404, 'pod "p" does not exist'),
    ],
)
def test_a_log_that_is_not_there_is_refused_in_upstreams_words(
    params: dict[str, object], code: int, message: str
) -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.missing.add("gone")
        runtime.unpullable["gone"] = "no"
        async with tunnelled(runtime) as (node, transport):
            made = pod("p", container("c", "gone"), container("d", "app"))
            node.client.put("pods", made)
            await anyio.sleep(5)
            del node.agent.workers["uid-p"].view.attempts["d"]
            transport.ask("1", "logs", **{"namespace": "default", "pod": "p", **params})
            await anyio.sleep(0.001)
            header, body = transport.answer("1")
            assert (header["status"], header["message"], body) == (code, message, b"<end>")

    run(story)


def test_the_previous_log_is_that_of_the_run_before(tmp_path: Path) -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.programs["app"] = Program(seconds=5, code=1)
        async with tunnelled(runtime) as (node, transport):
            node.client.put("pods", pod())
            await anyio.sleep(7)  # the second run
            point_logs(node, tmp_path)
            write(tmp_path / "0.log", record(1, "first"))
            write(tmp_path / "1.log", record(2, "second"))
            transport.ask("1", "logs", namespace="default", pod="p", container="c", previous=True)
            transport.ask("2", "logs", namespace="default", pod="p", container="c")
            await anyio.sleep(0.1)
            assert transport.answer("1")[1] == b"first\n<end>"
            assert transport.answer("2")[1] == b"second\n<end>"

    run(story)


def test_a_broken_channel_is_opened_again_and_nonsense_is_passed_over() -> None:
    async def story() -> None:
        transport = FakeTransport()
        transport.refuse = 2

        async def fail(params: Mapping[str, str]) -> AsyncIterator[bytes]:
            raise ApiError("broken")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Tunnel(transport, "n1", {"fail": fail}).run)
            await anyio.sleep(2)
            assert transport.opened == 3
            transport.send.send_nowait([b"nonsense", b"[]", b'{"id":"0"}'])
            transport.ask("1", "unheard of")
            transport.ask("2", "fail")
            await anyio.sleep(1)
            assert transport.answer("1")[0]["message"] == "the node does not know how to unheard of"
            assert transport.answer("2")[0] == {"status": 500, "message": "broken", "reason": "InternalError"}
            await anyio.sleep(100)
            assert transport.opened > 3  # silence counts as broken
            tasks.cancel_scope.cancel()
        transport.close()

    run(story)
