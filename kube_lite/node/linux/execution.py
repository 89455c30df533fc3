"""A process executed in a running container, its output collected."""

from __future__ import annotations

import base64
import contextlib
import os
import signal

from kube_lite.node.linux import cgroups, init
from kube_lite.node.linux.children import Child, Done
from kube_lite.node.linux.container import Container
from kube_lite.node.linux.loop import Loop
from kube_lite.node.linux.plan import ProcessPlan

EXEC_OUTPUT = 64 * 1024
"""Bytes kept of each stream."""


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
        groups = {
            name: cgroups.leaf_of(plan["cgroup_version"], directory, self._container.pid)
            for name, directory in plan["cgroups"].items()
        }
        init.run_exec(
            self._process, self._container.pidfd, (plan["cgroup_version"], groups), stdio, status, plan["id_base"]
        )

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
