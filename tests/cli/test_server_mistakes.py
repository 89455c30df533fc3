"""``server``, ``up`` and ``node`` called wrongly: one line that names the flag or the file and says what to do."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from kube_lite.api.certs import Authority
from kube_lite.controllers.base import discover
from kube_lite.store.sqlite import open_sqlite
from tests.cli.conftest import ROOT

DAMAGED = "is damaged: put a backup in its place; or remove it, and a new one is made"
DAMAGED_CA = (
    "is damaged: put a backup in its place; or remove DIR/ca.crt and ca.key, and a new CA is made, which every "
)
DAMAGED_CA += "node must join again"


def started(*words: str) -> tuple[int, str]:
    """Exit code and what it said of a command that should not start."""
    done = subprocess.run(
        [sys.executable, "-m", "kube_lite", *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield int(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--listen 127.0.0.1:TAKEN", "--listen 127.0.0.1:TAKEN: something listens there already; stop it, or choose "
         "another port (0 takes a free one)"),
        ("--listen 192.0.2.1:0", "--listen 192.0.2.1:0: this machine has no such address; 0.0.0.0 stands for all that "
         "it has"),
        ("--listen no-such-host.invalid:0", "--listen no-such-host.invalid:0: no such host name; an address of this "
         "machine is wanted, such as 127.0.0.1"),
        ("--listen 127.0.0.1", "--listen 127.0.0.1: want HOST:PORT, such as 127.0.0.1:6443"),
        ("--data-dir=", "--data-dir is empty: want a directory, such as /var/lib/kube-lite"),
        ("--data-dir /etc/passwd", "--data-dir /etc/passwd: there is a file of this name; choose a directory that you "
         "may write to"),
        ("--data-dir /etc/passwd/x", "--data-dir /etc/passwd/x: Not a directory; choose a directory that you may "
         "write to"),
        ("--data-dir /proc/x", "--data-dir /proc/x: No such file or directory; choose a directory that you may write "
         "to"),
        ("--controllers nosuch", "--controllers: 'nosuch' is not in the list of known controllers: KNOWN"),
        ("--token-auth-file DIR/none", "--token-auth-file DIR/none: No such file or directory"),
        ("--token-auth-file DIR", "--token-auth-file DIR: Is a directory"),
        ("--service-cluster-ip-range 10.96.0.0", "--service-cluster-ip-range 10.96.0.0/32: want at least 8 addresses "
         "(/29)"),
        ("--cluster-cidr 10.244.0.0/25", "--cluster-cidr 10.244.0.0/25: want a /24 at least: each node gets one of "
         "them"),
        ("--cluster-cidr 10.100.0.0/16", "--cluster-cidr 10.100.0.0/16 and --service-cluster-ip-range 10.96.0.0/12 "
         "overlap: choose others"),
    ],
)  # fmt: skip
def test_a_wrong_flag_of_the_server_is_named(tmp_path: Path, taken: int, words: str, told: str) -> None:
    def filled(text: str) -> str:
        known = ", ".join(discover())
        return text.replace("TAKEN", str(taken)).replace("DIR", str(tmp_path)).replace("KNOWN", known)

    defaults = ["--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data")]
    assert started("server", *defaults, *filled(words).split()) == (1, f"error: {filled(told)}\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--insecure-registry http://r/", "--insecure-registry http://r/: want HOST[:PORT], such as "
         "registry.local:5000"),
        ("--registry-mirror docker.io", "--registry-mirror docker.io: want REGISTRY=URL, such as "
         "docker.io=http://127.0.0.1:5000"),
        ("--node-name Bad_1", "--node-name Bad_1: a node name has lower-case letters, digits, '-' and '.', such as "
         "node-1"),
    ],
)  # fmt: skip
def test_a_wrong_flag_of_the_node_is_named_before_anything_starts(tmp_path: Path, words: str, told: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root for a real node")
    assert started("up", "--data-dir", str(tmp_path / "data"), *words.split()) == (1, f"error: {told}\n")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--name Bad_1", "--name Bad_1: a node name has lower-case letters, digits, '-' and '.', such as node-1"),
        (f"--name {'n' * 64}", f"--name {'n' * 64}: a node name has at most 63 characters, not 64"),
        ("--address here", "--address here: want an IP address, such as 10.0.0.2"),
        ("--server http://127.0.0.1:1", "--server http://127.0.0.1:1: want a URL such as https://10.0.0.1:6443"),
        ("--server https://127.0.0.1:x", "--server https://127.0.0.1:x: want a URL such as https://10.0.0.1:6443"),
        ("--server https://[::1", "--server https://[::1: want a URL such as https://10.0.0.1:6443"),
        ("--token-file DIR/none", "cannot read the node token DIR/none: No such file or directory; the server writes "
         "DIR/node.token"),
        ("--token-file /bin/true", "/bin/true holds no node token (K10<hash>::node:<secret>); copy the server's "
         "DIR/node.token"),
        ("", "this node has not joined yet: give --token-file, a copy of the server's DIR/node.token"),
    ],
)  # fmt: skip
def test_a_node_that_cannot_join_says_why(tmp_path: Path, words: str, told: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root for a real node")
    given = words.replace("DIR", str(tmp_path)).split()
    defaults = [
        "--server",
        "https://127.0.0.1:1",
        "--name",
        tmp_path.name.replace("_", "-"),
        "--data-dir",
        f"{tmp_path}/n",
    ]
    told = told.replace("DIR/none", f"{tmp_path}/none")
    assert started("node", *defaults, *given) == (1, f"error: {told}\n")


def test_a_node_whose_membership_is_damaged_says_so(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root for a real node")
    (tmp_path / "membership.json").write_text('{"name": "n')
    words = ["--server", "https://127.0.0.1:1", "--name", tmp_path.name.replace("_", "-"), "--data-dir", str(tmp_path)]
    told = f"{tmp_path}/membership.json is damaged: remove it, and join again with --token-file"
    assert started("node", *words) == (1, f"error: {told}\n")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xff,a,b\n", "not a file of comma-separated text"),
        (b"x" * 200_000, "not a file of comma-separated text"),
        (b"a,b\n", ""),
    ],
)
def test_a_token_file_that_is_none_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "tokens.csv"
    file.write_bytes(content)
    code, said = started(
        "server", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"), "--token-auth-file", str(file)
    )
    assert code == 1
    assert said.startswith(
        f"error: --token-auth-file {file}: {told}" if told else f"error: {file}, line 1: want token,"
    )
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ca.crt", DAMAGED_CA),
        ("ca.key", DAMAGED_CA),
        ("service-account.key", DAMAGED),
        ("front-proxy/ca.crt", DAMAGED_CA),
    ],
)
def test_a_damaged_key_or_certificate_is_named(tmp_path: Path, name: str, told: str) -> None:
    pki = tmp_path / "data" / "pki"
    Authority(pki)
    Authority(pki / "front-proxy")
    (pki / name).write_text("junk")
    code, said = started("server", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    assert (code, said) == (1, f"error: {pki / name} {told.replace('DIR', str((pki / name).parent))}\n")


def test_a_damaged_store_is_named_and_nothing_else_is_said(tmp_path: Path) -> None:
    database = tmp_path / "data" / "kube-lite.db"

    async def fill() -> None:
        async with open_sqlite(database) as store:
            for number in range(600):  # more than is read at a time
                await store.write(f"/registry/core/configmaps/a/{number}", 0, lambda revision: b"value-%d" % revision)

    anyio.run(fill)
    content = bytearray(database.read_bytes())
    content[content.index(b"value-") + 1] ^= 1
    database.write_bytes(content)
    code, said = started("server", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    assert code == 1
    assert said.startswith(f"error: {database}: the row of ")
    assert said.count("\n") == 1


def test_a_directory_of_somebody_else_is_pointed_out(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give a directory away")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, -1)
    code, said = started("server", "--listen", "192.0.2.1:0", "--data-dir", str(theirs))
    assert code == 1
    assert f"--data-dir {theirs} belongs to user id 65534, who can change all that is kept in it" in said
