"""``kube-lite image``: in the directory of the node that is meant, and what is wrong is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kube_lite.cli.image_command import images_in_use, node_directory
from kube_lite.cli.main import main
from tests.cli.conftest import ROOT


def test_the_node_of_up_has_its_images_one_level_below(tmp_path: Path) -> None:
    assert node_directory(tmp_path) == tmp_path / "node"  # unused, as up will use it
    (tmp_path / "kube-lite.db").touch()
    (tmp_path / "node").mkdir()
    assert node_directory(tmp_path) == tmp_path / "node"
    for sign in ("membership.json", "images", "pods"):
        own = tmp_path / sign / "of"
        own.mkdir(parents=True)
        (own / sign).touch()
        assert node_directory(own) == own


def test_what_containers_were_made_from_is_in_use(tmp_path: Path) -> None:
    for number, image in enumerate(("sha256:b", "sha256:a", "sha256:b")):
        records = tmp_path / "pods" / f"uid-{number}" / "records"
        records.mkdir(parents=True)
        (records / "c.0.json").write_text(json.dumps({"image_id": image}))
    (tmp_path / "pods" / "uid-0" / "records" / "d.0.json").write_text("{")  # cut short by a crash
    assert images_in_use(tmp_path) == ["sha256:a", "sha256:b"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("ls nginx", "image ls shows all images and takes no names: nginx"),
        ("pull", "image pull: want an image, such as nginx:1.27"),
        ("import", "image import: want an archive, such as app.tar"),
        ("import DIR/none.tar", 'the path "DIR/none.tar" does not exist'),
        ("rm kube-lite.local/python", "kube-lite.local/python is built in: it is made of this machine's own Python and "
         "takes no room"),
        ("rm nosuch", "no such image: nosuch"),
        ("pull nginx --registry-mirror x", "--registry-mirror x: want REGISTRY=URL, such as "
         "docker.io=http://127.0.0.1:5000"),
        ("pull nginx --insecure-registry http://r", "--insecure-registry http://r: want HOST[:PORT], such as "
         "registry.local:5000"),
        ("pull nginx --data-dir=/etc/passwd", "--data-dir /etc/passwd/node: Not a directory; choose a directory that "
         "you may write to"),
        ("ls --data-dir=", "--data-dir is empty: want a directory, such as /var/lib/kube-lite"),
        ("ls --data-dir=DIR/none", "no node keeps images in DIR/none; name its directory with --data-dir"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, told: str) -> None:
    (tmp_path / "node").mkdir()
    given = words.replace("DIR", str(tmp_path)).split()
    assert main(["image", "--data-dir", str(tmp_path), *given]) == 1
    assert capsys.readouterr().err == f"error: {told.replace('DIR', str(tmp_path))}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else for once")
def test_the_images_of_another_user_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    tmp_path.chmod(0o700)
    script = (
        f"import os; os.setgid(65534); os.setuid(65534); from kube_lite.cli.main import main; main({['image', 'ls']}"
    )
    script += f" + ['--data-dir', {str(tmp_path)!r}])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    whose = "the images are those of the user who runs the node, mostly root"
    assert done.stderr == f"error: {tmp_path}/membership.json: permission denied; {whose}\n"
