"""IPAddresses: who holds a service address."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="IPAddress",
        plural="ipaddresses",
        group="networking.k8s.io",
        definition="io.k8s.api.networking.v1.IPAddress",
        namespaced=False,
        short_names=("ip",),
    ),
)
