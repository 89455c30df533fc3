"""Namespaces and the quota in them."""

from __future__ import annotations

import pytest

from tests.e2e.conformance.caller import Caller, Object, unique
from tests.support.running import eventually


def test_a_finalizer_of_the_spec_is_set_and_removed(api: Caller) -> None:
    name = unique("fin")
    path = f"/api/v1/namespaces/{name}"
    found = api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    assert found["spec"]["finalizers"] == ["kubernetes"]
    found["spec"]["finalizers"].append("e2e.example.com/fakeFinalizer")
    api.put(f"{path}/finalize", found)
    found = api.get(path)
    assert found["spec"]["finalizers"] == ["kubernetes", "e2e.example.com/fakeFinalizer"]
    api.delete(path)
    eventually(lambda: api.get(path)["spec"]["finalizers"] == ["e2e.example.com/fakeFinalizer"])
    assert api.get(path)["status"]["phase"] == "Terminating"
    found = api.get(path)
    found["spec"]["finalizers"] = []
    api.put(f"{path}/finalize", found)
    eventually(lambda: api.send("GET", path).status_code == 404)


def test_status_is_patched_and_updated_and_the_phase_stays(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/status"
    found = api.get(path)
    assert found["status"]["phase"] == "Active"
    told = {"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "Patched by a test"}
    found = api.patch(path, {"metadata": {"annotations": {"e2e-patched": "true"}}, "status": {"conditions": [told]}})
    assert found["metadata"]["annotations"] == {"e2e-patched": "true"}
    assert found["status"]["conditions"][0].items() >= told.items()
    found["status"]["conditions"].append({**told, "type": "StatusUpdate", "message": "Updated by a test"})
    found = api.put(path, found)
    assert [c["type"] for c in found["status"]["conditions"]] == ["StatusPatch", "StatusUpdate"]
    assert found["status"]["phase"] == "Active"


def test_labels_are_updated_and_the_name_label_stays(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    found = api.get(path)
    found["metadata"]["labels"]["updated"] = "yes"
    assert api.put(path, found)["metadata"]["labels"] == {"kubernetes.io/metadata.name": namespace, "updated": "yes"}
    patched = api.patch(path, {"metadata": {"labels": {"testLabel": "testValue", "updated": None}}})
    assert patched["metadata"]["labels"] == {"kubernetes.io/metadata.name": namespace, "testLabel": "testValue"}


def test_deletion_removes_pods_and_services_pods_first(api: Caller) -> None:
    name = unique("gone")
    api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    base = f"/api/v1/namespaces/{name}"
    eventually(lambda: api.send("GET", f"{base}/serviceaccounts/default").status_code == 200)
    pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "finalizers": ["e2e.example.com/hold"]}}
    api.create(f"{base}/pods", pod | {"spec": {"containers": [{"name": "c", "image": "i"}]}})
    service: Object = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80}]},
    }
    api.create(f"{base}/services", service)
    api.create(f"{base}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}})
    api.delete(base)

    def explained() -> bool:
        conditions = {c["type"]: c for c in api.get(base)["status"].get("conditions", ())}
        return (
            conditions["NamespaceContentRemaining"]["status"] == "True"
            and "pods. has 1 resource instances" in conditions["NamespaceContentRemaining"]["message"]
            and "e2e.example.com/hold in 1 resource instances" in conditions["NamespaceFinalizersRemaining"]["message"]
        )

    eventually(lambda: api.get(base)["status"].get("conditions") and explained())
    assert api.send("GET", f"{base}/configmaps/kept").status_code == 200  # while pods remain the rest is theirs to use
    refused = api.send("POST", f"{base}/services", {**service, "metadata": {"name": "late"}})
    assert refused.status_code == 403
    assert "because it is being terminated" in refused.json()["message"]
    api.patch(f"{base}/pods/p", {"metadata": {"finalizers": None}})
    eventually(lambda: api.send("GET", base).status_code == 404)
    api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    assert api.get(f"{base}/services")["items"] == []
    assert api.get(f"{base}/pods")["items"] == []
    api.delete(base)


def test_the_root_certificate_is_made_made_again_and_put_right(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt"
    eventually(lambda: api.send("GET", path).status_code == 200)
    first = api.get(path)
    api.delete(path)
    eventually(lambda: api.send("GET", path).status_code == 200)
    assert api.get(path)["metadata"]["uid"] != first["metadata"]["uid"]
    api.patch(path, {"data": {"ca.crt": ""}})
    eventually(lambda: api.get(path)["data"] == first["data"])


COUNTED: list[tuple[str, str, Object]] = [
    ("configmaps", "/api/v1", {"kind": "ConfigMap"}),
    ("secrets", "/api/v1", {"kind": "Secret"}),
    ("services", "/api/v1", {"kind": "Service", "spec": {"ports": [{"port": 80}]}}),
    (
        "replicationcontrollers",
        "/api/v1",
        {"kind": "ReplicationController", "spec": {"replicas": 0, "selector": {"a": "b"}}},
    ),
    (
        "persistentvolumeclaims",
        "/api/v1",
        {
            "kind": "PersistentVolumeClaim",
            "spec": {
                "storageClassName": "none",
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        },
    ),
    ("count/replicasets.apps", "/apis/apps/v1", {"kind": "ReplicaSet", "spec": {"replicas": 0}}),
    ("count/leases.coordination.k8s.io", "/apis/coordination.k8s.io/v1", {"kind": "Lease"}),
]


@pytest.mark.parametrize(("resource", "base", "body"), COUNTED, ids=[c[0] for c in COUNTED])
def test_quota_captures_the_life_of_an_object(
    api: Caller, namespace: str, resource: str, base: str, body: Object
) -> None:
    quotas = f"/api/v1/namespaces/{namespace}/resourcequotas"
    quota = f"{quotas}/q"
    hard = {resource: "20", "resourcequotas": "1"}
    api.create(quotas, {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}})
    eventually(lambda: api.get(quota)["status"].get("used", {}).get("resourcequotas") == "1")
    assert api.get(quota)["status"]["hard"] == hard
    before = int(api.get(quota)["status"]["used"][resource])
    plural = resource.removeprefix("count/").split(".")[0]
    if body["kind"] in ("ReplicaSet", "ReplicationController"):
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        selector = {"a": "b"} if base == "/api/v1" else {"matchLabels": {"a": "b"}}
        body = {**body, "spec": {**body["spec"], "selector": selector, "template": template}}
    version = base.removeprefix("/apis/").removeprefix("/api/")
    path = f"{base}/namespaces/{namespace}/{plural}"
    api.create(path, {"apiVersion": version, "metadata": {"name": "counted"}, **body})
    assert api.get(quota)["status"]["used"][resource] == str(before + 1)
    api.delete(f"{path}/counted", {"propagationPolicy": "Background"})
    eventually(lambda: api.get(quota)["status"]["used"][resource] == str(before))


def pod(name: str, requests: dict[str, str] | None = None, **spec: object) -> Object:
    """A pod that nobody schedules."""
    resources = {"resources": {"requests": requests, "limits": requests}} if requests else {}
    container = {"name": "c", "image": "i", **resources}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"schedulerName": "nobody", "containers": [container], **spec},
    }


def test_quota_captures_the_life_of_a_pod_and_refuses_the_next(api: Caller, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    hard = {"cpu": "1", "memory": "500Mi", "pods": "5", "requests.example.com/dongle": "3", "ephemeral-storage": "50Gi"}
    quota: Object = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}}
    api.create(f"{base}/resourcequotas", quota)
    path = f"{base}/resourcequotas/q"
    eventually(lambda: "pods" in api.get(path).get("status", {}).get("used", {}))
    asked = {"cpu": "500m", "memory": "252Mi", "example.com/dongle": "2", "ephemeral-storage": "30Gi"}
    api.create(f"{base}/pods", pod("fits", asked))
    used = api.get(path)["status"]["used"]
    assert used == {
        "cpu": "500m",
        "memory": "252Mi",
        "pods": "1",
        "requests.example.com/dongle": "2",
        "ephemeral-storage": "30Gi",
    }
    refused = api.send(
        "POST", f"{base}/pods", pod("too-much", {"cpu": "600m", "memory": "100Mi"} | {"ephemeral-storage": "1Gi"})
    )
    assert refused.status_code == 403
    assert "exceeded quota: q, requested: cpu=600m, used: cpu=500m, limited: cpu=1" in refused.json()["message"]
    refused = api.send(
        "POST", f"{base}/pods", pod("dongles", {**asked, "cpu": "1m", "memory": "1Mi", "ephemeral-storage": "1"})
    )
    assert "requested: requests.example.com/dongle=2, used: requests.example.com/dongle=2" in refused.json()["message"]
    grown = api.send(
        "PATCH",
        f"{base}/pods/fits",
        [{"op": "replace", "path": "/spec/containers/0/resources/requests/cpu", "value": "100m"}],
        kind="application/json-patch+json",
    )
    assert grown.status_code == 422
    assert api.get(path)["status"]["used"] == used
    api.delete(f"{base}/pods/fits", {"gracePeriodSeconds": 0})
    eventually(lambda: api.get(path)["status"]["used"]["pods"] == "0")
    assert api.get(path)["status"]["used"]["cpu"] == "0"


@pytest.mark.parametrize(
    ("scope", "other", "counted", "passed"),
    [
        ("BestEffort", "NotBestEffort", pod("p"), pod("p", {"cpu": "1m", "memory": "1Mi"})),
        ("Terminating", "NotTerminating", pod("p", activeDeadlineSeconds=3600), pod("p")),
    ],
)
def test_a_scoped_quota_counts_only_what_is_in_its_scope(
    api: Caller, namespace: str, scope: str, other: str, counted: Object, passed: Object
) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    for each in (scope, other):
        metadata = {"name": each.lower()}
        spec = {"hard": {"pods": "5"}, "scopes": [each]}
        api.create(
            f"{base}/resourcequotas",
            {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": spec},
        )

    def used(name: str) -> str:
        return str(api.get(f"{base}/resourcequotas/{name.lower()}").get("status", {}).get("used", {}).get("pods"))

    eventually(lambda: used(scope) == used(other) == "0")
    for body, counts in ((counted, ("1", "0")), (passed, ("0", "1"))):
        api.create(f"{base}/pods", body)
        assert (used(scope), used(other)) == counts
        api.delete(f"{base}/pods/p", {"gracePeriodSeconds": 0})
        eventually(lambda: used(scope) == used(other) == "0")


def test_quota_is_updated_listed_everywhere_and_deleted_by_label(api: Caller, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/resourcequotas"
    label = unique("q")
    body: Object = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "labels": {"kind": label}},
        "spec": {"hard": {"cpu": "1", "memory": "500Mi"}},
    }
    api.create(base, body)
    found = eventually(lambda: "used" in (q := api.get(f"{base}/q")).get("status", {}) and q)
    status = api.get(f"{base}/q/status")
    assert status["status"]["hard"] == found["spec"]["hard"]
    patched = api.patch(f"{base}/q", {"spec": {"hard": {"memory": "750Mi"}}})
    assert patched["spec"]["hard"] == {"cpu": "1", "memory": "750Mi"}
    eventually(lambda: api.get(f"{base}/q/status")["status"]["hard"] == {"cpu": "1", "memory": "750Mi"})
    before = api.get(f"{base}/q")["spec"]
    api.patch(f"{base}/q/status", {"spec": {"hard": {"cpu": "9"}}, "status": {"hard": {"cpu": "2"}}})
    assert api.get(f"{base}/q")["spec"] == before
    assert len(api.get("/api/v1/resourcequotas", labelSelector=f"kind={label}")["items"]) == 1
    api.delete(base, labelSelector=f"kind={label}")
    assert api.send("GET", f"{base}/q").status_code == 404
