"""HorizontalPodAutoscalers: replicas that follow a load, stored as v2 and served as v1 too."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="HorizontalPodAutoscaler",
        plural="horizontalpodautoscalers",
        group="autoscaling",
        version="v2",
        definition="io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
        short_names=("hpa",),
        categories=("all",),
        subresources={"status": status()},
        generation=False,
    ),
    Resource(
        kind="HorizontalPodAutoscaler",
        plural="horizontalpodautoscalers",
        group="autoscaling",
        definition="io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler",
        short_names=("hpa",),
        categories=("all",),
        subresources={"status": status()},
        generation=False,
        storage_version="v2",
    ),
)
