"""Names are looked up in the container's files, which may be hostile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube_lite.node.linux.users import Identity, resolve


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(
        "root:x:0:0::/root:\nweb:x:33:44::/srv:\nbroken:x:abc:1::/:\n1001:x:7:7::/seven:\n"
    )
    (tmp_path / "etc/group").write_text("www:x:44:\nstaff:x:50:web,other\nops:x:51:other\nbad:x:no:web\n")
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", Identity(0, 0, (), "/root")),
        ("web", Identity(33, 44, (50,), "/srv")),
        ("33", Identity(33, 44, (50,), "/srv")),
        ("web:staff", Identity(33, 50, (50,), "/srv")),
        ("web:9", Identity(33, 9, (50,), "/srv")),
        ("4711", Identity(4711, 0, (), "/")),
        ("4711:12", Identity(4711, 12, (), "/")),
        ("1001", Identity(7, 7, (), "/seven")),
    ],
)
def test_resolves(root: int, user: str, expected: Identity) -> None:
    assert resolve(root, user) == expected


@pytest.mark.parametrize("user", ["ghost", "broken", "web:ghosts"])
def test_unknown_names_are_refused(root: int, user: str) -> None:
    with pytest.raises(LookupError, match="unable to find"):
        resolve(root, user)


def test_extra_groups_come_once(root: int) -> None:
    assert resolve(root, "web", (50, 60, 60)).groups == (50, 60)


def test_passwd_that_links_to_the_hosts_is_read_inside(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").symlink_to("/etc/passwd")
    fd = os.open(tmp_path, os.O_PATH)
    try:
        with pytest.raises(LookupError):
            resolve(fd, "daemon")
    finally:
        os.close(fd)


def test_pipe_or_directory_instead_of_a_file_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc/passwd")
    (tmp_path / "etc/group").mkdir()
    fd = os.open(tmp_path, os.O_PATH)
    try:
        assert resolve(fd, "5:6") == Identity(5, 6, (), "/")
    finally:
        os.close(fd)
