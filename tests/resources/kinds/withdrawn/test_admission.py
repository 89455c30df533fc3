"""Webhook configurations of v1beta1."""

from __future__ import annotations

import pytest

from tests.resources.kinds.cases import UNKNOWN, create, resource
from tests.resources.kinds.withdrawn.conversions import Obj

KINDS = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"]


def configuration(**webhook: object) -> Obj:
    hook = {"name": "a.b.c", "clientConfig": {"url": "https://a.b/c"}, **webhook}
    return {"metadata": {"name": "x"}, "webhooks": [hook]}


@pytest.mark.parametrize("plural", KINDS)
def test_old_webhooks_are_forgiving(plural: str) -> None:
    made, causes = create(resource("admissionregistration.k8s.io", plural, "v1beta1"), configuration())
    assert not causes
    hook = made["webhooks"][0]
    named = ("failurePolicy", "matchPolicy", "sideEffects", "timeoutSeconds", "admissionReviewVersions")
    assert [hook[name] for name in named] == ["Ignore", "Exact", "Unknown", 30, ["v1beta1"]]


@pytest.mark.parametrize("plural", KINDS)
def test_side_effects_must_still_be_some(plural: str) -> None:
    kind = resource("admissionregistration.k8s.io", plural, "v1beta1")
    assert not create(kind, configuration(sideEffects="Some"))[1]
    assert [c[:2] for c in create(kind, configuration(sideEffects="Many"))[1]] == [(UNKNOWN, "webhooks[0].sideEffects")]
