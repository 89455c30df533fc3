"""Validating and mutating admission policies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kube_lite import errors
from kube_lite.api.admission import validating_policy
from kube_lite.api.admission.plugin import AdmissionRequest
from kube_lite.api.admission.validating_policy import ValidatingAdmissionPolicy
from kube_lite.api.large import LARGE
from kube_lite.api.local import LocalClient
from kube_lite.api.options import WriteOptions
from kube_lite.api.plane import Plane
from kube_lite.api.target import Target
from tests.api.admission.stories import Json, made, play, pod
from tests.plane import ADMIN

RULE = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}


async def policy(client: LocalClient, kind: str, spec: Json, binding: Json | None = None) -> None:
    """A policy ``p`` with a binding ``b``."""
    resource = f"{kind}admissionpolicies"
    constraints = {"matchConstraints": {"resourceRules": [RULE]}}
    await client.create(resource, {"metadata": {"name": "p"}, "spec": {**constraints, **spec}})
    bound = {"policyName": "p", **({"validationActions": ["Deny"]} if kind == "validating" else {}), **(binding or {})}
    await client.create(f"{kind}admissionpolicybindings", {"metadata": {"name": "b"}, "spec": bound})


def config_map(name: str, **data: str) -> Json:
    return {"metadata": {"name": name}, "data": data}


async def refusal(client: LocalClient, obj: Json) -> errors.ApiError:
    with pytest.raises(errors.ApiError) as caught:
        await made(client, "configmaps", obj)
    return caught.value


@pytest.mark.parametrize(
    ("validation", "why"),
    [
        ({"expression": "object.data.k == 'v'"}, "failed expression: object.data.k == 'v'"),
        ({"expression": "object.data.k == 'v'", "message": "k must be v"}, "k must be v"),
        (
            {"expression": "object.data.k == 'v'", "messageExpression": "'k is ' + object.data.k", "message": "no"},
            "k is w",
        ),
        (
            {"expression": "object.data.missing == 'v'"},
            "expression 'object.data.missing == 'v'' resulted in error: no such key: missing",
        ),
    ],
)
def test_a_rule_that_does_not_hold_refuses(validation: Json, why: str) -> None:
    async def story(client: LocalClient) -> None:
        await policy(client, "validating", {"validations": [validation]})
        error = await refusal(client, config_map("a", k="w"))
        told = f"ValidatingAdmissionPolicy 'p' with binding 'b' denied request: {why}"
        assert error.message == f'configmaps "a" is forbidden: {told}'
        assert (error.code, error.reason) == (422, "Invalid")
        assert error.details == {"name": "a", "kind": "configmaps", "causes": [{"message": told}]}

    play(story)


def test_a_rule_chooses_its_reason_and_one_that_holds_lets_pass() -> None:
    async def story(client: LocalClient) -> None:
        rule = {"expression": "variables.wanted in object.data", "reason": "Forbidden"}
        variables = [{"name": "start", "expression": "'ke'"}, {"name": "wanted", "expression": "variables.start + 'y'"}]
        await policy(client, "validating", {"validations": [rule], "variables": variables})
        assert (await refusal(client, config_map("a", k="w"))).code == 403
        await made(client, "configmaps", config_map("b", key="w"))
        await made(client, "secrets", {"metadata": {"name": "s"}})

    play(story)


def test_many_rules_over_a_large_object_are_evaluated_beside_the_loop_and_for_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two thousand rules over a map of a thousand keys held everybody up for a minute."""
    sizes: list[int] = []

    async def noted(size: int, call: Any, *args: Any) -> Any:
        sizes.append(size)
        return call(*args)

    async def story(client: LocalClient) -> None:
        monkeypatch.setattr(validating_policy, "beside", noted)
        await policy(client, "validating", {"validations": [{"expression": "object.data.all(k, k != '')"}] * 50})
        await made(client, "configmaps", config_map("small", key="w"))
        large = {f"k{number}": "" for number in range(100)}
        await made(client, "configmaps", config_map("large", **large))
        assert sizes == [0, LARGE]
        monkeypatch.setattr(validating_policy, "POLICY_SECONDS", -1.0)
        error = await refusal(client, config_map("late", **large))
        assert error.message.endswith("running out of cost budget, no further validation rules will be run")

    play(story)


def test_failure_policy_ignore_passes_over_what_cannot_be_evaluated() -> None:
    async def story(client: LocalClient) -> None:
        rule = {"expression": "object.data.missing == 'v'"}
        await policy(client, "validating", {"validations": [rule], "failurePolicy": "Ignore"})
        await made(client, "configmaps", config_map("a", k="w"))

    play(story)


def test_parameters_come_from_the_binding_and_their_absence_refuses() -> None:
    async def story(client: LocalClient) -> None:
        spec = {
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "validations": [{"expression": "size(object.data) <= int(params.data.limit)"}],
            "matchConditions": [{"name": "others", "expression": "object.metadata.name != 'limits'"}],
        }
        ref = {"paramRef": {"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"}}
        await policy(client, "validating", spec, ref)
        assert "no params found for policy binding with `Deny`" in (await refusal(client, config_map("a"))).message
        await client.delete("validatingadmissionpolicybindings", "b")
        await made(client, "configmaps", config_map("limits", limit="1"))
        binding = {"policyName": "p", "validationActions": ["Deny"], **ref}
        await client.create("validatingadmissionpolicybindings", {"metadata": {"name": "b"}, "spec": binding})
        await made(client, "configmaps", config_map("a", x="1"))
        assert "failed expression" in (await refusal(client, config_map("b", x="1", y="2"))).message

    play(story)


def test_a_binding_narrows_and_exclusions_exempt() -> None:
    async def story(client: LocalClient) -> None:
        constraints = {
            "resourceRules": [RULE],
            "excludeResourceRules": [{**RULE, "resourceNames": ["exempt"]}],
        }
        narrowed = {"matchResources": {"namespaceSelector": {"matchLabels": {"strict": "yes"}}}}
        spec = {"validations": [{"expression": "false"}], "matchConstraints": constraints}
        await policy(client, "validating", spec, narrowed)
        await client.create("namespaces", {"metadata": {"name": "strict", "labels": {"strict": "yes"}}})
        await made(client, "configmaps", config_map("a"))
        await made(client, "configmaps", config_map("exempt"), "strict")
        with pytest.raises(errors.ApiError, match="failed expression: false"):
            await made(client, "configmaps", config_map("a"), "strict")

    play(story)


def test_warn_and_audit_tell_and_let_pass() -> None:
    planes: list[Plane] = []

    async def story(client: LocalClient) -> None:
        (plane,) = planes
        spec = {
            "validations": [{"expression": "false", "message": "bad"}],
            "auditAnnotations": [{"key": "seen", "valueExpression": "'name ' + object.metadata.name"}],
        }
        await policy(client, "validating", spec, {"validationActions": ["Warn", "Audit"]})
        resource = plane.registry.at("", "v1", "configmaps")
        assert resource is not None
        warnings: list[str] = []
        obj = {"apiVersion": "v1", "kind": "ConfigMap", **config_map("a")}
        seen: list[dict[str, str]] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("kube_lite.api.audit.annotate", seen.append)
            await plane.verbs.create(Target(resource, "default", ""), obj, ADMIN, WriteOptions(), warnings)
        assert warnings == ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': bad"]
        annotations = seen[0]
        assert annotations["p/seen"] == "name a"
        (failure,) = json.loads(annotations["validation.policy.admission.k8s.io/validation_failure"])
        assert (failure["policy"], failure["binding"], failure["message"]) == ("p", "b", "bad")

    play(story, prepare=planes.append)


APPLY = "ApplyConfiguration"


def mutations(*expressions: tuple[str, str]) -> list[Json]:
    """Mutations, by their type."""
    keys = {APPLY: "applyConfiguration", "JSONPatch": "jsonPatch"}
    return [{"patchType": kind, keys[kind]: {"expression": source}} for kind, source in expressions]


@pytest.mark.parametrize(
    ("mutation", "labels"),
    [
        ((APPLY, 'Object{metadata: Object.metadata{labels: {"env": "prod"}}}'), {"a": "b", "env": "prod"}),
        (
            ("JSONPatch", "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('x/y'), value: 'z'}]"),
            {"a": "b", "x/y": "z"},
        ),
    ],
)
def test_an_object_is_changed_by_merge_or_by_patch(mutation: tuple[str, str], labels: dict[str, str]) -> None:
    async def story(client: LocalClient) -> None:
        spec = {"mutations": mutations(mutation), "reinvocationPolicy": "Never", "failurePolicy": "Fail"}
        await policy(client, "mutating", spec)
        found = await made(client, "configmaps", {"metadata": {"name": "a", "labels": {"a": "b"}}})
        assert found["metadata"]["labels"] == labels

    play(story)


def test_containers_are_merged_by_name_and_a_later_mutation_sees_the_earlier() -> None:
    async def story(client: LocalClient) -> None:
        add = """Object{spec: Object.spec{containers: [Object.spec.containers{name: "side", image: "s:1"}]}}"""
        count = """Object{metadata: Object.metadata{labels: {"n": string(size(object.spec.containers))}}}"""
        spec: dict[str, Any] = {
            "mutations": mutations((APPLY, add), (APPLY, count)),
            "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [{**RULE, "operations": ["CREATE"], "resources": ["pods"]}]},
        }
        await policy(client, "mutating", spec)
        found = await made(
            client, "pods", {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
        )
        assert sorted(c["name"] for c in found["spec"]["containers"]) == ["c", "side"]
        assert found["spec"]["containers"][-1]["terminationMessagePath"] == "/dev/termination-log"
        assert found["metadata"]["labels"] == {"n": "2"}

    play(story)


def test_a_mutation_that_fails_refuses() -> None:
    async def story(client: LocalClient) -> None:
        expression = "object.data.missing == 'x' ? Object{} : Object{}"
        spec: Json = {"mutations": mutations((APPLY, expression)), "reinvocationPolicy": "Never"}
        await policy(client, "mutating", spec)
        error = await refusal(client, config_map("a"))
        why = f"expression '{expression}' resulted in error"
        told = f"policy 'p' with binding 'b' denied request: {why}: no such key: data"
        assert (error.message, error.code, error.reason) == (told, 403, "Invalid")
        assert error.details["causes"] == [{"message": told}]

    play(story)


@pytest.mark.parametrize(
    ("spec", "field", "why"),
    [
        (
            {"validations": [{"expression": "object.a ="}]},
            "spec.validations[0].expression",
            "compilation failed: ERROR: ",
        ),
        ({"validations": [{"expression": "params.a == 1"}]}, "spec.validations[0].expression", "reference to 'params'"),
        ({"validations": [{"expression": "request.frob"}]}, "spec.validations[0].expression", "undefined field 'frob'"),
        ({"validations": [{"expression": "object.a"}]}, "spec.validations[0].expression", "must evaluate to bool"),
        (
            {"validations": [{"expression": "true", "messageExpression": "1"}]},
            "spec.validations[0].messageExpression",
            "must evaluate to string",
        ),
        (
            {"variables": [{"name": "v", "expression": "1"}], "validations": [{"expression": "variables.v == 'a'"}]},
            "spec.validations[0].expression",
            "found no matching overload for '_==_' applied to '(int, string)'",
        ),
        (
            {"auditAnnotations": [{"key": "k", "valueExpression": "1"}]},
            "spec.auditAnnotations[0].valueExpression",
            "must evaluate to one of [string null_type]",
        ),
        (
            {"matchConditions": [{"name": "m", "expression": "1"}], "validations": [{"expression": "true"}]},
            "spec.matchConditions[0].expression",
            "must evaluate to bool",
        ),
    ],
)
def test_a_policy_whose_expressions_cannot_run_is_refused(spec: Json, field: str, why: str) -> None:
    async def story(client: LocalClient) -> None:
        with pytest.raises(errors.Invalid) as caught:
            await policy(client, "validating", spec)
        (cause,) = caught.value.details["causes"]
        assert cause["field"] == field
        assert why in cause["message"]

    play(story)


def test_a_webhook_s_conditions_are_compiled_with_it() -> None:
    async def story(client: LocalClient) -> None:
        hook = {
            "name": "a.b.c",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": "https://x.io"},
            "matchConditions": [{"name": "m", "expression": "variables.x"}],
        }
        with pytest.raises(errors.Invalid, match=r"webhooks\[0\].matchConditions\[0\].expression.*'variables'"):
            await client.create("validatingwebhookconfigurations", {"metadata": {"name": "w"}, "webhooks": [hook]})

    play(story)


def test_rules_may_ask_what_the_requester_may_do() -> None:
    async def story(client: LocalClient) -> None:
        allowed = "authorizer.group('').resource('secrets').namespace('default').check('get').allowed()"
        account = "authorizer.serviceAccount('default', 'default').group('').resource('secrets').check('get').allowed()"
        rules = [{"expression": allowed}, {"expression": account, "message": "the account may not"}]
        await policy(client, "validating", {"validations": rules})
        assert "the account may not" in (await refusal(client, config_map("a"))).message

    play(story)


NO_POLICY = "failed to configure policy: failed to find resource referenced by paramKind: '/v1, Kind=Frob'"
NO_PARAMS = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"


@pytest.mark.parametrize(
    ("kind", "namespace", "why"),
    [
        ("Frob", "", f"ValidatingAdmissionPolicy 'p' denied request: {NO_POLICY}"),
        ("ConfigMap", "", f"ValidatingAdmissionPolicy 'p' with binding 'b' denied request: {NO_PARAMS}"),
        ("Node", "x", "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"),
    ],
)
def test_what_is_set_up_wrongly_refuses_even_where_rules_only_warn(kind: str, namespace: str, why: str) -> None:
    async def story(client: LocalClient) -> None:
        spec = {"paramKind": {"apiVersion": "v1", "kind": kind}, "validations": [{"expression": "true"}]}
        ref = {"name": "n", "parameterNotFoundAction": "Deny", **({"namespace": namespace} if namespace else {})}
        await policy(client, "validating", spec, {"paramRef": ref, "validationActions": ["Warn"]})
        assert (await refusal(client, config_map("a"))).message.endswith(why)

    play(story)


def test_nothing_is_found_below_null_and_everything_is_absent_there() -> None:
    async def story(client: LocalClient) -> None:
        rules = [
            {"expression": "!has(params.data) && !has(oldObject.data) && params == null && variables.old == null"},
            {"expression": "oldObject.data.k == 'x'"},
        ]
        variables = [{"name": "old", "expression": "oldObject"}]
        param_kind = {"apiVersion": "v1", "kind": "ConfigMap"}
        await policy(client, "validating", {"validations": rules, "variables": variables, "paramKind": param_kind})
        told = (await refusal(client, config_map("a"))).message
        assert told.endswith("expression 'oldObject.data.k == 'x'' resulted in error: no such key: data")

    play(story)


def test_conditions_that_cannot_be_told_are_all_named_and_messages_trimmed() -> None:
    async def story(client: LocalClient) -> None:
        conditions = [{"name": name, "expression": f"object.{name} == 1"} for name in ("m", "n")]
        await policy(client, "validating", {"matchConditions": conditions, "validations": [{"expression": "true"}]})
        failures = [f"expression 'object.{name} == 1' resulted in error: no such key: {name}" for name in ("m", "n")]
        assert (await refusal(client, config_map("a"))).message.endswith(f"denied request: [{', '.join(failures)}]")
        change = {"spec": {"matchConditions": None, "validations": [{"expression": "false", "message": "  no  "}]}}
        await client.patch("validatingadmissionpolicies", "p", change)
        assert (await refusal(client, config_map("a"))).message.endswith("denied request: no")

    play(story)


def test_audit_annotations_gather_what_all_parameters_say_and_their_failures_refuse() -> None:
    planes: list[Plane] = []

    async def story(client: LocalClient) -> None:
        (plane,) = planes
        for name in ("x", "y"):
            await made(client, "configmaps", config_map(name, v=name))
        annotations = [{"key": "k", "valueExpression": "string(params.data.v)"}]
        spec = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "auditAnnotations": annotations}
        ref = {"selector": {}, "parameterNotFoundAction": "Deny"}
        await policy(client, "validating", spec, {"paramRef": ref, "validationActions": ["Audit"]})
        resource = plane.registry.at("", "v1", "configmaps")
        assert resource is not None
        asked = AdmissionRequest("CREATE", resource, "", "default", "a", ADMIN, config_map("a"))
        await ValidatingAdmissionPolicy().validate(asked, plane.verbs.objects)
        assert asked.annotations == {"p/k": "x, y"}
        await made(client, "configmaps", config_map("z", w="z"))
        with pytest.raises(errors.ApiError, match=r"'string\(params\.data\.v\)' resulted in error: no such key: v"):
            await ValidatingAdmissionPolicy().validate(asked, plane.verbs.objects)

    play(story, prepare=planes.append)


PATCH = "JSONPatch"


@pytest.mark.parametrize(
    ("mutation", "why"),
    [
        (
            (APPLY, "Object{spec: Object.spec{nodeSelector: {'a': 'b'}}}"),
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: "
            ".spec.nodeSelector",
        ),
        (
            (APPLY, "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'c', args: ['a']}]}}"),
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: "
            ".spec.containers[0].args",
        ),
        (
            (APPLY, "Object{spec: Object.spec{frob: 'x'}}"),
            "error applying patch: failed to convert patch object to typed object: .spec.frob: field not declared in "
            "schema",
        ),
        (
            (APPLY, "Object{spec: Object.x{hostname: 'x'}}"),
            'type mismatch: unexpected type name "Object.x", expected "Object.spec", which matches field name path '
            "from root Object type",
        ),
        (
            (PATCH, "[JSONPatch{op: 'replace', path: '/no/x', value: 'x'}]"),
            "JSON Patch: replace operation does not apply: doc is missing path: /no/x: missing value",
        ),
        (
            (PATCH, "[JSONPatch{op: 'add', path: '/spec/frob', value: 'x'}]"),
            'Internal error occurred: strict decoding error: unknown field "spec.frob"',
        ),
        ((PATCH, "[JSONPatch{op: 'test', path: '/spec/hostname', value: 'x'}]"), ""),
    ],
)
def test_a_mutation_that_does_not_fit_refuses_but_for_a_test_that_fails(mutation: tuple[str, str], why: str) -> None:
    async def story(client: LocalClient) -> None:
        rules = [{**RULE, "resources": ["pods"]}]
        spec = {"mutations": mutations(mutation), "reinvocationPolicy": "Never"}
        await policy(client, "mutating", {**spec, "matchConstraints": {"resourceRules": rules}})
        if not why:
            await made(client, "pods", pod("a"))
            return
        with pytest.raises(errors.ApiError) as caught:
            await made(client, "pods", pod("a"))
        assert caught.value.message.removeprefix("policy 'p' with binding 'b' denied request: ") == why

    play(story)


def test_those_who_ask_for_it_are_applied_once_more_and_the_others_not() -> None:
    async def story(client: LocalClient) -> None:
        count = "Object{metadata: Object.metadata{annotations: {'n': string(int(object.metadata.annotations.n) + 1)}}}"
        rules = {"matchConstraints": {"resourceRules": [RULE]}}
        for name, again in (("p1", "IfNeeded"), ("p2", "IfNeeded"), ("p3", "Never")):
            spec = {**rules, "mutations": mutations((APPLY, count)), "reinvocationPolicy": again}
            await client.create("mutatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec})
            bound = {"metadata": {"name": name}, "spec": {"policyName": name}}
            await client.create("mutatingadmissionpolicybindings", bound)
        obj = {"metadata": {"name": "a", "annotations": {"n": "0"}}}
        assert (await made(client, "configmaps", obj))["metadata"]["annotations"] == {"n": "5"}

    play(story)
