"""Namespaces: the scopes of names."""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.registry import Resource, Subresource, status

RESOURCES = (
    Resource(
        kind="Namespace",
        plural="namespaces",
        definition="io.k8s.api.core.v1.Namespace",
        namespaced=False,
        short_names=("ns",),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        subresources={
            "status": status(),
            "finalize": Subresource(name="finalize", verbs=("update",)),
        },
        name_rule=names.label_name,
        generation=False,
    ),
)
