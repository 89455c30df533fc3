"""Discovery as a client walks through it: groups, preferred versions, resources, aggregated documents, the version."""

from __future__ import annotations

import re

import pytest

from tests.e2e.conformance.caller import Caller
from tests.e2e.conformance.definitions import defined
from tests.support.running import eventually

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"


def test_major_and_minor_version_are_integers(api: Caller) -> None:
    found = api.get("/version")
    assert re.fullmatch(r"\d+", found["major"])
    assert re.fullmatch(r"\d+", found["minor"])
    assert found["gitVersion"].startswith(f"v{found['major']}.{found['minor']}.")


def test_each_group_prefers_a_version_that_it_serves_and_has_a_resource(api: Caller) -> None:
    for group in api.get("/apis")["groups"]:
        if group["name"].endswith("example.com"):  # other tests' definitions come and go
            continue
        alone = api.get(f"/apis/{group['name']}")
        assert alone["preferredVersion"] in alone["versions"]
        assert group["preferredVersion"] == alone["preferredVersion"]
        for each in alone["versions"]:
            assert each["groupVersion"] == f"{group['name']}/{each['version']}"
            listed = api.get(f"/apis/{each['groupVersion']}")
            assert listed["groupVersion"] == each["groupVersion"]
            assert listed["resources"]
            assert all(resource["verbs"] and resource["kind"] for resource in listed["resources"])


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_the_aggregated_document_names_all_that_the_single_ones_do(api: Caller, version: str) -> None:
    accept = AGGREGATED.format(version=version)
    seen: dict[tuple[str, str], set[str]] = {}
    for path in ("/api", "/apis"):
        answer = api.send("GET", path, accept=f"{accept},application/json")
        assert answer.headers["content-type"] == accept
        document = answer.json()
        assert (document["kind"], document["apiVersion"]) == ("APIGroupDiscoveryList", f"apidiscovery.k8s.io/{version}")
        for group in document["items"]:
            for each in group["versions"]:
                names = {r["resource"] for r in each["resources"]}
                below = {
                    f"{r['resource']}/{s['subresource']}" for r in each["resources"] for s in r.get("subresources", ())
                }
                seen[group["metadata"].get("name", ""), each["version"]] = names | below
    assert seen["", "v1"] == {r["name"] for r in api.get("/api/v1")["resources"]}
    for group in api.get("/apis")["groups"]:
        for each in group["versions"]:
            single = {r["name"] for r in api.get(f"/apis/{each['groupVersion']}")["resources"]}
            assert seen[group["name"], each["version"]] >= single - {n for n in single if "/" in n}, each


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_a_definition_appears_in_the_aggregated_document_and_goes_again(api: Caller, version: str) -> None:
    def groups() -> dict[str, list[str]]:
        found = api.send("GET", "/apis", accept=AGGREGATED.format(version=version)).json()["items"]
        return {g["metadata"]["name"]: [r["resource"] for v in g["versions"] for r in v["resources"]] for g in found}

    with defined(api) as definition:
        assert groups()[definition.group] == ["noxus"]
    eventually(lambda: definition.group not in groups())


def test_a_definition_is_in_every_discovery_document(api: Caller) -> None:
    with defined(api) as definition:
        assert definition.group in [g["name"] for g in api.get("/apis")["groups"]]
        assert api.get(f"/apis/{definition.group}")["preferredVersion"]["version"] == "v1"
        assert [r["name"] for r in api.get(f"/apis/{definition.group}/v1")["resources"]] == ["noxus"]


@pytest.mark.parametrize(
    ("accept", "code", "content"),
    [
        ("application/json;as=Table;v=v1;g=meta.k8s.io", 406, "Status"),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", 406, "Status"),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", 201, "SelfSubjectAccessReview"),
    ],
)
def test_what_has_no_metadata_is_not_made_a_table(api: Caller, accept: str, code: int, content: str) -> None:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}},
    }
    answer = api.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body, accept=accept)
    assert (answer.status_code, answer.json()["kind"]) == (code, content)


def test_nodes_and_pods_are_shown_as_tables_with_columns_and_partial_objects(api: Caller, namespace: str) -> None:
    for path in ("/api/v1/nodes", f"/api/v1/namespaces/{namespace}/pods"):
        table = api.send("GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io").json()
        assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        assert len(table["columnDefinitions"]) > 2
        assert table["metadata"]["resourceVersion"]
        for row in table["rows"]:
            assert row["object"]["kind"] == "PartialObjectMetadata"
            assert len(row["cells"]) == len(table["columnDefinitions"])


def test_issuer_discovery_points_to_the_keys_of_service_account_tokens(api: Caller) -> None:
    found = api.get("/.well-known/openid-configuration")
    assert found["jwks_uri"].startswith("https://")
    assert found["jwks_uri"].endswith("/openid/v1/jwks")
    assert {"issuer", "response_types_supported", "subject_types_supported"} <= set(found)
    keys = api.get("/openid/v1/jwks")["keys"]
    assert keys
    assert all(key["use"] == "sig" and key["kid"] for key in keys)


def test_health_is_told_by_check_and_in_whole(api: Caller) -> None:
    for path in ("/healthz", "/livez", "/readyz"):
        assert api.send("GET", path).text == "ok"
        verbose = api.send("GET", path, verbose="").text
        assert verbose.startswith("[+]ping ok\n")
        assert verbose.endswith(f"{path[1:]} check passed\n")
        assert api.send("GET", f"{path}/ping").text == "ok"
        assert "excluded: ok" in api.send("GET", path, verbose="", exclude="ping").text
