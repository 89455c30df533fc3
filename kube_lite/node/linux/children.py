"""The zygote's children: each is a little state machine of callbacks.

cloned -> set up (its status socket closes when its program has been executed) -> running -> exited (its pidfd is
readable) -> drained (its pipes have ended) -> finished. A pipe that somebody still holds open two seconds after the
exit is given up.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from kube_lite.node.linux import init, syscalls
from kube_lite.node.linux.loop import Loop, Timer

DRAIN = 2.0
"""Seconds that output may still come after the exit."""

SET_UP_LIMIT = 120.0
"""Seconds from clone to exec; a hanging file system must not hold a start for ever."""

_READ = 64 * 1024
_PIPE = 256 * 1024

Done = Callable[[dict[str, Any]], None]
Become = Callable[[tuple[int, int, int], int], None]


class Child:
    """A process of ours with pidfd, status socket and output pipes."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.pid = 0
        self.pidfd = -1
        self.executed = False
        self._ready = False
        self.failure: dict[str, Any] | None = None
        self.code = 0
        self.signal = 0
        self.exited = False
        self._finished = False
        self._streams: dict[int, str] = {}
        self._status: socket.socket | None = None
        self._stdin = -1
        self._timers: list[Timer] = []

    def launch(
        self,
        flags: int,
        pid_namespace: str,
        become: Become,
        *,
        stdin: bool = False,
    ) -> None:
        """Clone; the child calls ``become(stdio, status_fd)``.

        :param pid_namespace: file of a namespace to be born in, or empty
        :param stdin: keep a pipe open as its standard input instead of /dev/null
        """
        status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        out, out_write = os.pipe()
        err, err_write = os.pipe()
        read_in, self._stdin = os.pipe() if stdin else (os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC), -1)
        try:
            self.pid, self.pidfd = _clone_into(pid_namespace, flags) if pid_namespace else syscalls.clone(flags)
            if self.pid == 0:
                gc.disable()  # a collection would touch, and so copy, every page of the zygote
                try:
                    become((read_in, out_write, err_write), theirs.fileno())
                finally:
                    os._exit(1)  # never back into the zygote's loop
        except BaseException:
            for fd in (out, err, self._stdin):
                if fd >= 0:
                    os.close(fd)
            status.close()
            raise
        finally:
            theirs.close()
            for fd in (read_in, out_write, err_write):
                os.close(fd)
        self._status = status
        for fd, name in ((out, "stdout"), (err, "stderr")):
            with contextlib.suppress(OSError):  # over the user's limit of pipe pages
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE)
            self._add_stream(fd, name)
        self.loop.add_reader(status.fileno(), self._status_readable)
        self.loop.add_reader(self.pidfd, self._exit)
        self._timers.append(self.loop.call_later(SET_UP_LIMIT, self._too_slow))

    def _too_slow(self) -> None:
        if self._status is not None:
            self.failure = {"message": f"not started within {SET_UP_LIMIT:.0f} s", "code": 0}
            self.kill()

    def _status_readable(self) -> None:
        assert self._status is not None
        data, descriptors, _, _ = socket.recv_fds(self._status, 65536, 1)
        if data == init.READY:
            self._ready = True  # the exec closes the socket next, or is an error on it
            for master in descriptors:  # of a terminal: what the program writes comes out of it
                self._add_stream(master, "stdout")
            return
        self.loop.remove(self._status.fileno())
        self._status.close()
        self._status = None
        if data:
            self.failure = json.loads(data)  # its exit follows
        elif self._ready and self.failure is None:
            self.executed = True
            self.on_executed()

    def _add_stream(self, fd: int, name: str) -> None:
        os.set_blocking(fd, False)
        os.set_inheritable(fd, False)
        self._streams[fd] = name
        self.loop.add_reader(fd, lambda: self._readable(fd))

    def _readable(self, fd: int) -> None:
        try:
            data = os.read(fd, _READ)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last user of the terminal has gone
            data = b""
        if data:
            self.on_output(self._streams[fd], data)
            return
        self._close_stream(fd)
        self._maybe_finish()

    def _close_stream(self, fd: int) -> None:
        del self._streams[fd]
        self.loop.remove(fd)
        os.close(fd)

    def _exit(self) -> None:
        info = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        if info is None:
            return
        while self._status is not None:
            self._status_readable()  # a program that ends at once: its start must be told before its end
        if info.si_code == os.CLD_EXITED:
            self.code = info.si_status
        else:
            self.signal = info.si_status
            self.code = 128 + info.si_status
        self.exited = True
        self.loop.remove(self.pidfd)
        self.on_exit()
        self._timers.append(self.loop.call_later(DRAIN, self._give_up_streams))
        self._maybe_finish()

    def _give_up_streams(self) -> None:
        for fd in list(self._streams):
            self._close_stream(fd)
        self._maybe_finish()

    def _maybe_finish(self) -> None:
        if self._finished or not self.exited or self._streams:
            return
        self._finished = True
        for timer in self._timers:
            timer.cancel()
        os.close(self.pidfd)
        if self._stdin >= 0:
            os.close(self._stdin)
        self.on_finished()

    def send_signal(self, number: int) -> None:
        """Signal the process; nothing happens when it has ended."""
        if not self.exited:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def on_executed(self) -> None:
        """The program runs."""

    def on_output(self, stream: str, data: bytes) -> None:
        """It wrote something."""

    def on_exit(self) -> None:
        """It ended; output may still come."""

    def on_finished(self) -> None:
        """It ended and all its output has come."""


def _clone_into(pid_namespace: str, flags: int) -> tuple[int, int]:
    """Clone a child that is born in another pid namespace. Safe because the zygote has one thread."""
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    other = os.open(pid_namespace, os.O_RDONLY | os.O_CLOEXEC)
    pid = -1
    try:
        syscalls.setns(other, syscalls.CLONE_NEWPID)
        pid, pidfd = syscalls.clone(flags)
        return pid, pidfd
    finally:
        if pid != 0:
            syscalls.setns(own, syscalls.CLONE_NEWPID)
        os.close(own)
        os.close(other)
