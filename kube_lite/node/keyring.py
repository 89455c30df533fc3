"""Credentials for registries, as pull secrets carry them, and which of them fit an image.

Secrets are of the types ``kubernetes.io/dockerconfigjson`` and ``kubernetes.io/dockercfg``. An entry's key is a
registry's host, maybe with a port and a path, maybe with wildcards (``*.example.com``, ``registry.?xample.com``);
the rules are those of upstream's keyring: as many name parts, each matched by its own pattern, the same port, and a
path that begins the image's. All that fit are tried, the keys in reverse alphabetical order, so that of two paths
the longer one comes first.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

JSON_TYPE, JSON_KEY = "kubernetes.io/dockerconfigjson", ".dockerconfigjson"
LEGACY_TYPE, LEGACY_KEY = "kubernetes.io/dockercfg", ".dockercfg"

_HUB = frozenset({"index.docker.io", "registry-1.docker.io"})


class Credential(msgspec.Struct, frozen=True):
    """A user for the images that ``scope`` fits: a registry's host, maybe with a path (``quay.io/team``)."""

    scope: str
    username: str = ""
    password: str = ""
    identity_token: str = ""

    @property
    def fingerprint(self) -> str:
        """Tells credentials apart without giving them away; the same user at another scope is the same."""
        text = "\0".join((self.username, self.password, self.identity_token))
        return hashlib.sha256(text.encode()).hexdigest()

    def __repr__(self) -> str:
        return f"Credential(scope={self.scope!r}, username={self.username!r})"


def of_secret(kind: str, data: Mapping[str, bytes]) -> list[Credential]:
    """The credentials of a Secret of type ``kind``; none in a Secret of another type. :raises ValueError: malformed"""
    for wanted, key in ((JSON_TYPE, JSON_KEY), (LEGACY_TYPE, LEGACY_KEY)):
        if kind == wanted and data.get(key):
            return parse_docker_config(data[key])
    return []


def parse_docker_config(raw: bytes) -> list[Credential]:
    """Read a ``.dockerconfigjson`` or ``.dockercfg``. :raises ValueError: malformed"""
    document = json.loads(raw)
    entries = document.get("auths", document) if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise ValueError("not a docker configuration")
    return [_credential(scope, entry) for scope, entry in entries.items() if isinstance(entry, dict)]


def _credential(scope: str, entry: Mapping[str, Any]) -> Credential:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            decoded = base64.b64decode(str(entry["auth"])).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError(f"auth of {scope}: {error}") from None
        username, separator, password = decoded.partition(":")
        if not separator:
            raise ValueError(f"auth of {scope}: unable to parse auth field, must be formatted as base64(user:password)")
    return Credential(_normal(scope), username, password, str(entry.get("identitytoken") or ""))


def _normal(scope: str) -> str:
    """A key without scheme and API version; Docker Hub's many names are one."""
    for prefix in ("https://", "http://"):
        scope = scope.removeprefix(prefix)
    host, _, path = scope.partition("/")
    for version in ("v1", "v2"):
        if path == version or path.startswith(version + "/"):
            path = path[3:]
    host = "docker.io" if host in _HUB else host
    return f"{host}/{path}".rstrip("/")


def _fits(scope: str, name: str) -> bool:
    pattern_host, _, pattern_path = scope.partition("/")
    host, _, path = name.partition("/")
    pattern_name, _, pattern_port = pattern_host.partition(":")
    host_name, _, port = host.partition(":")
    patterns, parts = pattern_name.split("."), host_name.split(".")
    return (
        len(patterns) == len(parts)
        and pattern_port == port
        and all(fnmatch.fnmatchcase(part, pattern) for part, pattern in zip(parts, patterns, strict=True))
        and path.startswith(pattern_path)
    )


def matching(credentials: Iterable[Credential], name: str) -> list[Credential]:
    """Those that fit an image, in the order to try them.

    :param name: the complete name, without tag and digest: ``docker.io/library/nginx``
    """
    return sorted((item for item in credentials if _fits(item.scope, name)), key=lambda item: item.scope, reverse=True)
