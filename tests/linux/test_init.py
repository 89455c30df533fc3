"""How a container's program is found, what it gets, and how its end is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kube_lite.node.runtime import ContainerPhase, Mount, RuntimeFailure, Security
from tests.linux.fakes import PYTHON
from tests.linux.node import Node

pytestmark = [pytest.mark.anyio, pytest.mark.root]


@pytest.mark.parametrize("code", [0, 1, 7, 126, 255])
async def test_exit_code_is_exact(node: Node, code: int) -> None:
    ended = await node.sh(f"exit {code}")
    assert (ended.state.phase, ended.state.exit_code, ended.state.signal) == (ContainerPhase.EXITED, code, 0)
    assert ended.state.reason == ("Completed" if code == 0 else "Error")
    assert ended.state.started_at is not None
    assert ended.state.finished_at is not None
    assert ended.state.finished_at >= ended.state.started_at


async def test_death_by_signal_is_128_plus_its_number(node: Node) -> None:
    uid = await node.pod()
    state = await node.start(uid, ["sleep", "1000"])
    os.kill(state.pid, 9)  # from outside: the first process of a namespace cannot be killed from within
    ended = await node.ended(uid)
    await node.runtime.remove_pod(uid)
    assert (ended.state.exit_code, ended.state.signal, ended.state.reason) == (137, 9, "Error")


async def test_entrypoint_and_cmd_of_the_image(node: Node) -> None:
    assert (await node.run([], image="entry")).output == "entry cmd\n"
    assert (await node.run([], image="entry", args=["mine"])).output == "entry mine\n"
    assert (await node.run(["echo", "own"], image="entry")).output == "own\n"
    assert (await node.run(["echo"], image="entry", args=["a", "b"])).output == "a b\n"


async def test_nothing_to_run_is_refused(node: Node) -> None:
    with pytest.raises(RuntimeFailure, match="no command specified") as failure:
        await node.run([], image="nothing")
    assert failure.value.reason == "CreateContainerError"


async def test_environment_is_the_images_and_the_pods_only(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXECUTOR_SECRET", "leak")
    ended = await node.run(["env"], image="entry", env={"BOTH": "pod", "MULTI": "a=b c"})
    variables = dict(line.split("=", 1) for line in ended.output.splitlines())
    assert variables == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME": "pod",
        "HOME": "/root",
        "FROM": "image",
        "BOTH": "pod",
        "MULTI": "a=b c",
    }


async def test_working_directory_is_made(node: Node) -> None:
    assert (await node.run([], image="placed")).output == "/srv/made/here\n"
    assert (await node.run(["pwd"], working_dir="/tmp")).output == "/tmp\n"
    assert (await node.run(["pwd"], working_dir="/x/y", security=Security(read_only_root=True))).output == "/x/y\n"


@pytest.mark.parametrize(
    ("image", "security", "expected"),
    [
        ("host", Security(), "uid=0(root) gid=0(root) groups=0(root)"),
        ("web", Security(), "uid=33(web) gid=44(www) groups=44(www),50(staff)"),
        ("uid", Security(), "uid=1234 gid=4321 groups=4321"),
        ("host", Security(user=1000), "uid=1000 gid=0(root) groups=0(root)"),
        (
            "host",
            Security(user=1000, group=3000, supplemental_groups=(50, 7)),
            "uid=1000 gid=3000 groups=3000,7,50(staff)",
        ),
        ("web", Security(user=0), "uid=0(root) gid=0(root) groups=0(root)"),
    ],
)
async def test_user_and_groups(node: Node, image: str, security: Security, expected: str) -> None:
    assert (await node.run(["id"], image=image, security=security)).output.strip() == expected


async def test_unknown_image_user_is_refused(node: Node) -> None:
    with pytest.raises(RuntimeFailure, match="unable to find user ghost: no matching entries in passwd file"):
        await node.run([], image="ghost")


@pytest.mark.parametrize(
    ("image", "security", "message"),
    [
        ("host", Security(run_as_non_root=True), "container has runAsNonRoot and image will run as root"),
        ("web", Security(run_as_non_root=True), r"image has non-numeric user \(web\), cannot verify user is non-root"),
        ("uid", Security(run_as_non_root=True, user=0), "container's runAsUser breaks non-root policy"),
    ],
)
async def test_run_as_non_root_holds(node: Node, image: str, security: Security, message: str) -> None:
    with pytest.raises(RuntimeFailure, match=message) as failure:
        await node.run(["id"], image=image, security=security)
    assert failure.value.reason == "CreateContainerConfigError"


async def test_run_as_non_root_lets_others_run(node: Node) -> None:
    assert (await node.run(["id", "-u"], security=Security(run_as_non_root=True, user=5))).output == "5\n"
    assert (await node.run(["id", "-u"], image="uid", security=Security(run_as_non_root=True))).output == "1234\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("nosuch", 'exec: "nosuch": executable file not found in $PATH'),
        ("/nosuch", 'exec: "/nosuch": stat /nosuch: no such file or directory'),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied'),
        ("/etc", 'exec: "/etc": is a directory'),
    ],
)
async def test_command_that_cannot_be_executed(node: Node, command: str, message: str) -> None:
    uid = await node.pod()
    with pytest.raises(RuntimeFailure) as failure:
        await node.start(uid, [command])
    state = await node.state(uid)
    await node.runtime.remove_pod(uid)
    assert (failure.value.reason, failure.value.message) == ("RunContainerError", message)
    assert (state.phase, state.exit_code, state.reason, state.message) == ("exited", 128, "StartError", message)


async def test_file_that_is_no_program(node: Node, tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"\x00\x01\x02\x03")
    (tmp_path / "junk").chmod(0o755)
    with pytest.raises(RuntimeFailure, match="exec /junk/junk: exec format error"):
        await node.run(["/junk/junk"], mounts=[Mount(str(tmp_path), "/junk")])


async def test_mounts_are_bound_and_read_only_when_asked(node: Node, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/file").write_text("hello")
    (tmp_path / "out").mkdir()
    script = "cat /data/in/file; echo x > /data/out/new; echo y > /data/in/new || echo refused; cat /etc/one"
    ended = await node.sh(
        script,
        mounts=[
            Mount(str(tmp_path / "in"), "/data/in", read_only=True),
            Mount(str(tmp_path / "out"), "/data/out"),
            Mount(str(tmp_path / "in/file"), "/etc/one", read_only=True),
            Mount(str(tmp_path / "made"), "/data"),
        ],
    )
    assert "hello" in ended.output
    assert "refused" in ended.output
    assert ended.output.endswith("hello")
    assert (tmp_path / "out/new").read_text() == "x\n"
    assert not (tmp_path / "in/new").exists()


async def test_read_only_root(node: Node) -> None:
    security = Security(read_only_root=True)
    ended = await node.sh(
        "touch /x || echo root; touch /etc/hosts || echo hosts; touch /dev/shm/x && echo shm", security=security
    )
    assert [word for word in ended.output.split() if word in ("root", "hosts", "shm")] == ["root", "hosts", "shm"]


async def test_root_filesystem_is_writable_and_fresh(node: Node) -> None:
    assert (await node.sh("echo x > /usr2; cat /usr2; rm /srv -r; ls -d /srv")).output.startswith("x\n")
    assert "/srv" in (await node.sh("ls -d /srv /usr2")).output


async def test_no_descriptor_is_inherited(node: Node) -> None:
    ended = await node.python("import os; print(sorted(int(f) for f in os.listdir('/proc/self/fd')))")
    assert ended.output == "[0, 1, 2, 3]\n"  # 3 is the listing itself


async def test_termination_message_is_the_end_of_the_file(node: Node) -> None:
    assert (await node.sh("echo -n why > /dev/termination-log; exit 3")).state.message == "why"
    long = await node.sh("printf '%5000s' end > /tmp/why", termination_message_path="/tmp/why")
    assert len(long.state.message) == 4096
    assert long.state.message.endswith("end")
    link = await node.sh("rm -f /dev/termination-log; ln -sf /etc/shadow /dev/termination-log")
    assert link.state.message == ""


async def test_stdin_is_empty_unless_asked(node: Node) -> None:
    assert (await node.sh("cat; echo done")).output == "done\n"
    uid = await node.pod()
    await node.start(uid, ["sh", "-c", "echo waiting; cat; echo done"], stdin=True)
    await node.logged(uid, "waiting")
    assert (await node.state(uid)).phase == ContainerPhase.RUNNING
    await node.runtime.remove_pod(uid)


async def test_program_starts_with_default_signal_handling(node: Node) -> None:
    ended = await node.sh("cat /proc/self/status | grep -E 'Sig(Ign|Blk|Cgt)' | cut -f2 | sort -u")
    assert ended.output == "0000000000000000\n"


async def test_starting_twice_is_one_start(node: Node) -> None:
    uid = await node.pod()
    first = await node.start(uid, ["sleep", "1000"])
    second = await node.start(uid, ["sleep", "1000"])
    await node.runtime.remove_pod(uid)
    assert first == second


async def test_python_of_the_image_runs(node: Node) -> None:
    assert (await node.python("import ssl, json, sys; print(sys.executable)")).output.strip() == PYTHON


@pytest.mark.parametrize("user", [None, 1000])
async def test_terminal_is_the_containers_own(node: Node, user: int | None) -> None:
    script = (
        "tty; test -t 0 && test -t 1 && test -t 2 && echo all; echo $TERM; stty -F /dev/tty > /dev/null && echo own"
    )
    ended = await node.sh(script, tty=True, security=Security(user=user))
    assert ended.output.replace("\r", "") == "/dev/pts/0\nall\nxterm\nown\n"
    assert ended.state.exit_code == 0


async def test_shell_on_a_terminal_waits_for_input(node: Node) -> None:
    uid = await node.pod()
    await node.start(uid, ["sh", "-c", "echo up; read line"], tty=True)
    await node.logged(uid, "up")
    assert (await node.state(uid)).phase == ContainerPhase.RUNNING
    await node.runtime.remove_pod(uid)


async def test_any_user_may_open_its_standard_streams_by_name(node: Node) -> None:
    """As images do whose log files are links to /dev/stdout and /dev/stderr."""
    script = "echo out > /dev/stdout; echo err > /dev/stderr; exec 3< /dev/stdin; echo $?"
    ended = await node.sh(script, security=Security(user=1234))
    assert sorted(ended.output.splitlines()) == ["0", "err", "out"]
