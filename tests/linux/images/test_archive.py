"""Importing: archives as ``docker save`` wrote and writes them, OCI layouts, and broken ones."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from kube_lite.node.linux.images.store import ImageStore
from kube_lite.node.runtime import ImageState, RuntimeFailure
from tests.linux.images.registry import OCI, Image, describe, digest_of, tar_of
from tests.linux.network.namespaces import needs_root

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root(), reason="needs root")]

IMAGE = Image([tar_of({"a": b"1"}), tar_of({"b": b"22"})], {"Cmd": ["/a"]})


def load(directory: Path, archive: Path, name: str | None = None) -> Sequence[ImageState]:
    async def main() -> Sequence[ImageState]:
        store = ImageStore(directory)
        try:
            states = await store.import_archive(archive, name)
            for state in states:
                await store.rootfs(state.image_id)
            return states
        finally:
            await store.close()
            assert os.listdir(directory / "images/work") == []

    return asyncio.run(main())


def saved_by_old_docker() -> bytes:
    """One directory a layer; a layer that is there already is a link to it."""
    config = digest_of(IMAGE.document())[7:] + ".json"
    names = ["one/layer.tar", "two/layer.tar"]
    manifest = [{"Config": config, "RepoTags": ["web:1.0", "quay.io/x/web:1"], "Layers": names}]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in {
            "three/layer.tar": IMAGE.layers[1],
            "one/layer.tar": IMAGE.layers[0],
            config: IMAGE.document(),
            "manifest.json": json.dumps(manifest).encode(),
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("two/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../three/layer.tar"
        archive.addfile(link)
    return buffer.getvalue()


def layout(note: str = "io.containerd.image.name", name: str = "docker.io/library/web:1.0") -> dict[str, bytes]:
    """An OCI layout's files."""
    kind, manifest, blobs = IMAGE.manifest()
    entry = describe(kind, manifest) | {"annotations": {note: name}}
    files = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode(),
    }
    return files | {f"blobs/sha256/{digest_of(blob)[7:]}": blob for blob in (manifest, *blobs)}


def saved_by_new_docker() -> bytes:
    """A layout with manifest.json beside it."""
    files = layout()
    layers = [f"blobs/sha256/{digest_of(blob)[7:]}" for blob in IMAGE.packed()]
    config = f"blobs/sha256/{digest_of(IMAGE.document())[7:]}"
    manifest = [{"Config": config, "RepoTags": ["web:1.0"], "Layers": layers}]
    return tar_of({"blobs": None, **files, "manifest.json": json.dumps(manifest).encode()})


def written(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("archive", [saved_by_old_docker(), saved_by_new_docker(), tar_of(layout())])
def test_archives_become_images_with_their_names(tmp_path: Path, archive: bytes, pack: type[bytes]) -> None:
    file = tmp_path / "image.tar"
    file.write_bytes(pack(archive))
    (state,) = load(tmp_path, file)
    assert state.image_id == digest_of(IMAGE.document())
    assert state.names[0] == "docker.io/library/web:1.0"
    assert state.size == 3


def test_a_directory_with_a_layout_is_imported(tmp_path: Path) -> None:
    (state,) = load(tmp_path, written(tmp_path / "layout", layout()))
    assert state.names[0] == "docker.io/library/web:1.0"
    assert f"docker.io/library/web@{digest_of(IMAGE.manifest()[1])}" in state.names


def test_an_image_without_a_name_gets_the_given_one(tmp_path: Path) -> None:
    place = written(tmp_path / "layout", layout("org.opencontainers.image.ref.name", "latest"))
    assert load(tmp_path, place)[0].names == ()
    assert load(tmp_path, place, "mine:2")[0].names[0] == "docker.io/library/mine:2"


def test_a_nested_index_leads_to_this_machines_image(tmp_path: Path) -> None:
    files = layout()
    kind, manifest, _ = IMAGE.manifest()
    platform = {"os": "linux", "architecture": IMAGE.architecture}
    inner = json.dumps({"schemaVersion": 2, "manifests": [describe(kind, manifest) | {"platform": platform}]}).encode()
    outer = describe(f"{OCI}.index.v1+json", inner) | {"annotations": {"io.containerd.image.name": "x.test/y:1"}}
    files[f"blobs/sha256/{digest_of(inner)[7:]}"] = inner
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [outer]}).encode()
    assert load(tmp_path, written(tmp_path / "layout", files))[0].names[0] == "x.test/y:1"


def test_an_imported_image_serves_the_policy_never(tmp_path: Path) -> None:
    file = tmp_path / "image.tar"
    file.write_bytes(saved_by_old_docker())
    load(tmp_path, file)

    async def main() -> None:
        store = ImageStore(tmp_path)
        state = await store.ensure("quay.io/x/web:1", "Never")
        rootfs = await store.rootfs(state.image_id)
        assert rootfs.config.cmd == ("/a",)
        assert sorted(os.listdir(rootfs.layers[0])) == ["b"]
        assert await store.remove("web:1.0") == 0
        assert await store.remove("quay.io/x/web:1") == 3
        await store.close()

    asyncio.run(main())


def test_links_out_of_a_layout_lead_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(layout()["index.json"])
    files = layout()
    del files["index.json"]
    place = written(tmp_path / "layout", files)
    (place / "index.json").symlink_to(secret)
    with pytest.raises(RuntimeFailure, match=r"no 'index\.json'"):
        load(tmp_path, place)


BROKEN: dict[str, bytes] = {
    "empty": b"",
    "no-archive": b"hello" * 1000,
    "nothing-in-it": tar_of({"a": b"1"}),
    "truncated": saved_by_old_docker()[:3000],
    "truncated-gzip": gzip.compress(saved_by_old_docker())[:500],
    "manifest-no-json": tar_of({"manifest.json": b"{"}),
    "manifest-no-list": tar_of({"manifest.json": b"{}"}),
    "manifest-empty": tar_of({"manifest.json": b"[]"}),
    "manifest-odd": tar_of({"manifest.json": b'[{"Config": 1}]'}),
    "config-up": tar_of({"manifest.json": b'[{"Config": "../../../etc/passwd", "Layers": []}]'}),
    "link-loop": tar_of({"manifest.json": "index.json", "index.json": "manifest.json"}),
    "blob-changed": tar_of({name: data.replace(b"/a", b"/b") for name, data in layout().items()}),
    "blob-missing": tar_of({name: data for name, data in layout().items() if name == "index.json"}),
}


@pytest.mark.parametrize("label", BROKEN)
def test_broken_archives_are_refused(tmp_path: Path, label: str) -> None:
    file = tmp_path / "image.tar"
    file.write_bytes(BROKEN[label])
    with pytest.raises(RuntimeFailure, match="cannot import") as caught:
        load(tmp_path, file)
    assert caught.value.reason == "ErrImagePull"
    assert not (tmp_path / "images/images.json").exists()
