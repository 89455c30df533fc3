"""RuntimeClasses: which runtime starts a pod."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="RuntimeClass",
        plural="runtimeclasses",
        group="node.k8s.io",
        definition="io.k8s.api.node.v1.RuntimeClass",
        namespaced=False,
        generation=False,
        allow_unconditional_update=False,
    ),
)
