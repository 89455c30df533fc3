"""The executor's end of the zygote's socket: starts the daemon where none runs, asks, and hears events.

No task of its own: the event loop calls back when there is something to read. When the zygote is gone, every
request in flight fails and ``on_lost`` is called; the next request starts another one.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.node.linux import wire
from kube_lite.node.runtime import ExecResult, RuntimeFailure

START_LIMIT = 20.0
"""Seconds for a zygote to begin to listen; it takes about 0.2."""

_TRIES_PER_SPAWN = 100
"""Attempts to connect, 10 ms apart, before another zygote is started."""

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from kube_lite.node.linux.zygote import main; main(sys.argv[2])"


def spawn_zygote(directory: Path) -> None:
    """Start the daemon in a session of its own; it is nobody's child when this returns.

    It runs a sealed copy of the interpreter in memory: a container that gets hold of ``/proc/PID/exe`` of one of its
    children cannot write to the host's Python through it (CVE-2019-5736).
    """
    interpreter = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    copy = os.memfd_create("kube-lite-zygote", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(interpreter, "rb") as source:
        size, sent = os.fstat(source.fileno()).st_size, 0
        while sent < size:
            sent += os.sendfile(copy, source.fileno(), sent, size - sent)
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
    fcntl.fcntl(copy, fcntl.F_ADD_SEALS, seals)
    package_root = str(Path(__file__).resolve().parents[3])
    with open(directory / "zygote.log", "ab") as log:
        try:
            done = subprocess.run(
                [interpreter, "-I", "-S", "-X", "utf8", "-c", _BOOT, package_root, str(directory)],
                executable=f"/proc/self/fd/{copy}",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
                pass_fds=(copy,),
                check=False,
            )
        finally:
            os.close(copy)
    if done.returncode:
        raise RuntimeFailure("RuntimeNotReady", f"the zygote does not start; see {directory}/zygote.log")


class ZygoteClient:
    """A connection to the zygote of one node.

    :param on_exit: called with the record of each container that ended
    :param on_lost: called when the zygote itself is gone, and its containers with it
    """

    def __init__(self, directory: Path, on_exit: Callable[[dict[str, Any]], None], on_lost: Callable[[], None]) -> None:
        self._directory = directory
        self._on_exit = on_exit
        self._on_lost = on_lost
        self._socket: socket.socket | None = None
        self._splitter = wire.Splitter()
        self._sequence = 0
        self._waiting: dict[int, asyncio.Future[wire.Message]] = {}
        self._connecting = anyio.Lock()
        self._sending = anyio.Lock()

    async def connect(self) -> wire.Message:
        """Connect, starting a zygote where none listens; returns its ``hello``.

        :raises RuntimeFailure: it does not start, or speaks another protocol and still has containers
        """
        hello: wire.Message = {}
        with anyio.move_on_after(START_LIMIT):
            while not hello:
                await self._open()
                try:
                    hello = await self._request({"op": "hello"})
                except RuntimeFailure:  # it was just ending, being idle
                    self.disconnect()
        if not hello:
            raise RuntimeFailure("RuntimeNotReady", f"the zygote does not start; see {self._directory}/zygote.log")
        if hello["protocol"] != wire.PROTOCOL:
            if hello["running"]:
                message = f"the zygote speaks protocol {hello['protocol']}, not {wire.PROTOCOL}, and has containers"
                raise RuntimeFailure("RuntimeNotReady", message)
            await self.shutdown("now")
            return await self.connect()
        return hello

    async def _open(self) -> None:
        """Have a connected socket."""
        tries = 0
        while self._socket is None:
            try:
                self._socket = wire.connect(str(self._directory))
            except OSError:
                if tries % _TRIES_PER_SPAWN == 0:  # again, as the last one may have met one that was just ending
                    await clock.run_in_thread(spawn_zygote, self._directory)
                tries += 1
                await anyio.sleep(0.01)
        self._splitter = wire.Splitter()
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)

    def _readable(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.disconnect()
            self._on_lost()
            return
        for message in self._splitter.feed(data):
            if "event" in message:
                self._on_exit(message["record"])
                continue
            waiting = self._waiting.pop(message["seq"], None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    def disconnect(self) -> None:
        """Close the connection; requests in flight fail."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(RuntimeFailure("RuntimeNotReady", "the connection to the zygote was lost"))
        self._waiting.clear()

    async def _request(self, message: wire.Message) -> wire.Message:
        if self._socket is None:
            raise RuntimeFailure("RuntimeNotReady", "not connected to the zygote")
        self._sequence += 1
        sequence = self._sequence
        loop = asyncio.get_running_loop()
        future: asyncio.Future[wire.Message] = loop.create_future()
        self._waiting[sequence] = future
        try:
            async with self._sending:
                with anyio.CancelScope(shield=True):  # half a message would garble all that follow
                    await loop.sock_sendall(self._socket, wire.encode({**message, "seq": sequence}))
            return await future
        except OSError as error:
            raise RuntimeFailure("RuntimeNotReady", f"zygote: {error}") from None
        finally:
            self._waiting.pop(sequence, None)

    async def request(self, message: wire.Message) -> wire.Message:
        """Ask; connects first where needed. An ``error`` is in the reply. :raises RuntimeFailure: no zygote"""
        async with self._connecting:
            if self._socket is None:
                await self.connect()
        return await self._request(message)

    async def exec(self, container_id: str, argv: list[str], timeout: float) -> ExecResult:
        """Run a command in a container. :raises TimeoutError: and :raises RuntimeFailure: it is not running"""
        request = {"op": "exec", "id": container_id, "argv": argv, "timeout": timeout}
        reply = await self.request(request)
        if reply.get("code") == "timeout":
            raise TimeoutError(reply["error"])
        if "error" in reply:
            raise RuntimeFailure("ExecError", reply["error"])
        return ExecResult(reply["exit_code"], base64.b64decode(reply["stdout"]), base64.b64decode(reply["stderr"]))

    async def shutdown(self, when: str) -> None:
        """End the zygote ``now`` or when ``idle``, disconnect, and for ``now`` wait for its end."""
        if self._socket is None:
            return
        await self._request({"op": "shutdown", "when": when})
        self.disconnect()
        if when == "now":
            await clock.run_in_thread(self._wait_for_end)

    def _wait_for_end(self) -> None:
        lock = os.open(self._directory / "zygote.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # held by the zygote as long as it lives
        finally:
            os.close(lock)
