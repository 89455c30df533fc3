"""Nodes: the machines, real or simulated."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, Subresource, status

RESOURCES = (
    Resource(
        kind="Node",
        plural="nodes",
        definition="io.k8s.api.core.v1.Node",
        namespaced=False,
        short_names=("no",),
        subresources={
            "status": status(),
            "proxy": Subresource(
                name="proxy", verbs=("create", "delete", "get", "patch", "update"), kind="NodeProxyOptions"
            ),
        },
        generation=False,
    ),
)
