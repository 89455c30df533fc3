"""The zygote's children: a container, and a process executed in one. Each is a little state machine of callbacks.

cloned -> set up (its status socket closes when its program has been executed) -> running -> exited (its pidfd is
readable) -> drained (its pipes have ended) -> finished. A pipe that somebody still holds open two seconds after the
exit is given up.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from kube_lite.node.linux import cgroups, init, namespaces, overlay, seccomp, state, syscalls
from kube_lite.node.linux.logs import LogWriter
from kube_lite.node.linux.loop import Loop, Timer
from kube_lite.node.linux.plan import ContainerPlan, ProcessPlan, Record, SandboxPlan

DRAIN = 2.0
"""Seconds that output may still come after the exit."""

SET_UP_LIMIT = 120.0
"""Seconds from clone to exec; a hanging file system must not hold a start for ever."""

EXEC_OUTPUT = 64 * 1024
TERMINATION_MESSAGE = 4096
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
        become: Callable[[tuple[int, int, int], int], None],
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


class Container(Child):
    """One container; its record is on disk whenever somebody could have been told about it."""

    def __init__(self, loop: Loop, plan: ContainerPlan, started: Done, ended: Callable[[Container], None]) -> None:
        super().__init__(loop)
        self.plan = plan
        self.log: LogWriter | None = None
        self._started = started
        self._ended = ended
        self.stop_waiters: list[Done] = []
        self.private_pids = not plan["host_pid"] and "pid" not in plan["namespaces"]
        self.record = Record(
            id=plan["id"],
            pod_uid=plan["pod_uid"],
            name=plan["name"],
            attempt=plan["attempt"],
            image=plan["image"],
            image_id=plan["image_id"],
            log_path=plan["log_path"],
            boot_id=state.boot_id(),
            created_at=state.utc_now(),
        )

    def start(self) -> None:
        """Prepare directories and clone. :raises OSError: nothing is left behind"""
        try:
            overlay.prepare(self.plan["directory"])
            with open(self._message_file(), "w", encoding="ascii"):
                os.chmod(self._message_file(), 0o666)
            self.log = LogWriter(self.plan["log_path"])
            seccomp.program(self.plan["process"]["capabilities"])  # built and kept here, not once a child
            flags = syscalls.CLONE_NEWNS | (syscalls.CLONE_NEWPID if self.private_pids else 0)
            self.launch(flags, self.plan["namespaces"].get("pid", ""), self._become, stdin=self.plan["stdin"])
        except BaseException:
            self._clean_up(keep_log=False)
            raise

    def _become(self, stdio: tuple[int, int, int], status: int) -> None:
        init.run_container(self.plan, stdio, status)

    def _message_file(self) -> str:
        return os.path.join(self.plan["directory"], "termination-log")

    def _clean_up(self, *, keep_log: bool) -> None:
        if self.log is not None:
            self.log.close()
            if not keep_log:
                with contextlib.suppress(OSError):
                    os.unlink(self.log.path)
                    os.rmdir(os.path.dirname(self.log.path))
                    os.rmdir(os.path.dirname(os.path.dirname(self.log.path)))
        state.remove_tree(self.plan["directory"])

    def on_executed(self) -> None:
        """Tell, once it is written down."""
        self.record.update(Record(phase="running", pid=self.pid, started_at=state.utc_now()))
        self.record["start_ticks"] = state.start_ticks(self.pid)
        self._save()
        self._started({"ok": True, "record": self.record})

    def on_output(self, stream: str, data: bytes) -> None:
        """To the log."""
        assert self.log is not None
        self.log.feed(stream, data)

    def on_exit(self) -> None:
        """Processes that outlive it (possible in a shared pid namespace) would hold its pipes and cgroup."""
        if not self.private_pids:
            for directory in self.plan["cgroups"].values():
                cgroups.kill_all(directory)
                break

    def on_finished(self) -> None:
        """Write the end down, then tell."""
        if not self.executed:
            self._finish_failed_start()
            return
        assert self.log is not None
        self.log.close()
        oom = cgroups.oom_kills(self.plan["cgroup_version"], self.plan["cgroups"]) > 0
        reason = "OOMKilled" if oom else "Completed" if self.code == 0 else "Error"
        self.record.update(
            Record(
                phase="exited",
                pid=0,
                exit_code=self.code,
                signal=self.signal,
                oom_killed=oom,
                reason=reason,
                message=self._termination_message(),
                finished_at=state.utc_now(),
            )
        )
        self._save()
        self._end()

    def _save(self) -> None:
        try:
            state.write_json(self.plan["record"], self.record)
        except OSError as error:  # the disk is full: an executor that listens hears of it all the same
            print(f"{self.plan['record']}: {error}", file=sys.stderr, flush=True)

    def _finish_failed_start(self) -> None:
        failure = self.failure or {"message": f"the start was ended by signal {self.signal}", "code": 0}
        if cgroups.oom_kills(self.plan["cgroup_version"], self.plan["cgroups"]):
            failure = {"message": "container init was OOM-killed (memory limit too low?)", "code": 0}
        self._clean_up(keep_log=False)
        if failure["code"]:  # the program is at fault: that is an attempt that ended, as upstream counts it
            now = state.utc_now()
            self.record.update(Record(phase="exited", exit_code=init.START_FAILED, reason="StartError", pid=0))
            self.record.update(Record(message=failure["message"], started_at=now, finished_at=now))
            self._save()
        self._end()
        self._started({"error": failure["message"], "code": "start" if failure["code"] else "create"})

    def _end(self) -> None:
        for directory in self.plan["cgroups"].values():
            with contextlib.suppress(OSError):  # still busy: it goes with its pod
                os.rmdir(directory)
        self._ended(self)
        for waiter in self.stop_waiters:
            waiter({"ok": True})

    def _termination_message(self) -> str:
        try:
            fd = os.open(self._message_file(), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return ""
        with open(fd, "rb") as file:
            size = os.fstat(fd).st_size
            file.seek(max(0, size - TERMINATION_MESSAGE))
            return file.read(TERMINATION_MESSAGE).decode("utf-8", "replace")

    def stop(self, number: int, grace: float, done: Done) -> None:
        """Send the signal, after ``grace`` seconds SIGKILL; ``done`` when it has ended."""
        self.stop_waiters.append(done)
        if grace <= 0:
            self.kill()
            return
        self.send_signal(number)
        self._timers.append(self.loop.call_later(grace, self.kill))


class Exec(Child):
    """A process executed in a container, its output collected up to a bound."""

    def __init__(self, loop: Loop, container: Container, process: ProcessPlan, timeout: float, done: Done) -> None:
        super().__init__(loop)
        self._container = container
        self._process = process
        self._output = {"stdout": bytearray(), "stderr": bytearray()}
        self._timeout = timeout
        self._timed_out = False
        self._done = done

    def start(self) -> None:
        """Clone into the container's pid namespace. :raises OSError: the container has just ended"""
        self.launch(0, f"/proc/{self._container.pid}/ns/pid", self._become)
        self._timers.append(self.loop.call_later(self._timeout, self._expire))

    def _become(self, stdio: tuple[int, int, int], status: int) -> None:
        plan = self._container.plan
        groups = (plan["cgroup_version"], plan["cgroups"])
        init.run_exec(self._process, self._container.pidfd, groups, stdio, status)

    def _expire(self) -> None:
        self._timed_out = True
        if not self.exited:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self.kill()

    def on_output(self, stream: str, data: bytes) -> None:
        """Keep what fits; the rest is read and dropped, so that the program does not block."""
        kept = self._output[stream]
        kept += data[: EXEC_OUTPUT - len(kept)]

    def on_finished(self) -> None:
        """Reply."""
        if self._timed_out:
            self._done({"error": f"command timed out after {self._timeout:g} s", "code": "timeout"})
            return
        code = self.code
        if not self.executed:
            failure = self.failure or {"message": "the container has ended", "code": 0}
            if not failure["code"]:
                self._done({"error": failure["message"], "code": "exec"})
                return
            code = failure["code"]
            self._output["stderr"] += failure["message"].encode()
        out, err = (base64.b64encode(bytes(self._output[s])).decode() for s in ("stdout", "stderr"))
        self._done({"ok": True, "exit_code": code, "stdout": out, "stderr": err})


class SandboxMaker(Child):
    """The child that makes a pod's namespaces and ends."""

    def __init__(self, loop: Loop, plan: SandboxPlan, done: Done) -> None:
        super().__init__(loop)
        self._plan = plan
        self._done = done

    def start(self) -> None:
        """Fork it."""
        self.launch(0, "", self._become)

    def _become(self, stdio: tuple[int, int, int], status: int) -> None:
        try:
            namespaces.make_sandbox(self._plan)
        except BaseException as error:  # this process must end here, whatever happens
            with contextlib.suppress(OSError):
                os.write(status, json.dumps({"message": str(error), "code": 0}).encode())
            os._exit(1)
        os._exit(0)

    def on_finished(self) -> None:
        """Reply."""
        if self.code == 0:
            self._done({"ok": True})
        else:
            self._done({"error": (self.failure or {}).get("message", "failed"), "code": "sandbox"})


class Pause(Child):
    """The first process of a pod's shared pid namespace."""

    def __init__(self, loop: Loop, plan: SandboxPlan, done: Done) -> None:
        super().__init__(loop)
        self._plan = plan
        self._done: Done | None = done
        self.stop_waiters: list[Done] = []

    def start(self) -> None:
        """Clone it."""
        self.launch(syscalls.CLONE_NEWPID, "", self._become)

    def _become(self, stdio: tuple[int, int, int], status: int) -> None:
        try:
            namespaces.run_pause(self._plan, status)
        finally:
            os._exit(1)

    def _status_readable(self) -> None:
        super()._status_readable()
        if self._done is not None:
            done, self._done = self._done, None
            good = self.failure == {}
            done({"ok": True, "pid": self.pid} if good else {"error": "the pause process failed", "code": "sandbox"})

    def on_finished(self) -> None:
        """Tell who waits for its end."""
        for waiter in self.stop_waiters:
            waiter({"ok": True})
