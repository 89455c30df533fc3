"""CSIDrivers: what a storage driver needs."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="CSIDriver",
        plural="csidrivers",
        group="storage.k8s.io",
        definition="io.k8s.api.storage.v1.CSIDriver",
        namespaced=False,
        allow_unconditional_update=False,
    ),
)
