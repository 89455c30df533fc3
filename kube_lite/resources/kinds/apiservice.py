"""APIServices: which server answers for a group."""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="APIService",
        plural="apiservices",
        group="apiregistration.k8s.io",
        definition="io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
        namespaced=False,
        categories=("api-extensions",),
        subresources={"status": status()},
        name_rule=names.path_segment,
        generation=False,
        allow_unconditional_update=False,
    ),
)
