"""NetworkPolicies: which pods may talk."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="NetworkPolicy",
        plural="networkpolicies",
        group="networking.k8s.io",
        definition="io.k8s.api.networking.v1.NetworkPolicy",
        short_names=("netpol",),
    ),
)
