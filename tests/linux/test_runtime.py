"""The runtime over crashes and restarts, and what it leaves behind: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from kube_lite.node.linux import state as files
from kube_lite.node.runtime import ContainerPhase, ContainerSpec, Mount, RuntimeFailure, SandboxSpec
from tests.linux.node import Node, read_log

pytestmark = [pytest.mark.anyio, pytest.mark.root]


def _kill_executor(directory: Path, cgroup_root: str) -> list[int]:
    """Run the executor of ``executor_to_kill`` until its containers run, then SIGKILL it; returns their pids."""
    command = [sys.executable, "-m", "tests.linux.executor_to_kill", str(directory), cgroup_root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        process.kill()
    return pids


async def test_killed_executor_comes_back_and_has_lost_nothing(tmp_path: Path) -> None:
    root = f"kl-test-kill-{os.getpid()}"
    pids = _kill_executor(tmp_path, root)
    node = Node(tmp_path, cgroup_root=root)
    await node.runtime.start()
    ended = await node.ended("logs")
    other = await node.state("other")
    found = {pod.pod_uid: (pod.name, pod.ip, len(pod.containers)) for pod in await node.runtime.pods()}
    await node.runtime.close(keep_pods=False)
    assert (ended.state.exit_code, ended.state.reason) == (7, "Error")
    assert ended.output == "".join(f"line {n}\n" for n in range(300)) + "rest"
    assert (other.phase, other.pid) == (ContainerPhase.RUNNING, pids[1])
    assert found == {"logs": ("logs", "10.99.0.2", 1), "other": ("other", "10.99.0.2", 1)}


async def test_exit_while_no_executor_is_there_is_found_on_disk(tmp_path: Path) -> None:
    node = Node(tmp_path)
    await node.runtime.start()
    uid = await node.pod()
    state = await node.start(uid, ["sh", "-c", "echo ready; read line; echo $line; exit 9"], stdin=True)
    await node.logged(uid, "ready")
    await node.runtime.close(keep_pods=True)
    os.kill(state.pid, signal.SIGKILL)
    record = node.data / "pods" / uid / "records/c.0.json"
    with anyio.fail_after(30):
        while (files.read_json(str(record)) or {}).get("phase") != "exited":  # noqa: ASYNC110  # a file has no event
            await anyio.sleep(0.01)
    node.runtime = node.new_runtime()
    await node.runtime.start()
    ended = await node.ended(uid)
    await node.runtime.close(keep_pods=False)
    assert (ended.state.exit_code, ended.state.signal) == (137, 9)


async def test_new_executor_stops_execs_and_removes_what_the_old_one_started(own_node: Node) -> None:
    node = own_node
    uid = await node.pod()
    before = await node.start(uid, ["sleep", "1000"])
    await node.runtime.close(keep_pods=True)
    node.runtime = node.new_runtime()
    await node.runtime.start()
    assert await node.state(uid) == before
    assert (await node.runtime.exec(uid, "c", ["echo", "hi"], 30)).stdout == b"hi\n"
    assert await node.start(uid, ["sleep", "1000"]) == before
    await node.runtime.remove_pod(uid)
    assert not files.start_ticks(before.pid)


async def test_lost_zygote_is_reported_and_replaced(own_node: Node) -> None:
    node = own_node
    uid = await node.pod()
    state = await node.start(uid, ["sleep", "1000"])
    os.kill(int(read_text(node.data / "zygote.pid")), signal.SIGKILL)
    ended = await node.ended(uid)
    assert (ended.state.phase, ended.state.exit_code) == (ContainerPhase.UNKNOWN, 137)
    assert ended.state.reason == "ContainerStatusUnknown"
    with anyio.fail_after(30):
        while files.start_ticks(state.pid):  # noqa: ASYNC110  # it is no child of ours
            await anyio.sleep(0.01)
    await node.start(uid, ["echo", "again"], attempt=1)
    assert (await node.ended(uid)).output == "again\n"


async def test_record_from_before_a_reboot_is_unknown_and_its_pid_left_alone(own_node: Node) -> None:
    node = own_node
    uid = await node.pod()
    await node.start(uid, ["true"])
    await node.ended(uid)
    await node.runtime.close(keep_pods=True)
    path = str(node.data / "pods" / uid / "records/c.0.json")
    record = files.read_json(path)
    assert record is not None
    mine = {
        "phase": "running",
        "pid": os.getpid(),
        "boot_id": "another boot",
        "start_ticks": files.start_ticks(os.getpid()),
    }
    files.write_json(path, {**record, **mine})
    node.runtime = node.new_runtime()
    await node.runtime.start()
    assert (await node.state(uid)).phase == ContainerPhase.UNKNOWN


async def test_pod_from_before_a_reboot_gets_a_new_sandbox(own_node: Node) -> None:
    node = own_node
    uid = await node.pod()
    await node.runtime.close(keep_pods=True)
    path = str(node.data / "pods" / uid / "sandbox.json")
    saved = files.read_json(path)
    assert saved is not None
    files.write_json(path, {**saved, "boot_id": "another boot"})
    node.runtime = node.new_runtime()
    await node.runtime.start()
    with pytest.raises(RuntimeFailure, match="not ready"):
        await node.start(uid, ["true"])
    await node.pod(pod_uid=uid)
    await node.start(uid, ["hostname"])
    assert (await node.ended(uid)).output == "pod\n"
    assert read_text(Path("/proc/mounts")).count(f"{uid}/ns/net") == 1


async def test_shared_process_namespace_is_made_anew_when_the_zygote_was_lost(own_node: Node) -> None:
    node = own_node
    uid = await node.pod(share_process_namespace=True)
    await node.start(uid, ["sleep", "1000"])
    os.kill(int(read_text(node.data / "zygote.pid")), signal.SIGKILL)
    await node.ended(uid)
    await node.pod(pod_uid=uid, share_process_namespace=True)
    await node.start(uid, ["sh", "-c", "echo $$"], attempt=1)
    assert int((await node.ended(uid)).output) > 1


async def test_half_made_sandbox_is_removed_at_start(own_node: Node) -> None:
    node = own_node
    uid = await node.pod()
    await node.runtime.close(keep_pods=True)
    (node.data / "pods" / uid / "sandbox.json").unlink()
    node.runtime = node.new_runtime()
    await node.runtime.start()
    assert await node.runtime.pods() == []
    assert not (node.data / "pods" / uid).exists()
    assert uid not in read_text(Path("/proc/mounts"))


async def test_removed_pod_leaves_nothing(own_node: Node) -> None:
    node = own_node
    before = _traces(node)
    uid = await node.pod(share_process_namespace=True)
    await node.start(uid, ["sh", "-c", "sleep 1000 & sleep 1000"], name="a")
    await node.start(uid, ["sh", "-c", "mkdir -p /x/y; echo z > /x/y/z"], name="b")
    with pytest.raises(RuntimeFailure):
        await node.start(uid, ["nosuch"], name="d")
    await node.ended(uid, "b")
    assert _traces(node) != before
    await node.runtime.remove_pod(uid)
    assert _traces(node) == before
    assert node.network.attached == {}


async def test_failed_starts_leave_nothing(own_node: Node) -> None:
    node = own_node
    uid = await node.pod()
    before = _traces(node)
    with pytest.raises(RuntimeFailure, match="inside /proc"):
        await node.start(uid, ["true"], mounts=[Mount("/tmp", "/proc/self")])
    with pytest.raises(RuntimeFailure):
        await node.start(uid, ["true"], mounts=[Mount("/tmp", "/etc/passwd/below")])
    assert _traces(node) == before
    await node.start(uid, ["echo", "works"])
    assert (await node.ended(uid)).output == "works\n"


async def test_failed_sandbox_leaves_nothing_and_can_be_repeated(own_node: Node) -> None:
    node = own_node
    before = _traces(node)
    with pytest.raises(RuntimeFailure) as failure:
        await node.pod(pod_uid="again", sysctls={"net.ipv4.nosuch": "1"})
    assert failure.value.reason == "FailedCreatePodSandBox"
    assert _traces(node) == before
    await node.pod(pod_uid="again")


async def test_start_that_is_cancelled_is_known_all_the_same(own_node: Node) -> None:
    node = own_node
    uid = await node.pod()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(node.start, uid, ["sleep", "1000"])
            await anyio.sleep(0.003)
            scope.cancel()
    [pod] = await node.runtime.pods()
    assert len(pod.containers) == len(os.listdir(node.data / "pods" / uid / "records"))
    await node.runtime.remove_pod(uid)


@pytest.mark.parametrize("uid", ["", "..", "a/b", "../../etc"])
async def test_names_cannot_leave_their_directory(own_node: Node, uid: str) -> None:
    with pytest.raises(RuntimeFailure, match="invalid pod uid"):
        await own_node.runtime.run_sandbox(SandboxSpec(uid, "pod", "default", "pod"))
    good = await own_node.pod()
    with pytest.raises(RuntimeFailure, match="invalid container name"):
        await own_node.runtime.start_container(good, ContainerSpec("../x", "host", 0, ["true"]))


async def test_previous_attempt_is_kept_and_older_ones_are_not(own_node: Node) -> None:
    node = own_node
    uid = await node.pod()
    for attempt in range(4):
        await node.start(uid, ["echo", str(attempt)], attempt=attempt)
        await node.ended(uid)
    [pod] = await node.runtime.pods()
    assert [read_log(container.log_path) for container in pod.containers] == ["2\n", "3\n"]
    assert sorted(os.listdir(node.data / "pods" / uid / "containers")) == ["c.2", "c.3"]


async def test_zygote_socket_is_closed_to_others(own_node: Node) -> None:
    modes = {name: os.stat(own_node.data / name).st_mode & 0o777 for name in ("zygote.sock", ".")}
    assert modes == {"zygote.sock": 0o600, ".": 0o700}


def read_text(path: Path) -> str:
    """A small file."""
    return path.read_text()


def _traces(node: Node) -> dict[str, list[str]]:
    """Everything of a node that a pod could leave: files, mounts, cgroups, processes."""
    groups = {
        os.path.relpath(directory, "/sys/fs/cgroup")
        for directory, _, _ in os.walk("/sys/fs/cgroup")
        if node.cgroup_root in directory
    }
    zygote = read_text(node.data / "zygote.pid").strip()
    return {
        "files": sorted(str(path) for path in node.data.rglob("*") if not path.name.startswith("zygote.")),
        "mounts": [line for line in read_text(Path("/proc/self/mountinfo")).splitlines() if str(node.data) in line],
        "cgroups": sorted(groups),
        "children": read_text(Path(f"/proc/{zygote}/task/{zygote}/children")).split(),
        "descriptors": sorted(os.readlink(f"/proc/{zygote}/fd/{fd}").split(":")[0] for fd in _open_fds(zygote)),
    }


def _open_fds(pid: str) -> list[str]:
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        if os.path.lexists(f"/proc/{pid}/fd/{fd}"):
            found.append(fd)
    return found
