"""FlowSchemas: which requests share a priority."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="FlowSchema",
        plural="flowschemas",
        group="flowcontrol.apiserver.k8s.io",
        definition="io.k8s.api.flowcontrol.v1.FlowSchema",
        namespaced=False,
        subresources={"status": status()},
    ),
)
