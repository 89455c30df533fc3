"""Services: a stable address for a set of pods."""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.registry import Resource, Subresource, status

RESOURCES = (
    Resource(
        kind="Service",
        plural="services",
        definition="io.k8s.api.core.v1.Service",
        short_names=("svc",),
        categories=("all",),
        subresources={
            "status": status(),
            "proxy": Subresource(
                name="proxy", verbs=("create", "delete", "get", "patch", "update"), kind="ServiceProxyOptions"
            ),
        },
        name_rule=names.label_1035_name,
        generation=False,
        allow_create_on_update=True,
    ),
)
