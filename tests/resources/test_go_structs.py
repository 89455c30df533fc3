"""Names of Go's struct fields."""

from __future__ import annotations

import pytest

from kube_lite.resources import schema
from kube_lite.resources.go_structs import field_path, go_name


@pytest.mark.parametrize(
    ("name", "go"),
    [
        ("hostIP", "HostIP"),
        ("apiVersion", "APIVersion"),
        ("podIPs", "PodIPs"),
        ("ips", "IPs"),
        ("uid", "UID"),
        ("tcpSocket", "TCPSocket"),
        ("fsGroup", "FSGroup"),
        ("ipFamilies", "IPFamilies"),
        ("externalIPs", "ExternalIPs"),
        ("osImage", "OSImage"),
        ("image", "Image"),
        ("ipcLock", "IPCLock"),
        ("idle", "Idle"),
        ("caBundle", "CABundle"),
        ("tls", "TLS"),
    ],
)
def test_initialisms_are_capitals(name: str, go: str) -> None:
    assert go_name(name) == go


def test_embedded_structs_are_named_first() -> None:
    pod = schema.type_for("", "v1", "Pod")
    assert field_path(pod, "metadata") == ("ObjectMeta",)
    assert field_path(pod, "kind") == ("TypeMeta", "Kind")
    assert field_path(pod.at("spec", "volumes", "*"), "emptyDir") == ("VolumeSource", "EmptyDir")
    assert field_path(pod.at("spec", "volumes", "*"), "name") == ("Name",)
