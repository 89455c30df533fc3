"""Review kinds: questions that are answered and never stored."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="SelfSubjectReview",
        plural="selfsubjectreviews",
        group="authentication.k8s.io",
        definition="io.k8s.api.authentication.v1.SelfSubjectReview",
        namespaced=False,
        verbs=("create",),
        answered_only=True,
    ),
    Resource(
        kind="TokenReview",
        plural="tokenreviews",
        group="authentication.k8s.io",
        definition="io.k8s.api.authentication.v1.TokenReview",
        namespaced=False,
        verbs=("create",),
        answered_only=True,
    ),
    Resource(
        kind="LocalSubjectAccessReview",
        plural="localsubjectaccessreviews",
        group="authorization.k8s.io",
        definition="io.k8s.api.authorization.v1.LocalSubjectAccessReview",
        verbs=("create",),
        answered_only=True,
    ),
    Resource(
        kind="SelfSubjectAccessReview",
        plural="selfsubjectaccessreviews",
        group="authorization.k8s.io",
        definition="io.k8s.api.authorization.v1.SelfSubjectAccessReview",
        namespaced=False,
        verbs=("create",),
        answered_only=True,
    ),
    Resource(
        kind="SelfSubjectRulesReview",
        plural="selfsubjectrulesreviews",
        group="authorization.k8s.io",
        definition="io.k8s.api.authorization.v1.SelfSubjectRulesReview",
        namespaced=False,
        verbs=("create",),
        answered_only=True,
    ),
    Resource(
        kind="SubjectAccessReview",
        plural="subjectaccessreviews",
        group="authorization.k8s.io",
        definition="io.k8s.api.authorization.v1.SubjectAccessReview",
        namespaced=False,
        verbs=("create",),
        answered_only=True,
    ),
)
