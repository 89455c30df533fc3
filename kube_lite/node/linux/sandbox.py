"""The children that make a pod's namespaces, and hold its shared pid namespace."""

from __future__ import annotations

import contextlib
import json
import os

from kube_lite.node.linux import namespaces, syscalls
from kube_lite.node.linux.children import Child, Done
from kube_lite.node.linux.loop import Loop
from kube_lite.node.linux.plan import SandboxPlan


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
