"""Admission policies and their bindings: CEL rules instead of webhooks."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="MutatingAdmissionPolicy",
        plural="mutatingadmissionpolicies",
        group="admissionregistration.k8s.io",
        definition="io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy",
        namespaced=False,
        categories=("api-extensions",),
        allow_unconditional_update=False,
    ),
    Resource(
        kind="MutatingAdmissionPolicyBinding",
        plural="mutatingadmissionpolicybindings",
        group="admissionregistration.k8s.io",
        definition="io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding",
        namespaced=False,
        categories=("api-extensions",),
        allow_unconditional_update=False,
    ),
    Resource(
        kind="ValidatingAdmissionPolicy",
        plural="validatingadmissionpolicies",
        group="admissionregistration.k8s.io",
        definition="io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy",
        namespaced=False,
        categories=("api-extensions",),
        subresources={"status": status()},
        allow_unconditional_update=False,
    ),
    Resource(
        kind="ValidatingAdmissionPolicyBinding",
        plural="validatingadmissionpolicybindings",
        group="admissionregistration.k8s.io",
        definition="io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding",
        namespaced=False,
        categories=("api-extensions",),
        allow_unconditional_update=False,
    ),
)
