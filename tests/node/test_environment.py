"""Environment variables, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from kube_lite import clock
from kube_lite.node.environment import (
    ConfigError,
    Environment,
    Placement,
    expand,
    field_value,
    resource_value,
    service_variables,
)
from kube_lite.resources.kinds.pod.view import Container, Pod
from kube_lite.resources.views import Service

PLACE = Placement("n1", "192.0.2.1", "10.0.0.5", {"cpu": "4", "memory": "8Gi"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(B)z", "x1y2z"),
        ("$(NOPE)", "$(NOPE)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$(A)", "$$(A)"),
        ("$A ${A}", "$A ${A}"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("100$$", "100$"),
        ("$()", "$()"),
    ],
)
def test_expand(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


def make_pod(**spec: Any) -> Pod:
    meta = {"name": "p", "namespace": "ns", "uid": "u", "labels": {"app": "web"}, "annotations": {"a/b": 'say "hi"'}}
    return msgspec.convert({"metadata": meta, "spec": {"serviceAccountName": "sa", **spec}}, Pod)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "ns"),
        ("metadata.uid", "u"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['a/b']", 'say "hi"'),
        ("metadata.annotations", 'a/b="say \\"hi\\""'),
        ("spec.nodeName", "n1"),
        ("spec.serviceAccountName", "sa"),
        ("status.hostIP", "192.0.2.1"),
        ("status.podIP", "10.0.0.5"),
    ],
)
def test_fields(path: str, expected: str) -> None:
    assert field_value(make_pod(), PLACE, path) == expected


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unsupported fieldPath: spec.nothing"):
        field_value(make_pod(), PLACE, "spec.nothing")


@pytest.mark.parametrize(
    ("resource", "divisor", "expected"),
    [
        ("limits.cpu", "", "1"),
        ("limits.cpu", "1m", "250"),
        ("requests.memory", "1Mi", "64"),
        ("limits.memory", "1Gi", "8"),
        ("requests.cpu", "", "0"),
    ],
)
def test_resources_are_divided_and_rounded_up(resource: str, divisor: str, expected: str) -> None:
    resources = {"limits": {"cpu": "250m"}, "requests": {"memory": "64Mi"}}
    container = msgspec.convert({"name": "c", "resources": resources}, Container)
    assert resource_value(container, PLACE, resource, divisor) == expected


def test_services_are_found_by_variables() -> None:
    ports = [{"name": "web-ui", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    made = msgspec.convert(
        {"metadata": {"name": "my-svc"}, "spec": {"clusterIP": "10.96.0.9", "ports": ports}}, Service
    )
    headless = msgspec.convert({"metadata": {"name": "none"}, "spec": {"clusterIP": "None", "ports": ports}}, Service)
    assert service_variables([made, headless]) == {
        "MY_SVC_SERVICE_HOST": "10.96.0.9",
        "MY_SVC_SERVICE_PORT": "80",
        "MY_SVC_SERVICE_PORT_WEB_UI": "80",
        "MY_SVC_SERVICE_PORT_DNS": "53",
        "MY_SVC_PORT": "tcp://10.96.0.9:80",
        "MY_SVC_PORT_80_TCP": "tcp://10.96.0.9:80",
        "MY_SVC_PORT_80_TCP_PROTO": "tcp",
        "MY_SVC_PORT_80_TCP_PORT": "80",
        "MY_SVC_PORT_80_TCP_ADDR": "10.96.0.9",
        "MY_SVC_PORT_53_UDP": "udp://10.96.0.9:53",
        "MY_SVC_PORT_53_UDP_PROTO": "udp",
        "MY_SVC_PORT_53_UDP_PORT": "53",
        "MY_SVC_PORT_53_UDP_ADDR": "10.96.0.9",
    }


class Source:
    """Two ConfigMaps' worth of configuration."""

    async def config_map(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return {"a": b"from map", "b=c": b"no name"} if (namespace, name) == ("ns", "conf") else None

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return {"key": b"hidden"} if (namespace, name) == ("ns", "sec") else None


def variables(services: Mapping[str, str] | None = None, **fields: Any) -> dict[str, str]:
    container = msgspec.convert({"name": "c", **fields}, Container)
    return clock.run_virtual(Environment(Source()).variables(make_pod(), container, PLACE, services or {}))


def test_env_wins_over_env_from_which_wins_over_services() -> None:
    env = [
        {"name": "X_a", "value": "own"},
        {"name": "REF", "value": "$(X_a) $(HOST) $(LATER)"},
        {"name": "LATER", "value": "l"},
        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "sec", "key": "key"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "GONE", "valueFrom": {"configMapKeyRef": {"name": "nope", "key": "k", "optional": True}}},
    ]
    env_from = [{"prefix": "X_", "configMapRef": {"name": "conf"}}, {"secretRef": {"name": "no", "optional": True}}]
    assert variables({"HOST": "h", "REF": "service"}, env=env, envFrom=env_from) == {
        "X_a": "own",
        "REF": "own h $(LATER)",
        "LATER": "l",
        "S": "hidden",
        "IP": "10.0.0.5",
        "CPU": "4",
        "HOST": "h",
    }


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"envFrom": [{"configMapRef": {"name": "x"}}]}, 'configmap "x" not found'),
        ({"envFrom": [{"secretRef": {"name": "x"}}]}, 'secret "x" not found'),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "k"}}}]},
            'secret "x" not found',
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "k"}}}]},
            "couldn't find key k in ConfigMap ns/conf",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "sec", "key": "k"}}}]},
            "couldn't find key k in Secret ns/sec",
        ),
    ],
)
def test_what_is_missing_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        variables(**fields)
    assert str(caught.value) == message
