"""DeviceClasses: kinds of devices that claims may name."""

from __future__ import annotations

from kube_lite.resources.ages import age
from kube_lite.resources.meta import name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Resource

RESOURCES = (
    Resource(
        kind="DeviceClass",
        plural="deviceclasses",
        group="resource.k8s.io",
        definition="io.k8s.api.resource.v1.DeviceClass",
        namespaced=False,
        columns=(NAME_COLUMN, AGE_COLUMN),
        row=lambda obj, now: [name_of(obj), age(obj, now)],
    ),
)
