"""Manifests, indexes and image configurations: JSON of OCI's and Docker's kinds, read with suspicion.

Sources: OCI image specification 1.1 (image-index, manifest, config), Docker's image manifest version 2 schema 2.
Everything here comes from strangers: every field is checked for its type before it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kube_lite.node.linux.images.reference import is_digest
from kube_lite.node.linux.spec import ImageConfig

MAX_DOCUMENT_BYTES = 4 << 20
"""Of a manifest, index or configuration; registries refuse larger manifests themselves."""

MAX_LAYERS = 500
"""overlayfs' own limit (OVL_MAX_STACK)."""

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST))

_LAYER_TYPES = frozenset(
    {
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    }
)
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "i686": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}


class ManifestError(Exception):
    """A document that is not what the specification says, or that has nothing for this machine."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a document says of a blob: its digest, its exact size in bytes, its type."""

    digest: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image for one platform."""

    config: Descriptor
    layers: Sequence[Descriptor]


@dataclass(frozen=True, slots=True)
class ImageDocument:
    """An image's configuration: how to run it, and the diff ids of its layers, lowest first."""

    image_id: str
    diff_ids: Sequence[str]
    config: ImageConfig
    raw: bytes


def platform() -> tuple[str, str]:
    """This machine as images name it: architecture and variant, e.g. ``("amd64", "")``."""
    machine = os.uname().machine
    return _ARCHITECTURES.get(machine, (machine, ""))


def _document(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise ManifestError(f"document larger than {MAX_DOCUMENT_BYTES} bytes")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ManifestError("not a JSON object")
    return value


def _descriptor(value: object) -> Descriptor:
    if not isinstance(value, dict):
        raise ManifestError("malformed descriptor")
    digest, size, media_type = value.get("digest"), value.get("size"), value.get("mediaType", "")
    if not isinstance(digest, str) or not is_digest(digest):
        raise ManifestError(f"malformed digest {str(digest)[:80]!r}")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0 or not isinstance(media_type, str):
        raise ManifestError("malformed descriptor")
    return Descriptor(digest, size, media_type)


def parse(raw: bytes) -> Manifest | Descriptor:
    """A manifest, or of an index the descriptor for this machine. :raises ManifestError: neither, or no match"""
    document = _document(raw)
    if document.get("schemaVersion") != 2:
        raise ManifestError("unsupported manifest: only schema version 2 is supported")
    if isinstance(document.get("manifests"), list):
        return _choose(document["manifests"])
    layers = document.get("layers")
    if not isinstance(layers, list) or len(layers) > MAX_LAYERS:
        raise ManifestError("not an image manifest, or one with too many layers")
    manifest = Manifest(_descriptor(document.get("config")), tuple(map(_descriptor, layers)))
    for layer in manifest.layers:
        if layer.media_type not in _LAYER_TYPES:
            raise ManifestError(f"unsupported layer type {layer.media_type[:100]!r}")
    return manifest


def _choose(entries: list[Any]) -> Descriptor:
    """The entry of this machine's architecture; of several the one of its variant, else the first."""
    architecture, variant = platform()
    best: tuple[int, object] = (0, None)
    for entry in entries:
        described = entry.get("platform") if isinstance(entry, dict) else {}
        if described is None:
            rank = 1 if len(entries) == 1 else 0
        elif not isinstance(described, dict) or not _runs_here(described, architecture):
            rank = 0
        elif described.get("variant", "") in (variant, ""):
            rank = 3
        else:
            rank = 2 if architecture != "arm" or str(described["variant"]) < variant else 0
        best = max(best, (rank, entry), key=lambda item: item[0])
    if best[0] == 0:
        raise ManifestError(f"no match for platform linux/{architecture} in manifest: not found")
    return _descriptor(best[1])


def _runs_here(described: dict[str, Any], architecture: str) -> bool:
    return (described.get("os"), described.get("architecture")) == ("linux", architecture)


def _strings(value: object, what: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) and "\0" not in item for item in value):
        raise ManifestError(f"malformed {what} in the image's configuration")
    return tuple(value)


def parse_config(raw: bytes) -> ImageDocument:
    """Read an image's configuration. :raises ManifestError: malformed, or not for this machine"""
    document = _document(raw)
    rootfs, inner = document.get("rootfs"), document.get("config") or {}
    if not isinstance(rootfs, dict) or not isinstance(inner, dict):
        raise ManifestError("not an image configuration")
    diff_ids = _strings(rootfs.get("diff_ids"), "diff_ids")
    if len(diff_ids) > MAX_LAYERS or not all(is_digest(item) and item.startswith("sha256:") for item in diff_ids):
        raise ManifestError("malformed diff_ids in the image's configuration")
    architecture = document.get("architecture")
    if document.get("os") not in (None, "", "linux") or architecture not in (None, "", platform()[0]):
        offered = f"{document.get('os')}/{architecture}"
        raise ManifestError(f"no match for platform linux/{platform()[0]} in manifest ({offered}): not found")
    texts: Mapping[str, object] = {key: inner.get(key) or "" for key in ("WorkingDir", "User", "StopSignal")}
    if not all(isinstance(text, str) and "\0" not in text for text in texts.values()):
        raise ManifestError("malformed image configuration")
    env = dict(entry.partition("=")[::2] for entry in _strings(inner.get("Env"), "Env"))
    config = ImageConfig(
        entrypoint=_strings(inner.get("Entrypoint"), "Entrypoint"),
        cmd=_strings(inner.get("Cmd"), "Cmd"),
        env=env,
        working_dir=str(texts["WorkingDir"]),
        user=str(texts["User"]),
        stop_signal=str(texts["StopSignal"]),
    )
    return ImageDocument(f"sha256:{hashlib.sha256(raw).hexdigest()}", diff_ids, config, raw)
