"""Layers without their parents' entries, stacked by the kernel as their builder meant them."""

from __future__ import annotations

import io
import os
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from kube_lite.node.linux.images.layers import LayerStore, Workspace
from kube_lite.node.linux.images.stacking import Merged
from kube_lite.node.linux.images.tar import ArchiveError
from tests.linux.images.hostile import DIR, END, LINK, member
from tests.linux.images.registry import digest_of
from tests.linux.network.namespaces import needs_root

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root(), reason="needs root")]


def stacked(directory: Path, *archives: bytes) -> list[str]:
    """The paths of the layers to mount, top first."""
    store = LayerStore(directory / "layers", Workspace(directory / "work"))
    names = []
    for archive in archives:
        names.append(digest_of(archive + END))
        store.add(names[-1], io.BytesIO(archive + END))
    paths = []
    for name in reversed(store.stack(names)):
        layer = store.get(name)
        assert layer is not None
        paths.append(layer.path)
    assert store.stack(names) == store.stack(names)
    return paths


def shown(paths: Sequence[str], directory: Path, script: str) -> str:
    """What a shell prints inside the overlay of these layers, seen from outside its root."""
    merged = directory / "merged"
    merged.mkdir(exist_ok=True)
    lower = ":".join([*paths, *([str(directory / "layers")] if len(paths) == 1 else [])])
    mount = f"mount -t overlay overlay -o lowerdir={lower} {merged} && cd {merged} && {script}"
    done = subprocess.run(["unshare", "--mount", "sh", "-c", mount], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


MERGED_USR = member(b"usr/lib", DIR) + member(b"usr/lib/old", content=b"o") + member(b"lib", LINK, b"usr/lib")


def test_a_file_put_below_a_linked_directory_lands_at_the_links_target(tmp_path: Path) -> None:
    top = member(b"lib/x/new", content=b"n") + member(b"lib/.wh.old")
    paths = stacked(tmp_path, MERGED_USR, top)
    assert len(paths) == 3
    seen = shown(paths, tmp_path, "readlink lib; cat usr/lib/x/new lib/x/new; ls usr/lib")
    assert seen.split() == ["usr/lib", "nnx"]


def test_links_on_the_way_are_followed_inside_the_image(tmp_path: Path) -> None:
    base = MERGED_USR + member(b"usr/lib/x", LINK, b"/../opt/./y") + member(b"opt/y", DIR, mode=b"0000700\0")
    paths = stacked(tmp_path, base, member(b"lib/x/new", content=b"n"))
    assert shown(paths, tmp_path, "cat opt/y/new; readlink usr/lib/x; stat -c %a opt/y").split() == [
        "n/../opt/./y",
        "700",
    ]


def test_an_implied_directory_keeps_the_mode_that_it_has_below(tmp_path: Path) -> None:
    base = member(b"tmp", DIR, mode=b"0001777\0") + member(b"srv", DIR, mode=b"0000750\0", uid=b"0000007\0")
    paths = stacked(tmp_path, base, member(b"tmp/a") + member(b"srv/b/c"))
    assert shown(paths, tmp_path, "stat -c %a:%u tmp srv srv/b; ls tmp srv/b").split() == [
        "1777:0",
        "750:7",
        "755:0",
        "srv/b:",
        "c",
        "tmp:",
        "a",
    ]


def test_layers_that_name_their_parents_or_imply_ordinary_ones_need_no_patch(tmp_path: Path) -> None:
    base = member(b"tmp", DIR, mode=b"0001777\0") + member(b"usr", DIR)
    top = member(b"tmp", DIR, mode=b"0000700\0") + member(b"tmp/a") + member(b"usr/b/c") + member(b"new/d")
    assert len(stacked(tmp_path, base, top)) == 2


def test_what_is_removed_below_does_not_count(tmp_path: Path) -> None:
    paths = stacked(tmp_path, MERGED_USR, member(b".wh.lib"), member(b"lib/a", content=b"1"))
    assert len(paths) == 3
    assert shown(paths, tmp_path, "cat lib/a; ls usr/lib").split() == ["1old"]


def test_links_out_of_the_image_stay_inside_and_loops_end(tmp_path: Path) -> None:
    base = member(b"out", LINK, b"../../../../tmp/kl-test-never") + member(b"loop", LINK, b"loop")
    paths = stacked(tmp_path, base, member(b"out/file", content=b"1"))
    assert os.path.exists(f"{paths[0]}/tmp/kl-test-never/file")
    assert not os.path.exists("/tmp/kl-test-never")
    assert stat.S_ISLNK(os.lstat(f"{paths[0]}/out").st_mode)
    with pytest.raises(ArchiveError, match="too many links"):
        Merged(paths).resolve("loop/x")
