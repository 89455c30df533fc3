"""The built-in image: run in a root of its own, seen from inside."""

from __future__ import annotations

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kube_lite.node.linux.images.builtin import BuiltinImage
from kube_lite.node.linux.spec import Rootfs
from tests.linux.network.namespaces import needs_root

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root(), reason="needs root")]


def run_in(rootfs: Rootfs, scratch: Path, user: int, *command: str) -> str:
    """Run a command chrooted into the image, mounted in a private mount namespace; returns its output."""
    for name in ("upper", "work", "merged"):
        (scratch / name).mkdir(exist_ok=True)
    merged = scratch / "merged"
    lower = ":".join(rootfs.layers)
    options = f"lowerdir={lower},upperdir={scratch}/upper,workdir={scratch}/work"
    lines = ["set -e", f"mount -t overlay overlay -o {options} {merged}"]
    for bind in rootfs.binds:
        lines.append(f"mount --bind {bind.host_path} {merged}{bind.container_path}")
        lines.append(f"mount -o remount,bind,ro {merged}{bind.container_path}")
    lines.append(f'exec chroot --userspec={user}:{user} {merged} "$@"')
    environment = dict(rootfs.config.env)
    script = ["unshare", "--mount", "/bin/sh", "-c", "\n".join(lines), "sh", "/usr/bin/env", "-i"]
    script += [f"{key}={value}" for key, value in environment.items()]
    done = subprocess.run([*script, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("user", [0, 1000])
def test_its_python_runs_for_anybody_with_its_standard_library(tmp_path: Path, user: int) -> None:
    tmp_path.chmod(0o755)
    image = BuiltinImage(tmp_path / "builtin")
    image.ensure()
    program = "import ssl, sqlite3, http.server, json, sys; print(json.dumps(sys.version_info[:2]))"
    seen = run_in(image.rootfs(), tmp_path, user, "python3", "-c", program)
    assert json.loads(seen) >= [3, 11]


def test_nothing_of_the_host_but_usr_and_the_interpreter_is_visible(tmp_path: Path) -> None:
    image = BuiltinImage(tmp_path / "builtin")
    image.ensure()
    places = "('/', '/etc', '/root', '/home', '/var')"
    program = f"import os, json; print(json.dumps({{d: sorted(os.listdir(d)) for d in {places}}}))"
    seen = json.loads(run_in(image.rootfs(), tmp_path, 0, "python3", "-c", program))
    assert set(seen["/etc"]) == {"passwd", "group", "nsswitch.conf", "ld.so.cache"}
    assert set(seen["/root"]) <= {".pyenv", ".local"}
    assert seen["/home"] == []
    assert seen["/var"] == ["log", "tmp"]
    assert "work" not in seen["/"]


def test_the_hosts_usr_cannot_be_written(tmp_path: Path) -> None:
    image = BuiltinImage(tmp_path / "builtin")
    image.ensure()
    program = "try: open('/usr/kl-test', 'w')\nexcept OSError as error: print(error.strerror)"
    assert "Read-only" in run_in(image.rootfs(), tmp_path, 0, "python3", "-c", program)


def test_its_id_stays_and_building_twice_is_no_error(tmp_path: Path) -> None:
    first, second = BuiltinImage(tmp_path / "a"), BuiltinImage(tmp_path / "b")
    first.ensure()
    first.ensure()
    assert first.image_id == second.image_id
    assert first.image_id.startswith("sha256:")
    assert first.rootfs().config.cmd == ("python3",)


def test_the_first_pods_of_a_node_may_ask_for_it_at_the_same_moment(tmp_path: Path) -> None:
    for attempt in range(20):
        image = BuiltinImage(tmp_path / f"builtin-{attempt}")
        together = threading.Barrier(8)

        def ask(image: BuiltinImage = image, together: threading.Barrier = together) -> None:
            together.wait()
            image.ensure()

        with ThreadPoolExecutor(8) as threads:
            for asked in [threads.submit(ask) for _ in range(8)]:
                asked.result()
        assert (Path(image.rootfs().layers[0]) / "etc/passwd").exists()
        assert len(list((tmp_path / f"builtin-{attempt}").iterdir())) == 1


def test_what_a_crash_left_half_built_is_swept(tmp_path: Path) -> None:
    image = BuiltinImage(tmp_path)
    left = Path(f"{image.rootfs().layers[0]}.new-crashed")
    left.mkdir()
    image.sweep()
    assert not left.exists()
