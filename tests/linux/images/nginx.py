"""An nginx image assembled from Debian's packages, for tests that want a real program from a registry.

``apt-get --download-only`` against an empty package state fetches nginx with all that it needs; the packages are
extracted into one layer. Maintainer scripts do not run, so what they would make is made here.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

from tests.linux.images.registry import Image, push

PAGE = b"<!DOCTYPE html>\n<html><head><title>Welcome to nginx!</title></head><body>Welcome to nginx!</body></html>\n"

_FILES = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
    b"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": b"root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n",
    "etc/nginx/nginx.conf": b"user www-data;\nworker_processes 1;\npid /run/nginx.pid;\nerror_log /dev/stderr notice;\n"
    b"events { worker_connections 64; }\n"
    b"http {\n  include /etc/nginx/mime.types;\n  access_log /dev/stdout;\n"
    b"  server { listen 80 default_server; root /var/www/html; index index.html; }\n}\n",
    "var/www/html/index.html": PAGE,
}
_DIRECTORIES = ("run", "tmp", "proc", "sys", "dev", "var/log/nginx", "var/lib/nginx")
_UNWANTED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/perl")


def download(directory: Path) -> list[Path]:
    """Fetch nginx, a shell and all that they need as .deb files, as if nothing were installed."""
    state, cache = directory / "state", directory / "cache"
    (cache / "partial").mkdir(parents=True, exist_ok=True)
    state.mkdir(exist_ok=True)
    status = state / "status"
    status.touch()
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "--download-only"]
    command += ["-o", f"Dir::State::status={status}", "-o", f"Dir::Cache::archives={cache}", "-o", "Debug::NoLocking=1"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*command, "nginx", "dash", "coreutils"], check=True, env=environment, stdout=subprocess.DEVNULL)
    return sorted(cache.glob("*.deb"))


def assemble(directory: Path) -> Image:
    """The image; ``directory`` keeps the packages and the root, and a second call reuses them."""
    root = directory / "root"
    if not root.exists():
        building = directory / "building"
        building.mkdir(parents=True, exist_ok=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (building / "usr" / name).mkdir(parents=True, exist_ok=True)
            if not (building / name).is_symlink():
                (building / name).symlink_to(f"usr/{name}")
        for package in download(directory):
            packed = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
            extract = ["tar", "-x", "-C", str(building), "--keep-directory-symlink"]
            extract += [f"--exclude=./{name}" for name in _UNWANTED]
            subprocess.run(extract, stdin=packed.stdout, check=True)
            assert packed.stdout is not None
            packed.stdout.close()
            assert packed.wait() == 0
        for name in _DIRECTORIES:
            (building / name).mkdir(parents=True, exist_ok=True)
        for name, content in _FILES.items():
            (building / name).parent.mkdir(parents=True, exist_ok=True)
            (building / name).write_bytes(content)
        if not (building / "usr/bin/sh").exists():
            (building / "usr/bin/sh").symlink_to("dash")
        building.rename(root)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(root, ".")
    config = {
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "Cmd": ["nginx", "-g", "daemon off;"],
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGQUIT",
    }
    return Image([buffer.getvalue()], config, kind="docker")


def push_nginx(base: str, directory: Path, tag: str = "1.7.9") -> str:
    """Put the image into a registry as ``library/nginx``; returns its manifest's digest."""
    return push(base, "library/nginx", tag, assemble(directory))
