"""The daemon's manners: its protocol, who may speak to it, how it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import anyio
import pytest

from kube_lite.node.linux import state as files
from kube_lite.node.linux import wire
from kube_lite.node.linux.zygote_client import ZygoteClient
from tests.linux.node import Node

pytestmark = [pytest.mark.anyio]


def test_messages_are_cut_from_the_stream_wherever_it_breaks() -> None:
    splitter = wire.Splitter()
    data = wire.encode({"a": 1}) + wire.encode({"b": "x\ny"})
    found = [message for byte in range(len(data)) for message in splitter.feed(data[byte : byte + 1])]
    assert found == [{"a": 1}, {"b": "x\ny"}]


@pytest.mark.parametrize("data", [b"nonsense\n", b"[1]\n"])
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # json's own, or ours
        wire.Splitter().feed(data)


@pytest.mark.root
async def test_garbage_ends_the_connection_and_not_the_zygote(own_node: Node) -> None:
    uid = await own_node.pod()
    await own_node.start(uid, ["sleep", "1000"])
    for data in (b"nonsense\n", b'{"op": "nosuch", "seq": 1}\n', b'{"op": "start", "plan": {}, "seq": 2}\n'):
        with wire.connect(str(own_node.data)) as connection:
            connection.sendall(data)
            connection.settimeout(30)
            answer = connection.recv(65536)
            assert answer == b"" or b"error" in answer
    assert (await own_node.runtime.exec(uid, "c", ["echo", "alive"], 30)).stdout == b"alive\n"


@pytest.mark.root
async def test_two_executors_that_start_at_once_get_one_zygote(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    clients = [ZygoteClient(tmp_path, lambda record: None, lambda: None) for _ in range(2)]
    hellos = {}

    async def connect(number: int) -> None:
        hellos[number] = await clients[number].connect()

    async with anyio.create_task_group() as group:
        for number in range(2):
            group.start_soon(connect, number)
    assert hellos[0]["pid"] == hellos[1]["pid"]
    clients[0].disconnect()
    await clients[1].shutdown("now")
    assert not (tmp_path / "zygote.sock").exists()


@pytest.mark.root
async def test_idle_zygote_ends_with_its_last_container(own_node: Node) -> None:
    uid = await own_node.pod()
    state = await own_node.start(uid, ["sleep", "1000"])
    zygote = int(own_node.text("zygote.pid"))
    await own_node.runtime.close(keep_pods=True)
    assert files.start_ticks(zygote)
    os.kill(state.pid, 9)
    with anyio.fail_after(30):
        while (own_node.data / "zygote.sock").exists():  # noqa: ASYNC110  # a file has no event
            await anyio.sleep(0.01)
    own_node.runtime = own_node.new_runtime()
    await own_node.runtime.start()
    assert (await own_node.state(uid)).exit_code == 137


@pytest.mark.root
async def test_zygote_runs_a_sealed_copy_of_the_interpreter(own_node: Node) -> None:
    zygote = int(own_node.text("zygote.pid"))
    exe = os.open(f"/proc/{zygote}/exe", os.O_RDONLY)
    try:
        assert fcntl.fcntl(exe, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE
    finally:
        os.close(exe)
