"""DeviceClasses: kinds of devices that claims may name."""

from __future__ import annotations

from kube_lite.resources import devices
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, invalid
from kube_lite.resources.kinds.pod.requirements import is_extended
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Resource


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found = devices.each(spec.get("selectors"), devices.MAX_LISTED, devices.selector, "spec.selectors")
    found.extend(devices.each(spec.get("config"), devices.MAX_LISTED, devices.configuration, "spec.config"))
    extended = spec.get("extendedResourceName")
    if extended is not None and not is_extended(extended):
        found.append(invalid("spec.extendedResourceName", extended, "must be a valid extended resource name"))
    return found


RESOURCES = (
    Resource(
        kind="DeviceClass",
        plural="deviceclasses",
        group="resource.k8s.io",
        definition="io.k8s.api.resource.v1.DeviceClass",
        namespaced=False,
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
        columns=(NAME_COLUMN, AGE_COLUMN),
        row=lambda obj, now: [name_of(obj), age(obj, now)],
    ),
)
