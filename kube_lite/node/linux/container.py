"""The zygote's view of one container: its start, its log, its end, and the record of all that on disk."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

from kube_lite.node.linux import cgroups, init, overlay, seccomp, state, syscalls
from kube_lite.node.linux.children import Child, Done
from kube_lite.node.linux.logs import LogWriter
from kube_lite.node.linux.loop import Loop
from kube_lite.node.linux.plan import ContainerPlan, Record

TERMINATION_MESSAGE = 4096
"""Bytes read from the end of the termination message file (upstream's limit)."""


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
            image_ref=plan["image_ref"],
            log_path=plan["log_path"],
            boot_id=state.boot_id(),
            created_at=state.utc_now(),
        )

    def start(self) -> None:
        """Prepare directories and clone. :raises OSError: nothing is left behind"""
        try:
            overlay.prepare(self.plan["directory"])
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
        return os.path.join(self.plan["directory"], overlay.TERMINATION_LOG)

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
