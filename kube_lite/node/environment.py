"""Environment variables of a container: ``env`` and ``envFrom``, the downward API, and those of Services.

Precedence as upstream's kubelet: a container's ``env`` over its ``envFrom``, both over Services. ``$(NAME)`` in a
value, a command or an argument stands for a variable defined before it; an unknown one stays as it is written,
and ``$$`` is a plain dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from kube_lite.resources import quantity
from kube_lite.resources.kinds.pod.view import Container, EnvVar, Pod
from kube_lite.resources.views import Service


class ConfigError(Exception):
    """Raised when a container cannot be configured; the message is shown under CreateContainerConfigError."""


class ConfigSource(Protocol):
    """Reads ConfigMaps and Secrets on demand."""

    async def config_map(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """``data`` and ``binaryData`` together, None when there is no such ConfigMap."""
        ...

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """``data`` decoded, None when there is no such Secret."""
        ...


class Placement(msgspec.Struct, frozen=True):
    """What the downward API tells about where a pod runs; ``allocatable`` stands in for limits not set."""

    node_name: str
    host_ip: str
    pod_ip: str
    allocatable: Mapping[str, str]


_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, known: Mapping[str, str]) -> str:
    """``text`` with ``$(NAME)`` replaced where known and ``$$`` by ``$``."""

    def replace(match: re.Match[str]) -> str:
        if match.group(0) == "$$":
            return "$"
        return known.get(match.group(1), match.group(0))

    return _REFERENCE.sub(replace, text)


_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


def field_value(pod: Pod, place: Placement, path: str) -> str:
    """What a ``fieldRef`` names. :raises ConfigError: there is no such field"""
    if match := _SUBSCRIPT.match(path):
        values = pod.metadata.labels if match.group(1) == "labels" else pod.metadata.annotations
        return values.get(match.group(2), "")
    if path in ("metadata.labels", "metadata.annotations"):
        values = pod.metadata.labels if path == "metadata.labels" else pod.metadata.annotations
        return "\n".join(f"{k}={_quoted(v)}" for k, v in sorted(values.items()))
    simple = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": pod.spec.node_name or place.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.hostIP": place.host_ip,
        "status.hostIPs": place.host_ip,
        "status.podIP": place.pod_ip,
        "status.podIPs": place.pod_ip,
    }
    if path not in simple:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return simple[path]


def _quoted(value: str) -> str:
    """As Go's ``%q``, for the ASCII values that labels and most annotations have."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def resource_value(container: Container, place: Placement, resource: str, divisor: str = "") -> str:
    """What a ``resourceFieldRef`` names, divided and rounded up.

    A limit that is not set is what the node can give, as upstream. :raises ConfigError: no such resource
    """
    kind, _, name = resource.partition(".")
    if kind not in ("limits", "requests") or not name:
        raise ConfigError(f"unsupported container resource : {resource}")
    amounts = container.resources.limits if kind == "limits" else container.resources.requests
    text = amounts.get(name) or (place.allocatable.get(name, "0") if kind == "limits" else "0")
    amount = quantity.milli(text)
    by = quantity.milli(divisor) if divisor not in ("", "0") else 1000
    return str(-(-amount // by))


def _link_name(name: str) -> str:
    return name.upper().replace("-", "_")


def service_variables(services: Iterable[Service]) -> dict[str, str]:
    """The variables by which containers find Services, including those in the style of Docker links."""
    found: dict[str, str] = {}
    for service in services:
        ip, ports = service.spec.cluster_ip, service.spec.ports
        if not ip or ip == "None" or not ports:
            continue
        prefix = _link_name(service.metadata.name)
        host = f"[{ip}]" if ":" in ip else ip
        found[f"{prefix}_SERVICE_HOST"] = ip
        found[f"{prefix}_SERVICE_PORT"] = str(ports[0].port)
        for port in ports:
            if port.name:
                found[f"{prefix}_SERVICE_PORT_{_link_name(port.name)}"] = str(port.port)
        found[f"{prefix}_PORT"] = f"{ports[0].protocol.lower()}://{host}:{ports[0].port}"
        for port in ports:
            link = f"{prefix}_PORT_{port.port}_{port.protocol.upper()}"
            found[link] = f"{port.protocol.lower()}://{host}:{port.port}"
            found[f"{link}_PROTO"] = port.protocol.lower()
            found[f"{link}_PORT"] = str(port.port)
            found[f"{link}_ADDR"] = ip
    return found


class Environment:
    """Makes the environment of containers.

    :param source: where ConfigMaps and Secrets come from
    """

    def __init__(self, source: ConfigSource) -> None:
        self._source = source

    async def variables(
        self, pod: Pod, container: Container, place: Placement, services: Mapping[str, str]
    ) -> dict[str, str]:
        """All variables of ``container``, in the order of their definition.

        :raises ConfigError: a ConfigMap, Secret, key or field that is not optional is missing
        """
        result: dict[str, str] = {}
        for source in container.env_from:
            result.update(await self._bulk(pod.metadata.namespace, source))
        for variable in container.env:
            value = await self._value(pod, container, place, variable, {**services, **result})
            if value is not None:
                result[variable.name] = value
        for name, value in services.items():
            result.setdefault(name, value)
        return result

    async def _bulk(self, namespace: str, source: Mapping[str, Any]) -> dict[str, str]:
        prefix = str(source.get("prefix") or "")
        for field, kind, read in (
            ("configMapRef", "configmap", self._source.config_map),
            ("secretRef", "secret", self._source.secret),
        ):
            ref = source.get(field)
            if ref is None:
                continue
            data = await read(namespace, str(ref.get("name") or ""))
            if data is None:
                if ref.get("optional"):
                    return {}
                raise ConfigError(f'{kind} "{ref.get("name")}" not found')
            return {prefix + k: v.decode("utf-8", "replace") for k, v in data.items() if k and "=" not in k}
        return {}

    async def _value(
        self, pod: Pod, container: Container, place: Placement, variable: EnvVar, known: Mapping[str, str]
    ) -> str | None:
        """None when the variable comes from something optional that is not there."""
        origin = variable.value_from
        if not origin:
            return expand(variable.value, known)
        if ref := origin.get("fieldRef"):
            return field_value(pod, place, str(ref.get("fieldPath") or ""))
        if ref := origin.get("resourceFieldRef"):
            return resource_value(container, place, str(ref.get("resource")), str(ref.get("divisor") or ""))
        if ref := origin.get("configMapKeyRef"):
            data = await self._source.config_map(pod.metadata.namespace, str(ref.get("name") or ""))
            return _key(data, ref, "configmap", "ConfigMap", pod.metadata.namespace)
        if ref := origin.get("secretKeyRef"):
            data = await self._source.secret(pod.metadata.namespace, str(ref.get("name") or ""))
            return _key(data, ref, "secret", "Secret", pod.metadata.namespace)
        return ""


def _key(data: Mapping[str, bytes] | None, ref: Mapping[str, Any], noun: str, kind: str, namespace: str) -> str | None:
    name, key = str(ref.get("name") or ""), str(ref.get("key") or "")
    if data is not None and key in data:
        return data[key].decode("utf-8", "replace")
    if ref.get("optional"):
        return None
    if data is None:
        raise ConfigError(f'{noun} "{name}" not found')
    raise ConfigError(f"couldn't find key {key} in {kind} {namespace}/{name}")


def expand_all(texts: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """Every text of a command line, expanded."""
    return [expand(text, known) for text in texts]
