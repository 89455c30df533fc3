"""Volumes in memory on the real kernel."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kube_lite.node.linux.tmpfs import TmpfsMounter

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


def test_a_tmpfs_holds_no_more_than_its_size_and_is_mounted_once(tmp_path: Path) -> None:
    mounter, path = TmpfsMounter(tmp_path), tmp_path / "pod" / "with space and ü"
    try:
        mounter.mount(path, 1 << 20)
        (path / "kept").write_text("x")
        mounter.mount(path, 1 << 20)
        assert (path / "kept").read_text() == "x"
        with pytest.raises(OSError, match="No space left") as refused:
            (path / "large").write_bytes(bytes(2 << 20))
        assert refused.value.errno == errno.ENOSPC
        mounter.unmount(path)
        assert not os.path.ismount(path)
        assert list(path.iterdir()) == []
        mounter.unmount(path)
        mounter.mount(path, None)
    finally:
        mounter.unmount_all()
    assert not os.path.ismount(path)
