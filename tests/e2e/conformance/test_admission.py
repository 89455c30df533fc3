"""Admission webhooks with match conditions, and policies in CEL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.admission.webhook_server import Json, Webhook, json_patch, webhook
from tests.e2e.conformance.caller import Caller, Object, unique
from tests.support.running import eventually

BASE = "/apis/admissionregistration.k8s.io/v1"
KINDS = [
    ("validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
    ("mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
]
BOTH = pytest.mark.parametrize(("plural", "kind"), KINDS, ids=["validating", "mutating"])


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Webhook]:
    """A webhook."""
    with webhook(tmp_path) as running:
        yield running


def configuration(kind: str, namespace: str, config: Object, *conditions: Object, **more: Any) -> Object:
    """A configuration of one webhook for the ConfigMaps and Pods of one namespace."""
    resources = ["configmaps", "pods", "pods/attach", "pods/exec"]
    one = {
        "name": "w.k8s.io",
        "clientConfig": config,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1", "v1beta1"],
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": resources, "operations": ["*"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "matchConditions": list(conditions),
        **more,
    }
    metadata = {"name": unique("w")}
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata, "webhooks": [one]}


class Registered:
    """Configurations that end with the test."""

    def __init__(self, api: Caller) -> None:
        self._api = api
        self._paths: list[str] = []

    def __call__(self, plural: str, body: Object) -> str:
        """Register one; its path."""
        made = self._api.create(f"{BASE}/{plural}", body)
        self._paths.append(f"{BASE}/{plural}/{made['metadata']['name']}")
        return self._paths[-1]

    def end(self) -> None:
        """Delete them all."""
        for path in self._paths:
            self._api.send("DELETE", path)


@pytest.fixture
def register(api: Caller) -> Iterator[Registered]:
    """Registers configurations and policies."""
    registered = Registered(api)
    yield registered
    registered.end()


def config_map(name: str, **data: str) -> Object:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


SKIP_ME = {"name": "skip-me", "expression": "object.metadata.name != 'skip-me'"}


@BOTH
def test_match_conditions_are_kept_and_changed(
    api: Caller, namespace: str, register: Registered, plural: str, kind: str
) -> None:
    first = {"name": "expression-1", "expression": "object.metadata.namespace == 'production'"}
    second = {"name": "expression-2", "expression": "object.metadata.namespace == 'staging'"}
    path = register(plural, configuration(kind, namespace, {"url": "https://127.0.0.1:1/"}, first))
    found = api.get(path)
    assert found["webhooks"][0]["matchConditions"] == [first]
    found["webhooks"][0]["matchConditions"] = [first, second]
    api.put(path, found)
    assert api.get(path)["webhooks"][0]["matchConditions"] == [first, second]


@BOTH
def test_match_conditions_that_do_not_compile_are_refused(api: Caller, namespace: str, plural: str, kind: str) -> None:
    bad = {"name": "invalid-expression-1", "expression": "... [] bad expression"}
    body = configuration(kind, namespace, {"url": "https://127.0.0.1:1/"}, bad)
    refused = api.create(f"{BASE}/{plural}", body, expect=422)
    assert "compilation failed" in refused["message"]
    assert refused["details"]["causes"][0]["field"] == "webhooks[0].matchConditions[0].expression"


def test_everything_is_changed_but_what_the_condition_leaves_out(
    api: Caller, namespace: str, register: Registered, hook: Webhook
) -> None:
    hook.respond = lambda request: json_patch({"op": "add", "path": "/data/mutated", "value": "yes"})
    register(
        "mutatingwebhookconfigurations",
        configuration("MutatingWebhookConfiguration", namespace, hook.config(), SKIP_ME),
    )
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert api.create(path, config_map("changed", a="b"))["data"] == {"a": "b", "mutated": "yes"}
    assert api.create(path, config_map("skip-me", a="b"))["data"] == {"a": "b"}


def test_everything_is_refused_but_what_the_condition_leaves_out(
    api: Caller, namespace: str, register: Registered, hook: Webhook
) -> None:
    hook.respond = lambda request: {"allowed": False, "status": {"message": "no"}}
    register(
        "validatingwebhookconfigurations",
        configuration("ValidatingWebhookConfiguration", namespace, hook.config(), SKIP_ME),
    )
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    refused = api.create(path, config_map("other"), expect=400)
    assert refused["message"] == 'admission webhook "w.k8s.io" denied the request: no'
    api.create(path, config_map("skip-me"))


def test_attaching_is_a_connection_that_a_webhook_refuses(
    api: Caller, namespace: str, register: Registered, hook: Webhook
) -> None:
    def respond(request: Json) -> Json:
        if request["operation"] != "CONNECT":
            return {"allowed": True}
        about = f"attaching to pod '{request['name']}' is not allowed"
        return {"allowed": False, "status": {"message": about, "code": 403}}

    hook.respond = respond
    register(
        "validatingwebhookconfigurations",
        configuration("ValidatingWebhookConfiguration", namespace, hook.config()),
    )
    pods = f"/api/v1/namespaces/{namespace}/pods"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    api.create(pods, pod | {"spec": {"containers": [{"name": "c", "image": "i"}]}})
    refused = api.create(f"{pods}/p/attach", {}, expect=403, container="c", stdin="true")
    assert "attaching to pod 'p' is not allowed" in refused["message"]
    asked = hook.seen[-1]
    assert asked["kind"] == {"group": "", "version": "v1", "kind": "PodAttachOptions"}
    assert asked["object"] == {"kind": "PodAttachOptions", "apiVersion": "v1", "stdin": True, "container": "c"}
    assert (asked["subResource"], asked["oldObject"]) == ("attach", None)


def policy(name: str, group: str, resource: str, **spec: Any) -> Object:
    """A ValidatingAdmissionPolicy for the creation and update of one resource."""
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [resource]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"matchConstraints": {"resourceRules": [rule]}, **spec},
    }


def binding(kind: str, name: str, namespace: str, **spec: Any) -> Object:
    """A binding of a policy to one namespace."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"policyName": name, "matchResources": {"namespaceSelector": selector}, **spec},
    }


def deployment(name: str, replicas: int, image: str = "i") -> Object:
    """A Deployment."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def test_a_deployment_is_validated_and_a_policy_may_use_variables(
    api: Caller, namespace: str, register: Registered
) -> None:
    name = unique("vap")
    register(
        "validatingadmissionpolicies",
        policy(
            name,
            "apps",
            "deployments",
            variables=[
                {"name": "replicas", "expression": "object.spec.replicas"},
                {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
            ],
            validations=[
                {
                    "expression": "variables.replicas > 1",
                    "messageExpression": "'too few: ' + string(variables.replicas)",
                },
                {"expression": "variables.oddReplicas", "message": "must be odd", "reason": "Invalid"},
            ],
        ),
    )
    bound = binding("ValidatingAdmissionPolicyBinding", name, namespace, validationActions=["Deny"])
    register("validatingadmissionpolicybindings", bound)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    eventually(lambda: api.send("POST", path, deployment("one", 1), dryRun="All").status_code == 422)
    refused = api.create(path, deployment("one", 1), expect=422)
    start = f"ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: "
    assert refused["message"] == f'deployments.apps "one" is forbidden: {start}too few: 1'
    assert api.create(path, deployment("two", 2), expect=422)["message"].endswith("denied request: must be odd")
    api.create(path, deployment("three", 3))
    assert api.patch(f"{path}/three", {"spec": {"replicas": 4}}, expect=422)["reason"] == "Invalid"


def test_a_policy_s_expressions_are_checked_against_the_types(api: Caller, register: Registered) -> None:
    def checked(name: str, expression: str) -> Object:
        path = register(
            "validatingadmissionpolicies",
            policy(name, "apps", "deployments", validations=[{"expression": expression}]),
        )
        eventually(lambda: "typeChecking" in api.get(path).get("status", {}))
        found: Object = api.get(path)["status"]
        return found

    good = checked(unique("good"), "object.spec.replicas > 1")
    assert not good["typeChecking"].get("expressionWarnings")
    assert good["observedGeneration"] == 1
    bad = checked(unique("bad"), "object.spec.replicas > '1'")["typeChecking"]["expressionWarnings"]
    assert [warning["fieldRef"] for warning in bad] == ["spec.validations[0].expression"]
    assert "found no matching overload for '_>_'" in bad[0]["warning"]
    missing = checked(unique("missing"), "object.spec.nothing == 1")["typeChecking"]["expressionWarnings"]
    assert "undefined field 'nothing'" in missing[0]["warning"]


@pytest.mark.parametrize(
    ("mutation", "wanted"),
    [
        (
            {
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {
                    "expression": "Object{metadata: Object.metadata{labels: {'environment': 'production'}}}"
                },
            },
            {"environment": "production"},
        ),
        (
            {
                "patchType": "JSONPatch",
                "jsonPatch": {
                    "expression": "[JSONPatch{op: 'add', path: '/metadata/labels', value: {'a': object.metadata.name}}]"
                },
            },
            {"a": "cm"},
        ),
    ],
    ids=["apply", "json-patch"],
)
def test_a_policy_changes_what_is_made(
    api: Caller, namespace: str, register: Registered, mutation: Object, wanted: dict[str, str]
) -> None:
    name = unique("map")
    body = policy(name, "", "configmaps", mutations=[mutation], reinvocationPolicy="Never", failurePolicy="Fail")
    register("mutatingadmissionpolicies", {**body, "kind": "MutatingAdmissionPolicy"})
    register("mutatingadmissionpolicybindings", binding("MutatingAdmissionPolicyBinding", name, namespace))
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    made = api.create(path, config_map("cm"))
    assert made["metadata"]["labels"] == wanted
    assert json.loads(api.send("GET", f"{path}/cm").text)["metadata"]["labels"] == wanted


def test_parameters_warn_or_deny_by_the_binding(api: Caller, namespace: str, register: Registered) -> None:
    name = unique("vap")
    kinds = {"apiVersion": "v1", "kind": "ConfigMap"}
    rule = {"expression": "object.data.size() <= int(params.data.max)", "message": "too big"}
    register("validatingadmissionpolicies", policy(name, "", "secrets", paramKind=kinds, validations=[rule]))
    bound = binding(
        "ValidatingAdmissionPolicyBinding",
        name,
        namespace,
        paramRef={"name": "limits", "parameterNotFoundAction": "Deny"},
        validationActions=["Warn"],
    )
    register("validatingadmissionpolicybindings", bound)
    base = f"/api/v1/namespaces/{namespace}"
    api.create(f"{base}/configmaps", config_map("limits", max="1"))
    secret: Object = {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "1", "b": "2"}}
    answer = api.send("POST", f"{base}/secrets", {**secret, "metadata": {"name": "warned"}})
    assert answer.status_code == 201
    assert f"Validation failed for ValidatingAdmissionPolicy '{name}'" in answer.headers["Warning"]
    assert "too big" in answer.headers["Warning"]
    api.patch(f"{BASE}/validatingadmissionpolicybindings/{name}", {"spec": {"validationActions": ["Deny"]}})
    api.create(f"{base}/secrets", {**secret, "metadata": {"name": "denied"}}, expect=422)
    api.create(f"{base}/secrets", {**secret, "metadata": {"name": "fits"}, "stringData": {"a": "1"}})
