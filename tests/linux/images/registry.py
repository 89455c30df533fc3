"""A real registry on loopback, and images made and pushed with the standard library alone.

For the e2e tests too: ``serve_registry`` runs Debian's docker-registry, ``Image`` and ``push`` put an image into it.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import zstandard

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar_of(files: Mapping[str, bytes | str | None]) -> bytes:
    """A tar of files: bytes are content, text is a symbolic link's target, None a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            if content is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def compressed(data: bytes, how: str) -> bytes:
    """The data packed by gzip, zstd or not at all (none)."""
    if how == "none":
        return data
    return gzip.compress(data, 1, mtime=0) if how == "gzip" else zstandard.ZstdCompressor().compress(data)


@dataclass
class Image:
    """An image in memory: uncompressed layers, lowest first, and how to pack and run it."""

    layers: Sequence[bytes]
    config: Mapping[str, object] = field(default_factory=dict)
    compression: str = "gzip"
    kind: str = "oci"
    architecture: str = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)

    def packed(self) -> list[bytes]:
        """The layers as they are pushed."""
        return [compressed(layer, self.compression) for layer in self.layers]

    def document(self) -> bytes:
        """The configuration."""
        rootfs = {"type": "layers", "diff_ids": [digest_of(layer) for layer in self.layers]}
        document = {"architecture": self.architecture, "os": "linux", "config": dict(self.config), "rootfs": rootfs}
        return json.dumps(document).encode()

    def manifest(self) -> tuple[str, bytes, list[bytes]]:
        """Media type, manifest, and all blobs that it names."""
        blobs, config = self.packed(), self.document()
        if self.kind == "oci":
            suffix = {"gzip": "+gzip", "zstd": "+zstd", "none": ""}[self.compression]
            types = (f"{OCI}.manifest.v1+json", f"{OCI}.config.v1+json", f"{OCI}.layer.v1.tar{suffix}")
        else:
            suffix = {"gzip": ".gzip", "zstd": ".zstd", "none": ""}[self.compression]
            types = (
                f"{DOCKER}.distribution.manifest.v2+json",
                f"{DOCKER}.container.image.v1+json",
                f"{DOCKER}.image.rootfs.diff.tar{suffix}",
            )
        manifest = {
            "schemaVersion": 2,
            "mediaType": types[0],
            "config": describe(types[1], config),
            "layers": [describe(types[2], blob) for blob in blobs],
        }
        return types[0], json.dumps(manifest).encode(), [*blobs, config]


def describe(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(blob), "size": len(blob)}


def _send(base: str, method: str, path: str, body: bytes = b"", kind: str = "") -> http.client.HTTPResponse:
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request(method, path, body, {"Content-Type": kind} if kind else {})
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status < 300, (method, path, response.status)
    return response


def push_blob(base: str, repository: str, blob: bytes) -> None:
    response = _send(base, "POST", f"/v2/{repository}/blobs/uploads/")
    place = urlsplit(response.headers["Location"])
    _send(base, "PUT", f"{place.path}?{place.query}&digest={digest_of(blob)}", blob, "application/octet-stream")


def push_manifest(base: str, repository: str, tag: str, kind: str, manifest: bytes) -> str:
    _send(base, "PUT", f"/v2/{repository}/manifests/{tag}", manifest, kind)
    return digest_of(manifest)


def push(base: str, repository: str, tag: str, image: Image) -> str:
    """Push an image; returns its manifest's digest."""
    kind, manifest, blobs = image.manifest()
    for blob in blobs:
        push_blob(base, repository, blob)
    return push_manifest(base, repository, tag, kind, manifest)


def push_index(base: str, repository: str, tag: str, images: Sequence[Image], kind: str = "oci") -> str:
    """Push images of several architectures under one tag."""
    entries = []
    for image in images:
        media_type, manifest, _ = image.manifest()
        push(base, repository, digest_of(manifest), image)
        entries.append(
            describe(media_type, manifest) | {"platform": {"os": "linux", "architecture": image.architecture}}
        )
    media_type = f"{OCI}.index.v1+json" if kind == "oci" else f"{DOCKER}.distribution.manifest.list.v2+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).encode()
    return push_manifest(base, repository, tag, media_type, index)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def install(package: str, program: str) -> None:
    """Have a Debian package's program, installing it when it is missing."""
    if shutil.which(program) is None:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def serve_registry(directory: Path, htpasswd: str = "") -> Iterator[str]:
    """Run Debian's docker-registry on a free loopback port, its data in ``directory``; yields its base URL.

    :param htpasswd: lines of ``user:bcrypt hash``; with them nobody else may push or pull
    """
    install("docker-registry", "docker-registry")
    directory.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    settings: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": True}},
        "http": {"addr": address},
    }
    if htpasswd:
        (directory / "htpasswd").write_text(htpasswd)
        settings["auth"] = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
    configuration = directory / "config.yml"
    configuration.write_text(json.dumps(settings))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(configuration)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 1).close()
                break
            except OSError:
                assert process.poll() is None, (directory / "log").read_text()
                assert time.monotonic() < deadline, "docker-registry did not start"
                time.sleep(0.05)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)
