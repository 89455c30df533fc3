"""PodTemplates: a pod to be."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="PodTemplate",
        plural="podtemplates",
        definition="io.k8s.api.core.v1.PodTemplate",
    ),
)
