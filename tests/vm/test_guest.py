"""The parts of the guest that need no qemu."""

from __future__ import annotations

from pathlib import Path

from tests.vm.guest import cpio, load_order


def test_archive_has_the_kernels_format() -> None:
    archive = cpio([("dir", 0o40755, b""), ("dir/file", 0o100644, b"12345")])
    assert archive.startswith(b"070701" + b"00000001" + b"000041ED")
    assert len(archive) % 4 == 0
    assert archive.index(b"dir/file\0") % 4 == 110 % 4
    assert b"12345\0\0\0" + b"070701" in archive
    assert b"TRAILER!!!\0" in archive


def test_modules_come_after_those_they_depend_on(tmp_path: Path) -> None:
    for name, needed in (("overlay", ""), ("9p", "9pnet,netfs"), ("9pnet", ""), ("netfs", ""), ("unwanted", "")):
        (tmp_path / f"{name}.ko").write_bytes(b"\x7fELF\0license=GPL\0depends=" + needed.encode() + b"\0name=x\0")
    names = [path.stem for path in load_order(tmp_path)]
    assert names == ["9pnet", "netfs", "9p", "overlay"]
