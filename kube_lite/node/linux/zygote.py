"""The daemon that owns a node's containers, so that the executor can be killed, restarted and upgraded.

It is small, imports little and has one thread: it is forked for every container. It is the parent of every container
(only a parent learns the exit code), reads their output into log files, and writes each end to disk before it tells
anybody. The executor connects over a unix socket in the node's state directory (0600, and the peer's uid is
checked), asks and is told; see ``wire.py``. It ends on request, or, once told ``idle``, with its last container.

Its containers die with it (parent death signal): a container that nobody can report on must not run on.
"""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import socket
import struct
import sys
import traceback

from kube_lite.node.linux import namespaces, state, syscalls, wire
from kube_lite.node.linux.children import Done
from kube_lite.node.linux.container import Container
from kube_lite.node.linux.execution import Exec
from kube_lite.node.linux.loop import Loop
from kube_lite.node.linux.sandbox import Pause, SandboxMaker

_MAX_UNSENT = 64 * 1024 * 1024
"""Bytes waiting for an executor that does not read; then it is disconnected (all it misses is on disk)."""


class Connection:
    """One executor."""

    def __init__(self, zygote: Zygote, sock: socket.socket) -> None:
        self._zygote = zygote
        self._sock = sock
        self._splitter = wire.Splitter()
        self._unsent = b""
        self.closed = False
        sock.setblocking(False)
        zygote.loop.add_reader(sock.fileno(), self._readable)

    def send(self, message: wire.Message) -> None:
        """Send, or queue what the socket does not take."""
        if self.closed:
            return
        self._unsent += wire.encode(message)
        if len(self._unsent) > _MAX_UNSENT:
            self.close()
            return
        self._flush()

    def _flush(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._zygote.loop.add_writer(self._sock.fileno(), self._flush)
        else:
            self._zygote.loop.remove_writer(self._sock.fileno())

    def _readable(self) -> None:
        try:
            data = self._sock.recv(1 << 20)
            messages = self._splitter.feed(data)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            self.close()
            return
        if not data:
            self.close()
            return
        for message in messages:
            self._zygote.handle(self, message)

    def close(self) -> None:
        """Disconnect."""
        if not self.closed:
            self.closed = True
            self._zygote.loop.remove(self._sock.fileno())
            self._sock.close()
            self._zygote.forget(self)


class Zygote:
    """The state: containers by id, pause processes by pod, connections."""

    def __init__(self, directory: str) -> None:
        self.loop = Loop()
        self._directory = directory
        self._containers: dict[str, Container] = {}
        self._pauses: dict[str, Pause] = {}
        self._connections: list[Connection] = []
        self._end_when_idle = False
        self._end_now = False
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def serve(self) -> None:
        """Listen and run until told to end."""
        directory_fd = os.open(self._directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        path = os.path.join(self._directory, wire.SOCKET_NAME)
        if os.path.lexists(path):
            os.unlink(path)
        self._listener.bind(wire.address(directory_fd))
        os.chmod(path, 0o600)
        self._listener.listen(16)
        self._listener.setblocking(False)
        self.loop.add_reader(self._listener.fileno(), self._accept)
        gc.freeze()
        self.loop.run()
        os.unlink(path)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        if struct.unpack("3i", credentials)[1] != os.geteuid():
            sock.close()
            return
        self._connections.append(Connection(self, sock))

    def forget(self, connection: Connection) -> None:
        """A connection has closed."""
        self._connections.remove(connection)
        self._maybe_end()

    def handle(self, connection: Connection, message: wire.Message) -> None:
        """Carry out one request; a bug or a full disk is its reply, not this daemon's end."""
        sequence = message.get("seq")

        def reply(answer: wire.Message) -> None:
            connection.send({**answer, "seq": sequence})

        operation = getattr(self, "_op_" + str(message.get("op")), None)
        if operation is None:
            reply({"error": f"unknown operation {message.get('op')}", "code": "protocol"})
            return
        try:
            operation(message, reply)
        except (OSError, LookupError, ValueError, TypeError) as error:
            print(traceback.format_exc(), file=sys.stderr, flush=True)
            reply({"error": str(error), "code": "create"})

    def _op_hello(self, message: wire.Message, reply: Done) -> None:
        self._end_when_idle = False
        running = [c.record["id"] for c in self._containers.values() if c.executed]
        pauses = {uid: pause.pid for uid, pause in self._pauses.items()}
        reply({"ok": True, "protocol": wire.PROTOCOL, "pid": os.getpid(), "running": running, "pauses": pauses})

    def _op_sandbox(self, message: wire.Message, reply: Done) -> None:
        plan = message["plan"]

        def made(answer: wire.Message) -> None:
            if "error" in answer or not plan["pause"]:
                reply(answer)
                return
            pause = Pause(self.loop, plan, reply)
            self._pauses[plan["pod_uid"]] = pause
            pause.start()

        SandboxMaker(self.loop, plan, made).start()

    def _op_release(self, message: wire.Message, reply: Done) -> None:
        """Remove a pod's pins; its containers must have ended."""

        def unpin(_: wire.Message) -> None:
            for pin in message["pins"]:
                namespaces.release(pin)
            reply({"ok": True})

        pause = self._pauses.pop(message["pod_uid"], None)
        if pause is None or pause.exited:
            unpin({})
        else:
            pause.stop_waiters.append(unpin)
            pause.kill()

    def _op_start(self, message: wire.Message, reply: Done) -> None:
        plan = message["plan"]
        if plan["id"] in self._containers:
            raise ValueError(f"container {plan['id']} is already running")
        container = Container(self.loop, plan, reply, self._ended)
        container.start()
        self._containers[plan["id"]] = container

    def _ended(self, container: Container) -> None:
        self._containers.pop(container.plan["id"], None)
        for connection in list(self._connections):
            connection.send({"event": "exit", "record": container.record})
        self._maybe_end()

    def _op_stop(self, message: wire.Message, reply: Done) -> None:
        container = self._containers.get(message["id"])
        if container is None:
            reply({"ok": True})
        else:
            container.stop(container.plan["stop_signal"], message["grace"], reply)

    def _op_exec(self, message: wire.Message, reply: Done) -> None:
        container = self._containers.get(message["id"])
        if container is None or not container.executed or container.exited:
            reply({"error": "container is not running", "code": "exec"})
            return
        process = {**container.plan["process"], "argv": message["argv"], "tty": False}
        Exec(self.loop, container, process, message["timeout"], reply).start()  # type: ignore[arg-type]

    def _op_shutdown(self, message: wire.Message, reply: Done) -> None:
        """``when`` is ``now`` (kill what runs) or ``idle`` (with the last container, once nobody is connected)."""
        if message["when"] == "now":
            self._end_now = True
            for child in (*self._containers.values(), *self._pauses.values()):
                child.kill()
        self._end_when_idle = True
        reply({"ok": True})
        self._maybe_end()

    def _maybe_end(self) -> None:
        if self._end_when_idle and not self._containers and (self._end_now or not self._connections):
            for pause in self._pauses.values():
                pause.kill()
            self.loop.stop()


def main(directory: str) -> None:
    """Become a daemon that serves the node whose state is in ``directory``.

    The calling process ends with 0 at once. The daemon does too when another one serves the node already.
    """
    if os.fork():
        os._exit(0)
    os.umask(0o077)
    lock = os.open(os.path.join(directory, "zygote.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    # Nobody inside a container may look through a child of ours, which still has the host's root, into the host.
    syscalls.set_dumpable(False)
    state.write_atomically(os.path.join(directory, "zygote.pid"), f"{os.getpid()}\n")
    Zygote(directory).serve()
