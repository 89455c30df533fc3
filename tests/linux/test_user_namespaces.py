"""Pods with ``hostUsers: false``: root inside, nobody outside, on the real kernel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kube_lite.node.linux.namespaces import IDS
from kube_lite.node.runtime import Mount, RuntimeFailure, Security
from tests.linux.node import LIMIT, Node

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]


@pytest.fixture(autouse=True)
async def _idmapped_mounts(node: Node) -> None:
    """Skip where the file system of the test's directory does not know them (tmpfs before Linux 6.3, overlayfs)."""
    try:
        await node.run(["true"], {"host_users": False})
    except RuntimeFailure as failure:
        if "cannot be mounted into a user namespace" in failure.message:
            pytest.skip(failure.message)
        raise


def _text(path: str) -> str:
    return Path(path).read_text()


def _owner(path: str | Path) -> int:
    return os.stat(path).st_uid


async def test_root_inside_is_an_unprivileged_id_outside(node: Node) -> None:
    uid = await node.pod(host_users=False)
    script = "id -u; cat /proc/self/uid_map; touch /mine; stat -c %u /mine /usr /etc/hosts; echo ready; sleep 1000"
    state = await node.start(uid, ["sh", "-c", script])
    await node.logged(uid, "ready")
    base = _owner(f"/proc/{state.pid}")
    assert base >= IDS
    assert base % IDS == 0
    assert _owner(f"/proc/{state.pid}/root/mine") == base
    log = _text((await node.state(uid)).log_path)
    assert [line.split(" ", 3)[3].split() for line in log.splitlines()] == [
        ["0"],
        ["0", str(base), str(IDS)],
        ["0"],
        ["0"],
        ["0"],
        ["ready"],
    ]
    result = await node.runtime.exec(uid, "c", ["sh", "-c", "id -u; touch /more; stat -c %u /more"], LIMIT)
    assert (result.stdout, result.stderr) == (b"0\n0\n", b"")
    await node.runtime.remove_pod(uid)


async def test_two_pods_share_no_id(node: Node) -> None:
    bases = []
    for name in ("a", "b"):
        uid = await node.pod(pod_uid=f"users-{name}", host_users=False)
        bases.append(_owner(f"/proc/{(await node.start(uid, ['sleep', '1000'])).pid}"))
    assert len(set(bases)) == 2
    for name in ("a", "b"):
        await node.runtime.remove_pod(f"users-{name}")


async def test_volumes_show_their_owners_inside_as_outside(node: Node, tmp_path: Path) -> None:
    (tmp_path / "theirs").touch()
    os.chown(tmp_path / "theirs", 33, 44)
    os.chmod(tmp_path, 0o755)
    mounts = [Mount(str(tmp_path), "/volume")]
    script = "stat -c %u:%g /volume/theirs; touch /volume/ours; cat /dev/null; echo x > /dev/stderr; ls -ld /dev/shm"
    ended = await node.sh(script, {"host_users": False}, mounts=mounts)
    assert ended.output.startswith("33:44\n"), ended.output
    assert _owner(tmp_path / "ours") == 0


async def test_other_users_run_inside_too(node: Node) -> None:
    ended = await node.sh("id -u; echo out > /dev/stdout", {"host_users": False}, security=Security(user=1234))
    assert ended.output == "1234\nout\n"


async def test_capabilities_count_inside_only(node: Node) -> None:
    script = """
import os, socket
print(os.getuid(), open("/proc/self/status").read().count("CapEff:\\t00000000"))
for path in ("/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches"):
    try:
        os.close(os.open(path, os.O_WRONLY)); print("opened", path)
    except OSError as error:
        print("refused")
socket.create_server(("127.0.0.1", 80)).close()
print("port 80")
"""
    ended = await node.python(
        script, {"host_users": False}, security=Security(capabilities_add=["SYS_ADMIN", "NET_ADMIN"])
    )
    assert ended.output.splitlines()[1:] == ["refused", "refused", "refused", "port 80"]


async def test_a_shared_pid_namespace_and_a_restart_of_the_executor(own_node: Node) -> None:
    node = own_node
    uid = await node.pod(host_users=False, share_process_namespace=True)
    state = await node.start(uid, ["sleep", "1000"])
    base = _owner(f"/proc/{state.pid}")
    await node.runtime.close(keep_pods=True)
    node.runtime = node.new_runtime()
    await node.runtime.start()
    again = await node.start(uid, ["sleep", "1000"], name="d")
    assert _owner(f"/proc/{again.pid}") == base
    assert (await node.runtime.exec(uid, "d", ["id", "-u"], LIMIT)).stdout == b"0\n"
    other = await node.pod(host_users=False)
    assert _owner(f"/proc/{(await node.start(other, ['sleep', '1000'])).pid}") != base
    await node.runtime.remove_pod(uid)
    mounts = _text("/proc/self/mountinfo")
    assert f"/{uid}/" not in mounts
