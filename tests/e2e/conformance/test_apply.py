"""Server-side apply as clients see it, for built-in and custom kinds, and rules in CEL of custom kinds."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.e2e.conformance.caller import APPLY, Caller, Object
from tests.e2e.conformance.definitions import defined, version


def apply(api: Caller, path: str, body: Object, manager: str, expect: int = 200, **query: Any) -> Any:
    """Apply as ``manager``; the answer."""
    answer = api.send("PATCH", path, yaml.safe_dump(body).encode(), kind=APPLY, fieldManager=manager, **query)
    assert answer.status_code == expect, answer.text
    return answer.json()


def deployment(**spec: Any) -> Object:
    """A Deployment to apply."""
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def template(*containers: Object) -> Object:
    """What a Deployment needs besides."""
    pod = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": list(containers)}}
    return {"selector": {"matchLabels": {"app": "d"}}, "template": pod}


def test_a_conflict_names_who_owns_what_and_force_takes_it(api: Caller, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/d"
    whole = template({"name": "c", "image": "i"})
    apply(api, path, deployment(replicas=1, **whole), "one", expect=201)
    assert apply(api, path, deployment(replicas=1, **whole), "one")["spec"]["replicas"] == 1
    refused = apply(api, path, deployment(replicas=2), "two", expect=409)
    assert refused["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".spec.replicas"}
    ]
    assert apply(api, path, deployment(replicas=2), "two", force="true")["spec"]["replicas"] == 2
    apply(api, path, deployment(replicas=1, **whole), "one", expect=409)
    assert apply(api, path, deployment(**whole), "one")["spec"]["replicas"] == 2


def test_what_is_no_longer_applied_goes_unless_somebody_else_owns_it(api: Caller, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/d"
    one = {"name": "c", "image": "i", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    apply(api, path, deployment(replicas=1, **template(one)), "one", expect=201)
    other = {"name": "c", "image": "i", "env": [{"name": "B", "value": "2"}]}
    apply(api, path, deployment(**template(other)), "two")
    found = apply(api, path, deployment(**template({"name": "c", "image": "i"})), "one")
    assert found["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "B", "value": "2"}]
    assert found["spec"]["replicas"] == 1  # the default, as the field has no owner any more


def test_an_update_takes_ownership_and_a_scale_is_told_by_its_writer(api: Caller, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/d"
    apply(api, path, deployment(replicas=0, **template({"name": "c", "image": "i"})), "one", expect=201)
    api.patch(f"{path}/scale", {"spec": {"replicas": 2}}, fieldManager="scaler")
    managers = {m["manager"]: m["fieldsV1"] for m in api.get(path)["metadata"]["managedFields"]}
    assert managers["scaler"] == {"f:spec": {"f:replicas": {}}}
    refused = apply(api, path, deployment(replicas=0), "one", expect=409)
    assert refused["details"]["causes"][0]["field"] == ".spec.replicas"


def test_status_is_applied_by_its_subresource(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services/s"
    body: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    apply(api, path, body | {"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}, "one", expect=201)
    ingress = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
    found = apply(api, f"{path}/status", body | {"status": ingress}, "two")
    assert found["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.1"
    two = next(m for m in found["metadata"]["managedFields"] if m["manager"] == "two")
    assert (two["subresource"], set(two["fieldsV1"])) == ("status", {"f:status"})


def test_items_of_a_list_are_told_apart_by_their_keys(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services/s"
    body: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}

    def ports(*numbers: int) -> Object:
        listed = [{"name": f"p{n}", "port": n, "protocol": "TCP"} for n in numbers]
        return body | {"spec": {"ports": listed}}

    apply(api, path, ports(80), "one", expect=201)
    assert [p["port"] for p in apply(api, path, ports(81), "two")["spec"]["ports"]] == [80, 81]
    assert [p["port"] for p in apply(api, path, ports(82), "one")["spec"]["ports"]] == [81, 82]


NUMBERS = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}}


def test_custom_objects_are_applied_by_their_schema(api: Caller) -> None:
    items = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "v": {"type": "string"}},
    }
    listed = {"type": "array", "items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    schema = {"type": "object", "properties": {"spec": NUMBERS, "list": listed}}
    with defined(api, version(schema=schema)) as crd:
        path = f"{crd.collection()}/a"
        apply(api, path, crd.object("a", spec={"x": 1}, list=[{"name": "a", "v": "1"}]), "one", expect=201)
        found = apply(api, path, crd.object("a", spec={"y": 2}, list=[{"name": "b", "v": "2"}]), "two")
        assert (found["spec"], [i["name"] for i in found["list"]]) == ({"x": 1, "y": 2}, ["a", "b"])
        apply(api, path, crd.object("a", spec={"x": 2}), "two", expect=409)
        found = apply(api, path, crd.object("a"), "one")
        assert (found["spec"], [i["name"] for i in found["list"]]) == ({"y": 2}, ["b"])


def ruled(*rules: Object) -> Object:
    """A schema whose spec must keep rules."""
    return {"type": "object", "properties": {"spec": {**NUMBERS, "x-kubernetes-validations": list(rules)}}}


def test_rules_of_a_custom_kind_hold(api: Caller) -> None:
    rules = (
        {"rule": "self.x < self.y", "message": "x is too big"},
        {"rule": "self.x >= oldSelf.x", "messageExpression": "'x was ' + string(oldSelf.x)"},
    )
    with defined(api, version(schema=ruled(*rules))) as crd:
        path = crd.collection()
        api.create(path, crd.object("a", spec={"x": 1, "y": 2}))
        refused = api.create(path, crd.object("b", spec={"x": 3, "y": 2}), expect=422)
        assert refused["details"]["causes"][0]["message"].endswith("x is too big")
        assert api.patch(f"{path}/a", {"spec": {"x": 0}}, expect=422)["message"].endswith("x was 1")
        missing = api.create(path, crd.object("c", spec={"x": 1}), expect=422)
        assert "no such key: y" in missing["message"]


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("self.z == 1", "undefined field 'z'"),
        ("self.x == 'a'", "found no matching overload for '_==_' applied to '(int, string)'"),
        ("self.x +", "Syntax error"),
        ("self.x", "must evaluate to a bool"),
    ],
)
def test_rules_that_cannot_hold_are_refused_with_the_definition(api: Caller, rule: str, complaint: str) -> None:
    spec = {
        "group": "rules.example.com",
        "scope": "Cluster",
        "names": {"plural": "noxus", "kind": "Noxu"},
        "versions": [version(schema=ruled({"rule": rule}))],
    }
    body: Object = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    body["metadata"] = {"name": "noxus.rules.example.com"}
    refused = api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body, expect=422)
    assert complaint in refused["message"]
