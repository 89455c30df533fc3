"""Containers over time: their output, how they are stopped, what is executed in them."""

from __future__ import annotations

import os
import re
import signal
from functools import partial

import anyio
import pytest

from kube_lite.node.linux.logs import log_files
from kube_lite.node.runtime import ContainerPhase, RuntimeFailure, Security
from tests.linux.fakes import PYTHON
from tests.linux.node import Node, raw_log, read_log

pytestmark = [pytest.mark.anyio, pytest.mark.root]


async def test_log_is_in_cri_form(node: Node) -> None:
    uid = await node.pod(name="web", namespace="shop")
    await node.start(uid, ["sh", "-c", "echo out; sleep 0.05; echo err >&2; sleep 0.05; printf tail"], attempt=2)
    ended = await node.ended(uid)
    text = raw_log(ended.state.log_path)
    await node.runtime.remove_pod(uid)
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"
    assert re.fullmatch(rf"{stamp} stdout F out\n{stamp} stderr F err\n{stamp} stdout P tail\n", text)
    assert ended.state.log_path.endswith(f"logs/shop_web_{uid}/c/2.log")


async def test_burst_of_a_megabyte_is_complete(node: Node) -> None:
    ended = await node.python("for n in range(20000): print(f'{n:06}', 'x' * 43)")
    assert [int(line[:6]) for line in ended.output.splitlines()] == list(range(20000))
    assert len(ended.output) == 20000 * 51


async def test_long_line_is_cut_into_partial_ones_and_joins_again(node: Node) -> None:
    ended = await node.python("print('abc' * 20000)")
    assert ended.output == "abc" * 20000 + "\n"


async def test_flood_is_bounded_and_keeps_the_newest(node: Node) -> None:
    uid = await node.pod()
    script = "for n in range(70): print((f'{n:03}' + 'x' * 1020 + '\\n') * 1024, end='')"
    await node.start(uid, [PYTHON, "-I", "-c", script])
    ended = await node.ended(uid)
    files = log_files(ended.state.log_path)
    sizes = [os.stat(name).st_size for name in files]
    last = read_log(files[-1]).splitlines()[-1]
    await node.runtime.remove_pod(uid)
    assert len(files) == 5
    assert max(sizes) <= 10 * 1024 * 1024
    assert last.startswith("069")


async def test_stop_asks_with_sigterm_first(node: Node) -> None:
    uid = await node.pod()
    await node.start(uid, ["sh", "-c", "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.01; done"])
    await node.logged(uid, "ready")
    await node.runtime.stop_container(uid, "c", 30)
    ended = await node.ended(uid)
    await node.runtime.remove_pod(uid)
    assert (ended.state.exit_code, ended.state.signal) == (5, 0)
    assert ended.output == "ready\nbye\n"


async def test_stop_kills_who_ignores_sigterm_after_the_grace(node: Node) -> None:
    uid = await node.pod()
    await node.start(uid, ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done"])
    await node.logged(uid, "ready")
    await node.runtime.stop_container(uid, "c", 0.2)
    ended = await node.ended(uid)
    await node.runtime.remove_pod(uid)
    assert (ended.state.exit_code, ended.state.signal) == (137, 9)


async def test_stop_uses_the_images_signal(node: Node) -> None:
    uid = await node.pod()
    script = "trap 'exit 3' TERM; trap 'exit 9' USR1; echo ready; while :; do sleep 0.01; done"
    await node.start(uid, ["sh", "-c", script], image="usr1")
    await node.logged(uid, "ready")
    await node.runtime.stop_container(uid, "c", 30)
    ended = await node.ended(uid)
    await node.runtime.remove_pod(uid)
    assert ended.state.exit_code == 9


async def test_stop_ends_all_processes_of_the_container(node: Node) -> None:
    uid = await node.pod()
    await node.start(uid, ["sh", "-c", "sleep 1000 & sleep 1000 & trap 'exit 0' TERM; echo up; wait; wait"])
    await node.logged(uid, "up")
    await node.runtime.stop_container(uid, "c", 30)
    usage = await node.runtime.stats(uid)
    await node.runtime.remove_pod(uid)
    assert usage.pids == 0


async def test_stopping_what_does_not_run_is_no_error(node: Node) -> None:
    uid = await node.pod()
    await node.runtime.stop_container(uid, "nobody", 1)
    await node.start(uid, ["true"])
    await node.ended(uid)
    await node.runtime.stop_container(uid, "c", 1)
    await node.runtime.remove_pod(uid)
    await node.runtime.stop_container(uid, "c", 1)
    await node.runtime.remove_pod(uid)


async def test_exec_runs_inside_with_the_same_rights(node: Node) -> None:
    uid = await node.pod()
    await node.start(uid, ["sleep", "1000"], security=Security(user=1000), env={"COLOR": "red"})
    script = (
        "for n in pid mnt net ipc uts cgroup; do"
        " test $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) || echo $n; done;"
        "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):|Groups' /proc/1/status > /tmp/a;"
        "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):|Groups' /proc/self/status > /tmp/b;"
        "cmp /tmp/a /tmp/b; id -u; echo $COLOR; cut -d: -f3 /proc/self/cgroup | sort -u; ls /proc/self/fd"
    )
    result = await node.runtime.exec(uid, "c", ["sh", "-c", script + "; echo oops >&2; exit 4"], 30)
    await node.runtime.remove_pod(uid)
    assert result.exit_code == 4
    assert result.stderr == b"oops\n"
    assert result.stdout == b"1000\nred\n/\n0\n1\n2\n3\n"


async def test_exec_of_a_missing_command_is_127(node: Node) -> None:
    uid = await node.pod()
    await node.start(uid, ["sleep", "1000"])
    missing = await node.runtime.exec(uid, "c", ["nosuch"], 30)
    refused = await node.runtime.exec(uid, "c", ["/etc/passwd"], 30)
    await node.runtime.remove_pod(uid)
    assert (missing.exit_code, missing.stderr) == (127, b'exec: "nosuch": executable file not found in $PATH')
    assert (refused.exit_code, refused.stderr) == (126, b'exec: "/etc/passwd": permission denied')


async def test_exec_output_is_capped(node: Node) -> None:
    uid = await node.pod()
    await node.start(uid, ["sleep", "1000"])
    result = await node.runtime.exec(uid, "c", ["sh", "-c", "head -c 300000 /dev/zero; echo -n end >&2"], 30)
    await node.runtime.remove_pod(uid)
    assert (len(result.stdout), result.stderr, result.exit_code) == (64 * 1024, b"end", 0)


async def test_exec_that_takes_too_long_is_killed_with_its_children(node: Node) -> None:
    uid = await node.pod()
    await node.start(uid, ["sleep", "1000"])
    with pytest.raises(TimeoutError):
        await node.runtime.exec(uid, "c", ["sh", "-c", "sleep 1001 & sleep 1001"], 0.3)
    left = await node.runtime.exec(uid, "c", ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"], 30)
    await node.runtime.remove_pod(uid)
    assert b"sleep 1001" not in left.stdout
    assert b"sleep 1000" in left.stdout


async def test_exec_in_a_container_that_ended_is_refused(node: Node) -> None:
    uid = await node.pod()
    await node.start(uid, ["true"])
    await node.ended(uid)
    with pytest.raises(RuntimeFailure, match="is not running"):
        await node.runtime.exec(uid, "c", ["true"], 30)
    await node.runtime.remove_pod(uid)


async def test_on_change_names_the_pod_whose_container_ended(node: Node) -> None:
    uid = await node.pod()
    await node.start(uid, ["true"])
    with anyio.fail_after(30):
        await node.changed.setdefault(uid, anyio.Event()).wait()
    assert (await node.state(uid)).phase == ContainerPhase.EXITED
    await node.runtime.remove_pod(uid)


async def test_many_containers_at_once(node: Node) -> None:
    uids = [await node.pod() for _ in range(4)]
    async with anyio.create_task_group() as group:
        for uid in uids:
            for name in ("a", "b", "c", "d"):
                group.start_soon(partial(node.start, uid, ["sh", "-c", f"echo {uid} {name}; exit 3"], name=name))
    for uid in uids:
        for name in ("a", "b", "c", "d"):
            ended = await node.ended(uid, name)
            assert (ended.output, ended.state.exit_code) == (f"{uid} {name}\n", 3)
        await node.runtime.remove_pod(uid)


async def test_signals_are_known_by_name_and_number() -> None:
    from kube_lite.node.linux.spec import signal_number

    assert [signal_number(name) for name in ("", "SIGQUIT", "quit", "10", "nonsense")] == [
        signal.SIGTERM,
        signal.SIGQUIT,
        signal.SIGQUIT,
        10,
        signal.SIGTERM,
    ]
