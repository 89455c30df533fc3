"""Secrets: confidential configuration."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="Secret",
        plural="secrets",
        definition="io.k8s.api.core.v1.Secret",
        generation=False,
    ),
)
