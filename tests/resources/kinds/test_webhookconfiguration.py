"""Webhook configurations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import BAD, NEEDED, UNKNOWN, Cause, Change, assert_create, resource

KIND = resource("admissionregistration.k8s.io", "validatingwebhookconfigurations")
RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "webhooks": [
        {
            "name": "a.b.c",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": "s", "namespace": "n"}},
            "rules": [RULE],
        }
    ],
}
HOOK, FIRST = "webhooks[0]", "webhooks[0].rules[0]"
SERVICE = f"{HOOK}.clientConfig.service"


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("valid", {}, []),
        ("name", {"webhooks.0.name": "a.b"}, [(BAD, f"{HOOK}.name", "at least three segments")]),
        (
            "star among operations",
            {"webhooks.0.rules.0.operations": ["*", "CREATE"]},
            [(BAD, f"{FIRST}.operations", '[]admissionregistration.OperationType{"*", "CREATE"}: if')],
        ),
        (
            "star among groups",
            {"webhooks.0.rules.0.apiGroups": ["*", "apps"]},
            [(BAD, f"{FIRST}.apiGroups", "must not specify other API groups")],
        ),
        (
            "conditions before versions",
            {"webhooks.0.matchConditions": [{"name": "a"}], "webhooks.0.admissionReviewVersions": []},
            [(NEEDED, f"{HOOK}.matchConditions[0].expression", ""), (NEEDED, f"{HOOK}.admissionReviewVersions", "")],
        ),
        ("operation", {"webhooks.0.rules.0.operations": ["x"]}, [(UNKNOWN, f"{FIRST}.operations[0]", '"CONNECT"')]),
        (
            "named twice",
            {"webhooks.0.rules.0.resources": ["pods/*", "pods/log"]},
            [(BAD, f"{FIRST}.resources[1]", "if 'pods/*' is present, must not specify pods/log")],
        ),
        (
            "all and some",
            {"webhooks.0.rules.0.resources": ["*", "pods"]},
            [(BAD, f"{FIRST}.resources", "must not specify other resources without subresources")],
        ),
        (
            "no service, told of the other half",
            {f"{SERVICE.replace('[0]', '.0')}.name": ""},
            [(NEEDED, f"{SERVICE}.namespace", "service namespace is required")],
        ),
        (
            "no namespace, told of the other half",
            {f"{SERVICE.replace('[0]', '.0')}.namespace": ""},
            [(NEEDED, f"{SERVICE}.name", "service name is required")],
        ),
        (
            "empty scope",
            {"webhooks.0.rules.0.scope": ""},
            [(UNKNOWN, f"{FIRST}.scope", '"": supported values: "*", "Cluster", "Namespaced"')],
        ),
        ("port", {f"{SERVICE.replace('[0]', '.0')}.port": 0}, [(BAD, f"{SERVICE}.port", "port is not valid: must be")]),
        (
            "path",
            {f"{SERVICE.replace('[0]', '.0')}.path": "/a//b"},
            [(BAD, f"{SERVICE}.path", "segment[1] may not be")],
        ),
        (
            "version twice",
            {"webhooks.0.admissionReviewVersions": ["v1", "v1"]},
            [(BAD, f"{HOOK}.admissionReviewVersions[1]", "duplicate version")],
        ),
    ],
)
def test_a_new_configuration(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)
