"""Unpacking: what honest archives become, and that hostile ones touch nothing outside the root."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from kube_lite.node.linux.images.layers import LayerStore, LayerStream, Workspace, delete_directory
from kube_lite.node.linux.images.tar import ArchiveError, TarReader
from kube_lite.node.linux.images.unpack import Unpacked, Unpacker
from tests.linux.images import hostile
from tests.linux.images.hostile import DIR, END, FIFO, HARD, LINK, extension, member, record
from tests.linux.images.registry import compressed, digest_of, tar_of
from tests.linux.network.namespaces import needs_root

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root(), reason="needs root")]


def unpack(target: Path, archive: bytes, max_bytes: int = 1 << 20, max_headers: int = 5000) -> Unpacked:
    with Unpacker(str(target), max_bytes) as unpacker:
        return unpacker.unpack(TarReader(io.BytesIO(archive), max_headers))


def portrait(tree: Path) -> Mapping[str, object]:
    """Everything about a tree that an intruder could have changed."""
    seen = {}
    for path in [tree, *sorted(tree.rglob("*"))]:
        found = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(found.st_mode) else b""
        attributes = os.listxattr(path, follow_symlinks=False)
        facts = (found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns, found.st_nlink, found.st_ino)
        seen[str(path)] = (*facts, content, attributes)
    return seen


def devices(tree: Path) -> Iterator[int]:
    """The numbers of all devices in a tree, as far down as a path can say."""
    pending = [str(tree)]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:  # some are deeper than PATH_MAX
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    pending.append(entry.path)
                elif stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
                    yield found.st_rdev


OUTSIDE = Path(f"/tmp/kl-test-outside-{os.getpid()}")
CASES = hostile.cases(bytes(OUTSIDE / "x" / "outside"))


def test_there_are_hundreds_of_cases() -> None:
    assert len(CASES) >= 300


@pytest.mark.parametrize("label", CASES)
def test_a_hostile_archive_touches_nothing_outside(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    delete_directory(OUTSIDE)
    outside, root = OUTSIDE / "x" / "outside", OUTSIDE / "x" / "root"
    try:
        (outside / "sub").mkdir(parents=True)
        (outside / "secret").write_bytes(b"untouched")
        root.mkdir()
        monkeypatch.chdir(outside)
        before = portrait(outside)
        beside = sorted(os.listdir(OUTSIDE / "x"))
        descriptors = len(os.listdir("/proc/self/fd"))
        with contextlib.suppress(ArchiveError):
            unpack(root, CASES[label])
        assert portrait(outside) == before
        assert sorted(os.listdir(OUTSIDE / "x")) == beside
        assert len(os.listdir("/proc/self/fd")) == descriptors
        assert all(rdev == 0 for rdev in devices(root))
    finally:
        delete_directory(OUTSIDE)


def test_links_are_followed_inside_the_root(tmp_path: Path) -> None:
    archive = member(b"usr/lib", DIR) + member(b"lib", LINK, b"/usr/lib") + member(b"lib/a", content=b"1")
    archive += member(b"up", LINK, b"../../usr") + member(b"up/lib/b", content=b"2")
    unpack(tmp_path, archive + END)
    assert sorted(os.listdir(tmp_path / "usr/lib")) == ["a", "b"]
    assert os.readlink(tmp_path / "lib") == "/usr/lib"


def test_a_directory_replaced_by_a_link_is_not_written_to_any_more(tmp_path: Path) -> None:
    archive = member(b"d", DIR) + member(b"d/a", content=b"1") + member(b"e", DIR) + member(b"d", LINK, b"e")
    unpack(tmp_path, archive + member(b"d/b", content=b"2") + END)
    assert os.listdir(tmp_path / "e") == ["b"]


def test_owners_modes_times_and_attributes_are_kept(tmp_path: Path) -> None:
    more = {"uid": b"0001750\0", "gid": b"0001751\0", "mtime": b"00000001750\0"}
    archive = member(b"./", DIR, mode=b"0000711\0") + member(b"d", DIR, mode=b"0002750\0", **more)
    attribute = record(b"SCHILY.xattr.user.note", b"hello") + record(b"SCHILY.xattr.trusted.overlay.redirect", b"/x")
    archive += extension(b"x", attribute + record(b"mtime", b"1700000000.5"))
    archive += member(b"d/f", content=b"x", mode=b"0004755\0", **more) + member(b"d/l", LINK, b"f", **more)
    archive += member(b"d/h", HARD, b"d/f") + member(b"d/p", FIFO)
    unpack(tmp_path, archive + END)
    file, directory, link = (os.lstat(tmp_path / name) for name in ("d/f", "d", "d/l"))
    assert (file.st_uid, file.st_gid, stat.S_IMODE(file.st_mode), file.st_mtime) == (1000, 1001, 0o4755, 1700000000.5)
    assert (directory.st_uid, stat.S_IMODE(directory.st_mode), directory.st_mtime) == (1000, 0o2750, 1000)
    assert (link.st_gid, link.st_mtime) == (1001, 1000)
    assert os.lstat(tmp_path / "d/h").st_ino == file.st_ino
    assert stat.S_ISFIFO(os.lstat(tmp_path / "d/p").st_mode)
    assert os.listxattr(tmp_path / "d/f") == ["user.note"]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o711


def test_what_a_layer_removes_and_makes_anew_hides_what_was_below(tmp_path: Path) -> None:
    archive = member(b".wh.d") + member(b"d", DIR) + member(b"d/new") + member(b"e/f") + member(b".wh.e")
    archive += member(b"g", content=b"new") + member(b".wh.g") + member(b".wh.h") + member(b"h", content=b"x")
    unpack(tmp_path, archive + END)
    for name in ("d", "e"):
        assert os.getxattr(tmp_path / name, "trusted.overlay.opaque") == b"y"
    assert (tmp_path / "g").read_bytes() == b"new"
    assert (tmp_path / "h").read_bytes() == b"x"


def test_devices_are_left_out_and_named(tmp_path: Path) -> None:
    result = unpack(tmp_path, member(b"dev", DIR) + member(b"dev/null", b"3") + END)
    assert result.skipped == ["dev/null"]
    assert os.listdir(tmp_path / "dev") == []


def test_a_whole_root_made_opaque_hides_all_layers_below(tmp_path: Path) -> None:
    assert unpack(tmp_path, member(b".wh..wh..opq") + END).opaque_root


def test_gnu_and_base_256_numbers_are_read(tmp_path: Path) -> None:
    long = b"d/" + b"n" * 180
    archive = extension(b"L", long + b"\0") + member(b"cut", content=b"x", uid=b"\x80\0\0\0\0\x01\0\0")
    unpack(tmp_path, archive + END)
    assert os.lstat(tmp_path / os.fsdecode(long)).st_uid == 65536


@pytest.mark.parametrize("limits", [{"max_bytes": 999}, {"max_headers": 3}])
def test_bounds_hold(tmp_path: Path, limits: dict[str, int]) -> None:
    with pytest.raises(ArchiveError, match="more than"):
        unpack(tmp_path, member(b"f", content=b"x" * 500) * 4 + END, **limits)


@pytest.mark.parametrize("pack", ["gzip", "zstd"])
def test_a_decompression_bomb_ends_at_the_bound(tmp_path: Path, pack: str) -> None:
    plain = member(b"zeros", content=bytes(64 << 20)) + END
    packed = compressed(plain, pack)
    store = LayerStore(tmp_path / "layers", Workspace(tmp_path / "work"), max_bytes=1 << 20)
    with pytest.raises(ArchiveError, match="more than 1048576 bytes"):
        store.add(digest_of(plain), io.BytesIO(packed))
    assert os.listdir(tmp_path / "layers") == []
    tail = member(b"small") + END + bytes(64 << 20)
    with pytest.raises(ArchiveError, match="too large"):
        store.add(digest_of(tail), io.BytesIO(gzip.compress(tail, 1)))


@pytest.mark.parametrize("pack", ["gzip", "zstd", "none"])
@pytest.mark.parametrize("cut", [0, 1, 30, 300])
def test_a_truncated_layer_is_refused_and_leaves_nothing(tmp_path: Path, pack: str, cut: int) -> None:
    plain = tar_of({"f": os.urandom(5000)})
    packed = compressed(plain, pack)
    store = LayerStore(tmp_path / "layers", Workspace(tmp_path / "work"))
    with pytest.raises(ArchiveError):
        store.add(digest_of(plain), io.BytesIO(packed[:cut]))
    assert os.listdir(tmp_path / "layers") == []
    store.add(digest_of(plain), io.BytesIO(packed))


def test_a_layer_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    store = LayerStore(tmp_path / "layers", Workspace(tmp_path / "work"))
    with pytest.raises(ArchiveError, match="uncompressed digest"):
        store.add(digest_of(b"other"), io.BytesIO(tar_of({"f": b"x"})))


def test_several_gzip_members_and_padding_are_one_stream() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two") + bytes(100)
    stream = LayerStream(io.BytesIO(packed), 1 << 20)
    assert stream.read(100) == b"one two"
    assert stream.finish() == digest_of(b"one two")


def test_what_a_crashed_process_left_is_swept_and_a_living_ones_is_not(tmp_path: Path) -> None:
    living = Workspace(tmp_path / "work")
    (living.path / "mine").mkdir()
    crashed = tmp_path / "work" / "0123456789abcdef"
    (crashed / "deep").mkdir(parents=True)
    (tmp_path / "work" / "0123456789abcdef.lock").touch()
    second = Workspace(tmp_path / "work")
    assert not crashed.exists()
    assert (living.path / "mine").exists()
    for workspace in (living, second):
        workspace.close()
    assert os.listdir(tmp_path / "work") == []
