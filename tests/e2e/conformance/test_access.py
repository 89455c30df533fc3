"""Who may do what: reviews, roles, service accounts and their tokens, certificate requests."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.request
from typing import Any

import pytest

from tests.e2e.conformance.caller import Caller, Object, unique
from tests.e2e.conformance.certificates import signing_request
from tests.support.running import Server, eventually

AUTHORIZATION = "/apis/authorization.k8s.io/v1"
AUTHENTICATION = "/apis/authentication.k8s.io/v1"
RBAC = "rbac.authorization.k8s.io"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def account(api: Caller, namespace: str, name: str = "sa") -> str:
    """Make a ServiceAccount; its user name."""
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", body)
    return f"system:serviceaccount:{namespace}:{name}"


def role(api: Caller, namespace: str, user: str, *rules: Object, to: str = "User") -> None:
    """Let a user do something in a namespace."""
    base = f"/apis/{RBAC}/v1/namespaces/{namespace}"
    name = unique("r")
    metadata = {"name": name}
    api.create(f"{base}/roles", {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules})
    body: Object = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
        "subjects": [{"apiGroup": RBAC, "kind": to, "name": user}],
    }
    api.create(f"{base}/rolebindings", body)


GET_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}


def test_reviews_agree_with_what_an_impersonated_account_may_do(api: Caller, namespace: str) -> None:
    user = account(api, namespace)
    pods = f"/api/v1/namespaces/{namespace}/pods"
    attributes = {"namespace": namespace, "verb": "list", "resource": "pods"}

    def allowed() -> list[bool]:
        spec = {"user": user, "resourceAttributes": attributes}
        body: Object = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        whole = api.create(f"{AUTHORIZATION}/subjectaccessreviews", body)
        body["kind"] = "LocalSubjectAccessReview"
        local = api.create(f"{AUTHORIZATION}/namespaces/{namespace}/localsubjectaccessreviews", body)
        own: Object = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        own["spec"] = {"resourceAttributes": attributes}
        acting = api.acting_as(user, "system:authenticated")
        mine = acting.create(f"{AUTHORIZATION}/selfsubjectaccessreviews", own)
        tried = acting.send("GET", pods).status_code == 200
        return [whole["status"]["allowed"], local["status"]["allowed"], mine["status"]["allowed"], tried]

    assert allowed() == [False] * 4
    role(api, namespace, user, GET_PODS)
    eventually(lambda: allowed() == [True] * 4)
    rules: Object = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    rules["spec"] = {"namespace": namespace}
    found = api.acting_as(user).create(f"{AUTHORIZATION}/selfsubjectrulesreviews", rules)["status"]
    assert {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]} in found["resourceRules"]
    assert found["incomplete"] is False


def test_nobody_grants_more_than_he_has(api: Caller, namespace: str) -> None:
    user = unique("u")
    manage = {"apiGroups": [RBAC], "resources": ["roles", "rolebindings"], "verbs": ["create"]}
    role(api, namespace, user, manage, GET_PODS)
    roles = f"/apis/{RBAC}/v1/namespaces/{namespace}/roles"
    body: Object = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "mine"}, "rules": [GET_PODS]}
    acting = api.acting_as(user)
    eventually(lambda: acting.send("POST", roles, body, dryRun="All").status_code == 201)
    body["rules"] = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    refused = acting.create(roles, body, expect=403)
    assert "is attempting to grant RBAC permissions not currently held" in refused["message"]


def test_aggregated_roles_gather_the_rules_of_others(api: Caller) -> None:
    label = unique("l")
    base = f"/apis/{RBAC}/v1/clusterroles"
    whole: Object = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": unique("all")}}
    selector = [{"matchLabels": {"aggregate-to": label}}]
    made = api.create(base, {**whole, "aggregationRule": {"clusterRoleSelectors": selector}})
    part = {**whole, "metadata": {"name": unique("part"), "labels": {"aggregate-to": label}}, "rules": [GET_PODS]}
    api.create(base, part)
    eventually(lambda: api.get(f"{base}/{made['metadata']['name']}")["rules"] == [GET_PODS])
    for body in (whole, part):
        api.delete(f"{base}/{body['metadata']['name']}")


def test_one_may_ask_who_one_is(api: Caller) -> None:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    found = api.acting_as("jane", "developers").create(f"{AUTHENTICATION}/selfsubjectreviews", body)
    assert found["status"]["userInfo"]["username"] == "jane"
    assert set(found["status"]["userInfo"]["groups"]) >= {"developers", "system:authenticated"}


def claims(token: str) -> Any:
    """What a token says."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_a_token_of_an_account_says_who_it_is_until_its_pod_goes(
    api: Caller, namespace: str, simulated: Server
) -> None:
    user = account(api, namespace)
    base = f"/api/v1/namespaces/{namespace}"
    pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    spec = {"serviceAccountName": "sa", "schedulerName": "nobody", "containers": [{"name": "c", "image": "i"}]}
    made = api.create(f"{base}/pods", pod | {"spec": spec})
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": made["metadata"]["uid"]}
    asked: Object = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    asked["spec"] = {"expirationSeconds": 600, "boundObjectRef": reference}
    token = api.create(f"{base}/serviceaccounts/sa/token", asked)["status"]["token"]
    told = claims(token)
    assert told["sub"] == user
    assert told["kubernetes.io"]["pod"] == {"name": "p", "uid": made["metadata"]["uid"]}
    assert told["exp"] - told["iat"] == 600
    assert told["iss"] == api.get("/.well-known/openid-configuration")["issuer"]

    def review() -> Object:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        return dict(api.create(f"{AUTHENTICATION}/tokenreviews", body)["status"])

    status = review()
    assert (status["authenticated"], status["user"]["username"]) == (True, user)
    assert f"system:serviceaccounts:{namespace}" in status["user"]["groups"]
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]
    assert with_token(simulated, token, "/api/v1/namespaces") == 403  # known, and allowed nothing
    assert with_token(simulated, token[:-4] + "AAAA", "/api/v1/namespaces") == 401
    api.delete(f"{base}/pods/p", {"gracePeriodSeconds": 0})
    eventually(lambda: not review().get("authenticated"))
    assert with_token(simulated, token, "/api/v1/namespaces") == 401


def with_token(server: Server, token: str, path: str) -> int:
    """The status of a GET over TLS with a bearer token."""
    request = urllib.request.Request(server.url + path, headers={"Authorization": f"Bearer {token}"})
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


AUTOMOUNT = [(None, None, True), (None, True, True), (None, False, False), (True, False, True), (True, None, True)]
AUTOMOUNT += [(False, None, False), (False, True, False), (False, False, False), (True, True, True)]


@pytest.mark.parametrize(("by_pod", "by_account", "mounted"), AUTOMOUNT)
def test_a_token_is_mounted_unless_pod_or_account_opt_out(
    api: Caller, namespace: str, by_pod: bool | None, by_account: bool | None, mounted: bool
) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    body: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "mount"}}
    api.create(f"{base}/serviceaccounts", body | {"automountServiceAccountToken": by_account})
    spec: Object = {"serviceAccountName": "mount", "containers": [{"name": "c", "image": "i"}]}
    spec |= {"automountServiceAccountToken": by_pod, "schedulerName": "nobody"}
    pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    made = api.create(f"{base}/pods", pod, dryRun="All")
    mounts = made["spec"]["containers"][0].get("volumeMounts", [])
    assert ["/var/run/secrets/kubernetes.io/serviceaccount"] * mounted == [m["mountPath"] for m in mounts]
    if mounted:
        sources = made["spec"]["volumes"][0]["projected"]["sources"]
        assert [next(iter(source)) for source in sources] == ["serviceAccountToken", "configMap", "downwardAPI"]


def test_an_account_is_made_watched_changed_found_and_deleted(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    start = api.get(path)["metadata"]["resourceVersion"]
    body: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "life"}}
    body["metadata"]["labels"] = {"test-serviceaccount-static": "true"}
    api.create(path, body)
    patched = api.patch(f"{path}/life", {"automountServiceAccountToken": False})
    assert patched["automountServiceAccountToken"] is False
    found = api.get("/api/v1/serviceaccounts", labelSelector="test-serviceaccount-static=true")["items"]
    assert [i["automountServiceAccountToken"] for i in found if i["metadata"]["namespace"] == namespace] == [False]
    api.put(f"{path}/life", {**patched, "automountServiceAccountToken": True})
    api.delete(path, labelSelector="test-serviceaccount-static=true")
    selector = "test-serviceaccount-static=true"
    events = api.until(path, "ADDED", "MODIFIED", "DELETED", resourceVersion=start, labelSelector=selector)
    assert events[-1]["object"]["automountServiceAccountToken"] is True


def test_a_certificate_request_is_approved_once_and_signed(api: Caller) -> None:
    spec: Object = {"request": signing_request(), "signerName": "kubernetes.io/kube-apiserver-client"}
    spec |= {"usages": ["digital signature", "key encipherment", "client auth"], "expirationSeconds": 600}
    name = unique("csr")
    body = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name}}
    made = api.create(CSRS, body | {"spec": spec})
    path = f"{CSRS}/{name}"
    assert made["spec"]["username"]  # whose it is, is for the server to say
    approved = {"type": "Approved", "status": "True", "reason": "E2E", "message": "Set from an e2e test"}
    refused = api.put(path, {**made, "status": {"conditions": [approved]}})
    assert not refused.get("status", {}).get("conditions")  # the object itself is no way to approve
    found = api.patch(f"{path}/approval", {"status": {"conditions": [approved]}})
    assert [c["type"] for c in found["status"]["conditions"]] == ["Approved"]
    changed = [{**found["status"]["conditions"][0], "type": "Denied"}]
    assert api.send("PUT", f"{path}/approval", {**found, "status": {"conditions": changed}}).status_code in (409, 422)
    signed = eventually(lambda: api.get(path)["status"].get("certificate"))
    assert base64.b64decode(signed).startswith(b"-----BEGIN CERTIFICATE-----")
    denied = api.send(
        "PATCH", f"{path}/status", {"status": {"certificate": "Zm9v"}}, kind="application/merge-patch+json"
    )
    assert denied.status_code == 422
    api.delete(path)


@pytest.mark.parametrize(
    ("user", "groups", "path", "code"),
    [
        ("system:node:sim-0", ("system:nodes",), "/api/v1/nodes/sim-0", 200),
        ("system:node:sim-0", ("system:nodes",), "/api/v1/nodes/sim-1", 403),
        ("system:node:sim-0", ("system:nodes",), "/api/v1/namespaces/default/secrets/none", 403),
        ("system:node:sim-0", ("system:nodes",), "/api/v1/namespaces/default/configmaps/none", 403),
        ("system:anonymous", ("system:unauthenticated",), "/api/v1/namespaces", 403),
        ("system:anonymous", ("system:unauthenticated",), "/version", 200),
    ],
)
def test_nodes_and_strangers_see_little(api: Caller, user: str, groups: tuple[str, ...], path: str, code: int) -> None:
    assert api.acting_as(user, *groups).send("GET", path).status_code == code


def test_a_node_sees_the_secret_of_a_pod_that_it_runs_and_makes_no_other_node(api: Caller, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    api.create(f"{base}/secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
    node = api.acting_as("system:node:sim-0", "system:nodes")
    assert node.send("GET", f"{base}/secrets/s").status_code == 403
    volumes = [{"name": "v", "secret": {"secretName": "s"}}]
    spec = {"nodeName": "sim-0", "containers": [{"name": "c", "image": "i"}], "volumes": volumes}
    api.create(f"{base}/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
    eventually(lambda: node.send("GET", f"{base}/secrets/s").status_code == 200)
    other = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "other"}}
    assert node.send("POST", "/api/v1/nodes", other).status_code == 403
    assert node.send("DELETE", "/api/v1/nodes/sim-1").status_code == 403
    api.delete(f"{base}/pods/p", {"gracePeriodSeconds": 0})


def test_a_level_of_pod_security_is_enforced_warned_of_and_checked_with_workloads(api: Caller, namespace: str) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"}
    api.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": labels}})
    base = f"/api/v1/namespaces/{namespace}"
    pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    plain: Object = {"schedulerName": "nobody", "containers": [{"name": "c", "image": "i"}]}
    refused = api.create(f"{base}/pods", pod | {"spec": {**plain, "hostNetwork": True}}, expect=403)
    assert 'violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)' in refused["message"]
    answer = api.send("POST", f"{base}/pods", pod | {"spec": plain})
    assert answer.status_code == 201
    assert 'would violate PodSecurity \\"restricted:latest\\"' in answer.headers["Warning"]
