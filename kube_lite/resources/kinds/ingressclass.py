"""IngressClasses: who implements an ingress."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="IngressClass",
        plural="ingressclasses",
        group="networking.k8s.io",
        definition="io.k8s.api.networking.v1.IngressClass",
        namespaced=False,
    ),
)
