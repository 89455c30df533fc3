"""An executor in a process of its own, for tests that kill it: starts two containers, says so, and waits."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from kube_lite.node.runtime import ContainerSpec, SandboxSpec
from tests.linux.node import Node

COUNTING = "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); sleep 0.005; done; printf rest; exit 7"


async def main(directory: str, cgroup_root: str) -> None:
    """Start pods ``logs`` and ``other``, print their pids, and never end."""
    node = Node(Path(directory), cgroup_root=cgroup_root)
    await node.runtime.start()
    pids = []
    for uid, script in (("logs", COUNTING), ("other", "echo up; sleep 1000")):
        await node.runtime.run_sandbox(SandboxSpec(uid, uid, "default", uid))
        state = await node.runtime.start_container(uid, ContainerSpec("c", "host", 0, ["sh", "-c", script]))
        pids.append(str(state.pid))
    print(" ".join(pids), flush=True)
    await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
