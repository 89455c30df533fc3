"""Connections pass admission before anybody looks for what they lead to."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.api.plane import Plane
from tests.api.wire import call, run

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
POD = "/api/v1/namespaces/default/pods/p"


async def deny(plane: Plane, expression: str) -> None:
    """Refuse the connections for which ``expression`` is false."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CONNECT"], "resources": ["*/*"]}
    spec: dict[str, Any] = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "message": "not here"}],
    }
    assert (await call(plane.app, "POST", POLICIES, {"metadata": {"name": "p"}, "spec": spec})).code == 201
    binding = {"metadata": {"name": "p"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}}
    assert (await call(plane.app, "POST", BINDINGS, binding)).code == 201


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("exec?command=ls&command=-l&container=c&stdin=true", "object.command != ['ls', '-l'] || !object.stdin"),
        ("exec?command=ls", "object.kind != 'PodExecOptions'"),
        ("attach?container=c", "request.subResource != 'attach' || object.container != 'c'"),
        ("portforward?ports=80,443", "object.ports != [80, 443]"),
        ("proxy/metrics", "request.kind.kind != 'PodProxyOptions' || object.path != '/metrics'"),
    ],
)
def test_a_policy_refuses_a_connection_by_its_options(path: str, allowed: str) -> None:
    async def story(plane: Plane) -> None:
        before = await call(plane.app, "POST", f"{POD}/{path}")
        assert before.code == 404  # there is no such pod, and nobody minds
        await deny(plane, allowed)
        refused = await call(plane.app, "POST", f"{POD}/{path}")
        assert refused.code == 422
        assert refused.json()["message"].endswith("not here")

    run(story)
