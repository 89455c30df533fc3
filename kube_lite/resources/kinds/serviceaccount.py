"""ServiceAccounts: the identities of pods."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, Subresource

RESOURCES = (
    Resource(
        kind="ServiceAccount",
        plural="serviceaccounts",
        definition="io.k8s.api.core.v1.ServiceAccount",
        short_names=("sa",),
        subresources={
            "token": Subresource(
                name="token", verbs=("create",), group="authentication.k8s.io", version="v1", kind="TokenRequest"
            ),
        },
        generation=False,
    ),
)
