"""Bindings: the older way to bind a pod, answered and not stored."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="Binding",
        plural="bindings",
        definition="io.k8s.api.core.v1.Binding",
        verbs=("create",),
        answered_only=True,
    ),
)
