"""What is in ConfigMap, Secret, downward API and projected volumes: files gathered from the API, nothing written.

A service account token comes from the TokenRequest subresource and is asked for anew once 80 % of its life, or
24 hours, have passed (upstream). Messages are those of upstream's FailedMount events.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from kube_lite import clock
from kube_lite.client.protocol import Client
from kube_lite.errors import ApiError
from kube_lite.node.environment import ConfigError, ConfigSource, Placement, field_value, resource_value
from kube_lite.node.volumes.atomic import Payload
from kube_lite.resources.kinds.pod.view import Pod

log = logging.getLogger(__name__)

DEFAULT_MODE = 0o644

MAX_TOKEN_AGE = timedelta(hours=24)

Files = dict[str, Payload]


class VolumeError(Exception):
    """Raised when a volume cannot be set up now; the message is shown in a FailedMount event."""


class _Token(msgspec.Struct, frozen=True):
    text: str
    renew_at: datetime


class Tokens:
    """Service account tokens of the pods on this node, each kept until it is due for renewal."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._held: dict[tuple[str, str, str], _Token] = {}

    async def token(self, pod: Pod, audience: str, seconds: int) -> str:
        """A token of the pod's service account, bound to the pod. :raises VolumeError: the API refused"""
        key = (pod.metadata.uid, audience, str(seconds))
        held = self._held.get(key)
        now = clock.now()
        if held is not None and now < held.renew_at:
            return held.text
        account = pod.spec.service_account_name or "default"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [audience] if audience else [],
                "expirationSeconds": seconds,
                "boundObjectRef": {
                    "kind": "Pod",
                    "apiVersion": "v1",
                    "name": pod.metadata.name,
                    "uid": pod.metadata.uid,
                },
            },
        }
        try:
            answer = await self._client.create(
                "serviceaccounts", request, pod.metadata.namespace, name=account, subresource="token"
            )
        except ApiError as error:
            raise VolumeError(f"failed to fetch token: {error.message}") from error
        status = msgspec.json.decode(answer).get("status") or {}
        text = str(status.get("token") or "")
        expires = status.get("expirationTimestamp")
        life = (clock.parse_timestamp(expires) - now) if expires else timedelta(seconds=seconds)
        self._held[key] = _Token(text, now + min(life * 0.8, MAX_TOKEN_AGE))
        return text

    def forget(self, uid: str) -> None:
        """Drop the tokens of a pod."""
        self._held = {key: token for key, token in self._held.items() if key[0] != uid}


def _mode(source: Mapping[str, Any], default: int) -> int:
    mode = source.get("mode")
    return default if mode is None else int(mode)


class Content:
    """Gathers the files of volumes that come from the API."""

    def __init__(self, source: ConfigSource, tokens: Tokens) -> None:
        self._source = source
        self._tokens = tokens

    async def files(self, pod: Pod, place: Placement, volume: Mapping[str, Any]) -> Files:
        """The files of one volume. :raises VolumeError: something it needs and that is not optional is missing"""
        namespace = pod.metadata.namespace
        if (config := volume.get("configMap")) is not None:
            return await self._config_map(namespace, config, str(config.get("name") or ""), _default(config))
        if (secret := volume.get("secret")) is not None:
            return await self._secret(namespace, secret, str(secret.get("secretName") or ""), _default(secret))
        if (downward := volume.get("downwardAPI")) is not None:
            return self._downward(pod, place, downward, _default(downward))
        projected = volume["projected"]
        mode = _default(projected)
        files: Files = {}
        for source in projected.get("sources") or ():
            files.update(await self._projection(pod, place, source, mode))
        return files

    async def _projection(self, pod: Pod, place: Placement, source: Mapping[str, Any], mode: int) -> Files:
        namespace = pod.metadata.namespace
        if (config := source.get("configMap")) is not None:
            return await self._config_map(namespace, config, str(config.get("name") or ""), mode)
        if (secret := source.get("secret")) is not None:
            return await self._secret(namespace, secret, str(secret.get("name") or ""), mode)
        if (downward := source.get("downwardAPI")) is not None:
            return self._downward(pod, place, downward, mode)
        if (token := source.get("serviceAccountToken")) is not None:
            seconds = int(token.get("expirationSeconds") or 3600)
            text = await self._tokens.token(pod, str(token.get("audience") or ""), seconds)
            return {str(token.get("path")): _token_file(pod, text, mode)}
        raise VolumeError(f"unsupported projection: {', '.join(source)}")

    async def _config_map(self, namespace: str, source: Mapping[str, Any], name: str, mode: int) -> Files:
        data = await self._source.config_map(namespace, name)
        if data is None and not source.get("optional"):
            raise VolumeError(f'configmap "{name}" not found')
        return _pick(data or {}, source, mode, "configmap")

    async def _secret(self, namespace: str, source: Mapping[str, Any], name: str, mode: int) -> Files:
        data = await self._source.secret(namespace, name)
        if data is None and not source.get("optional"):
            raise VolumeError(f'secret "{name}" not found')
        return _pick(data or {}, source, mode, "secret")

    def _downward(self, pod: Pod, place: Placement, source: Mapping[str, Any], mode: int) -> Files:
        files: Files = {}
        for item in source.get("items") or ():
            try:
                if ref := item.get("fieldRef"):
                    text = field_value(pod, place, str(ref.get("fieldPath")))
                else:
                    text = _resource(pod, place, item.get("resourceFieldRef") or {})
            except ConfigError as error:
                raise VolumeError(str(error)) from error
            files[str(item.get("path"))] = Payload(text.encode(), _mode(item, mode))
        return files


def _default(source: Mapping[str, Any]) -> int:
    mode = source.get("defaultMode")
    return DEFAULT_MODE if mode is None else int(mode)


def _token_file(pod: Pod, text: str, mode: int) -> Payload:
    context = pod.spec.security_context or {}
    users = {(c.security_context or {}).get("runAsUser", context.get("runAsUser")) for c in pod.spec.containers}
    user = users.pop() if len(users) == 1 else None
    if context.get("fsGroup") is None and user is None:
        return Payload(text.encode(), mode)
    return Payload(text.encode(), 0o600, None if user is None else int(user))


def _pick(data: Mapping[str, bytes], source: Mapping[str, Any], mode: int, noun: str) -> Files:
    """All keys, or those named by ``items`` under their paths."""
    items = source.get("items") or ()
    if not items:
        return {key: Payload(value, mode) for key, value in data.items()}
    files: Files = {}
    for item in items:
        key = str(item.get("key"))
        if key in data:
            files[str(item.get("path"))] = Payload(data[key], _mode(item, mode))
        elif not source.get("optional"):
            prefix, kind = ("configmap ", "config") if noun == "configmap" else ("", "secret")
            raise VolumeError(f"{prefix}references non-existent {kind} key: {key}")
    return files


def _resource(pod: Pod, place: Placement, ref: Mapping[str, Any]) -> str:
    name = str(ref.get("containerName") or "")
    for container in [*pod.spec.containers, *pod.spec.init_containers]:
        if container.name == name:
            return resource_value(container, place, str(ref.get("resource")), str(ref.get("divisor") or ""))
    raise ConfigError(f"container {name} not found")
