"""emptyDir with medium Memory on a real node: as large as it says, shared by the pod's containers, gone with it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from tests.e2e.test_real_node import container, pod
from tests.support.kubectl import Kubectl
from tests.support.machine import footprint
from tests.support.running import Server, eventually, own_ranges

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a real node")]

WRITER = """
import os, time
print(next(line.split()[2] for line in open("/proc/mounts") if line.split()[1] == "/mem"))
print(os.statvfs("/mem").f_blocks * os.statvfs("/mem").f_frsize)
try:
    open("/mem/large", "wb").write(bytes(9 << 20))
except OSError as error:
    print(error.strerror)
os.unlink("/mem/large")
open("/mem/from", "w").write("writer")
time.sleep(600)
"""
WRITTEN = f"tmpfs\n{8 << 20}\nNo space left on device\n"
READER = """
import os, time
while not os.path.exists("/mem/from"): time.sleep(0.05)
print(open("/mem/from").read())
time.sleep(600)
"""


def test_a_volume_in_memory_has_its_size_and_leaves_no_mount(program: Path, tmp_path: Path) -> None:
    name = f"kl-mem-{secrets.token_hex(3)}"

    def mounts(part: str) -> int:
        return sum(part in line for line in footprint(name, tmp_path) if line.startswith("mount "))

    server = Server("up", tmp_path / "data", "--node-name", name, *own_ranges())
    try:
        kubectl = Kubectl(program, server.kubeconfig)
        mounted = {"volumeMounts": [{"name": "mem", "mountPath": "/mem"}]}
        volume = {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}
        for pod_name in ("gone", "stays"):
            both = [container("writer", WRITER, **mounted), container("reader", READER, **mounted)]
            kubectl("apply", "-f", "-", stdin=pod(pod_name, *both, volumes=[volume]))
        for pod_name in ("gone", "stays"):
            kubectl("wait", f"pod/{pod_name}", "--for=condition=Ready", "--timeout=30s")
            eventually(lambda pod_name=pod_name: kubectl("logs", pod_name, "-c", "writer") == WRITTEN)  # type: ignore[misc]
            eventually(lambda pod_name=pod_name: kubectl("logs", pod_name, "-c", "reader") == "writer\n")  # type: ignore[misc]

        assert mounts("empty-dir/mem") == 2
        kubectl("delete", "pod", "gone")
        eventually(lambda: mounts("empty-dir/mem") == 1)
    finally:
        code = server.stop()
    assert code == 0, server.err
    assert mounts("") == 0
