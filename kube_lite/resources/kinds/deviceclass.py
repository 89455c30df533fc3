"""DeviceClasses: kinds of devices that claims may name."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="DeviceClass",
        plural="deviceclasses",
        group="resource.k8s.io",
        definition="io.k8s.api.resource.v1.DeviceClass",
        namespaced=False,
    ),
)
