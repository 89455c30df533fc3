"""Webhook configurations: who is asked before an object is stored."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="MutatingWebhookConfiguration",
        plural="mutatingwebhookconfigurations",
        group="admissionregistration.k8s.io",
        definition="io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
        namespaced=False,
        categories=("api-extensions",),
        allow_unconditional_update=False,
    ),
    Resource(
        kind="ValidatingWebhookConfiguration",
        plural="validatingwebhookconfigurations",
        group="admissionregistration.k8s.io",
        definition="io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
        namespaced=False,
        categories=("api-extensions",),
        allow_unconditional_update=False,
    ),
)
