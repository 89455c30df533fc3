"""Credentials for registries, as pull secrets carry them (``kubernetes.io/dockerconfigjson`` and ``dockercfg``)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kube_lite.node.linux.images.reference import Reference


@dataclass(frozen=True, slots=True)
class Credential:
    """A user for images below ``scope``: a registry host, maybe with a path (``quay.io/team``)."""

    scope: str
    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Credential(scope={self.scope!r}, username={self.username!r})"


def parse_docker_config(raw: bytes) -> list[Credential]:
    """Read a ``.dockerconfigjson`` or ``.dockercfg``. :raises ValueError: malformed"""
    document = json.loads(raw)
    entries = document.get("auths", document) if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise ValueError("not a docker configuration")
    return [_credential(scope, entry) for scope, entry in entries.items() if isinstance(entry, dict)]


def _credential(scope: str, entry: dict[str, Any]) -> Credential:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        decoded = base64.b64decode(str(entry["auth"])).decode()
        username, _, password = decoded.partition(":")
    for prefix in ("https://", "http://"):
        scope = scope.removeprefix(prefix)
    scope = scope.rstrip("/").removesuffix("/v1").removesuffix("/v2").removesuffix("/v1/").rstrip("/")
    if scope in ("index.docker.io", "registry-1.docker.io"):
        scope = "docker.io"
    return Credential(scope, username, password, str(entry.get("identitytoken") or ""))


def matching(credentials: Iterable[Credential], reference: Reference) -> Credential | None:
    """The credential whose scope fits the image most closely; None when none does."""
    fitting = [item for item in credentials if item.scope == reference.registry
               or (reference.name + "/").startswith(item.scope + "/")]  # fmt: skip
    return max(fitting, key=lambda item: len(item.scope), default=None)
