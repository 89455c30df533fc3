"""Policies are told what their expressions cannot do with the kinds that they are for."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.api.user import AUTHENTICATED, User
from kube_lite.client.informer import Informers
from kube_lite.controllers.base import Context, run_controllers
from tests.plane import admin, started_plane

POLICIES = "validatingadmissionpolicies.admissionregistration.k8s.io"
MANAGER = User("system:kube-controller-manager", groups=(AUTHENTICATED,), how="in-process")
FOOS = {
    "metadata": {"name": "foos.ex.io"},
    "spec": {
        "group": "ex.io",
        "scope": "Namespaced",
        "names": {"plural": "foos", "kind": "Foo"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
                    }
                },
            }
        ],
    },
}


def _policy(group: str, resources: str, *expressions: str) -> dict[str, Any]:
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["*"], "resources": resources.split()}
    validations = [{"expression": expression} for expression in expressions]
    return {
        "metadata": {"name": "p"},
        "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": validations},
    }


def _with_params(policy: dict[str, Any], kind: str) -> dict[str, Any]:
    return {**policy, "spec": {**policy["spec"], "paramKind": {"apiVersion": "v1", "kind": kind}}}


def _checked(policy: dict[str, Any]) -> dict[str, Any]:
    async def main() -> dict[str, Any]:
        plane = await started_plane()
        context = Context(
            client_for=plane.controller_client, informers=Informers(plane.client(MANAGER, "kube-controller-manager"))
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_controllers, context, ["validatingadmissionpolicy-status-controller"])
            await admin(plane).create("customresourcedefinitions", FOOS)
            await anyio.sleep(1)
            await admin(plane).create(POLICIES, policy)
            await anyio.sleep(5)
            stored = plane.storage.lookup(POLICIES, "", "p")
            tasks.cancel_scope.cancel()
        assert stored is not None
        assert stored["status"]["observedGeneration"] == stored["metadata"]["generation"] == 1
        checking: dict[str, Any] = stored["status"]["typeChecking"]
        return checking

    return clock.run_virtual(main())


@pytest.mark.parametrize(
    ("policy", "warning"),
    [
        (
            _policy("apps", "deployments", "object.spec.replicas > 1", "object.spec.replicas > '1'"),
            "apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to "
            "'(int, string)'\n | object.spec.replicas > '1'\n | .....................^\n",
        ),
        (
            _policy("ex.io", "foos", "object.metadata.namespace == 'x'", "object.spec.length == 1"),
            "ex.io/v1, Kind=Foo: ERROR: <input>:1:12: undefined field 'length'\n | object.spec.length == 1\n"
            " | ...........^\n",
        ),
        (
            _policy("", "secrets services/status configmaps", "object.metadata.name != ''", "object.spec == null"),
            "/v1, Kind=ConfigMap: ERROR: <input>:1:7: undefined field 'spec'\n | object.spec == null\n | ......^\n"
            "\n/v1, Kind=Secret: ERROR: <input>:1:7: undefined field 'spec'\n | object.spec == null\n | ......^\n",
        ),
        (
            _with_params(_policy("apps", "deployments", "object.kind != ''", "params.data.x == ''"), "Gone"),
            "apps/v1, Kind=Deployment: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n"
            " | params.data.x == ''\n | ^\n",
        ),
    ],
)
def test_an_expression_that_does_not_fit_the_kind_is_warned_of(policy: dict[str, Any], warning: str) -> None:
    assert _checked(policy) == {
        "expressionWarnings": [{"fieldRef": "spec.validations[1].expression", "warning": warning}]
    }


@pytest.mark.parametrize("resource", ["deployments", "*"])
def test_expressions_that_fit_or_are_for_any_kind_pass(resource: str) -> None:
    assert _checked(_policy("apps", resource, "object.spec.template.spec.containers.all(c, c.image != '')")) == {}
