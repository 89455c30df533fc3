"""PodDisruptionBudgets: how many pods may be away."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="PodDisruptionBudget",
        plural="poddisruptionbudgets",
        group="policy",
        definition="io.k8s.api.policy.v1.PodDisruptionBudget",
        short_names=("pdb",),
        subresources={"status": status()},
        allow_unconditional_update=False,
    ),
)
