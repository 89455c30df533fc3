"""Reads ConfigMaps and Secrets through the API when a pod needs them; nothing is kept."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kube_lite.client.protocol import Client
from kube_lite.errors import Forbidden, NotFound
from kube_lite.node.keyring import Credential, of_secret


class ApiSource:
    """A ``ConfigSource`` over the API. One that may not be read counts as missing, as upstream shows it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def _get(self, resource: str, namespace: str, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = msgspec.json.decode(await self._client.get(resource, name, namespace))
        except (NotFound, Forbidden):
            return None
        return found

    async def config_map(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """``data`` and ``binaryData`` together, None when there is no such ConfigMap."""
        found = await self._get("configmaps", namespace, name)
        if found is None:
            return None
        data = {key: str(value).encode() for key, value in (found.get("data") or {}).items()}
        data.update((key, base64.b64decode(value)) for key, value in (found.get("binaryData") or {}).items())
        return data

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """``data`` decoded, None when there is no such Secret."""
        found = await self._secret(namespace, name)
        return None if found is None else found[1]

    async def _secret(self, namespace: str, name: str) -> tuple[str, dict[str, bytes]] | None:
        """Type and data."""
        found = await self._get("secrets", namespace, name)
        if found is None:
            return None
        data = {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
        return str(found.get("type") or "Opaque"), data

    async def credentials(self, namespace: str, names: Iterable[str]) -> tuple[list[Credential], list[str]]:
        """What pull secrets hold, and the names of those that could not be read. :raises ValueError: malformed"""
        found: list[Credential] = []
        missing = []
        for name in names:
            secret = await self._secret(namespace, name)
            if secret is None:
                missing.append(name)
            else:
                found += of_secret(*secret)
        return found, missing
