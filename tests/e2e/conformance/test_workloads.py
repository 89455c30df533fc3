"""Workloads through their life: status, scale, revisions, deletion by collection and through their owners."""

from __future__ import annotations

import pytest

from tests.e2e.conformance.caller import STRATEGIC, Caller, Object, unique
from tests.support.running import eventually

APPS = "/apis/apps/v1"


def template(app: str, **spec: object) -> Object:
    """A pod template that simulated nodes run."""
    containers = [{"name": "c", "image": "i"}]
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": containers, **spec}}


def workload(kind: str, name: str, **spec: object) -> Object:
    """A workload of apps/v1 that selects by its name."""
    body: Object = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "labels": {"app": name}}}
    return body | {"spec": {"selector": {"matchLabels": {"app": name}}, "template": template(name), **spec}}


def collection(namespace: str, plural: str) -> str:
    """Where workloads lie."""
    return f"{APPS}/namespaces/{namespace}/{plural}"


def pods(api: Caller, namespace: str, app: str) -> list[Object]:
    """The pods of a workload that are not about to go."""
    found = api.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"app={app}")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def running(api: Caller, namespace: str, plural: str, body: Object) -> str:
    """Make a workload and wait until all its replicas are ready; its path."""
    api.create(collection(namespace, plural), body)
    path = f"{collection(namespace, plural)}/{body['metadata']['name']}"
    eventually(lambda: api.get(path)["status"].get("readyReplicas") == body["spec"]["replicas"])
    return path


KINDS = [
    ("deployments", "Deployment", {}),
    ("replicasets", "ReplicaSet", {}),
    ("statefulsets", "StatefulSet", {"serviceName": "s"}),
]
every_kind = pytest.mark.parametrize(("plural", "kind", "more"), KINDS, ids=[k[0] for k in KINDS])


@every_kind
def test_replicas_run_scale_and_are_deleted_together(
    api: Caller, namespace: str, plural: str, kind: str, more: Object
) -> None:
    path = running(api, namespace, plural, workload(kind, "w", replicas=1, **more))
    scale = api.get(f"{path}/scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 1}, {"replicas": 1, "selector": "app=w"})
    scale["spec"]["replicas"] = 2
    api.put(f"{path}/scale", scale)
    eventually(lambda: api.get(path)["status"].get("readyReplicas") == 2)
    api.patch(f"{path}/scale", {"spec": {"replicas": 3}}, STRATEGIC)
    eventually(lambda: len(pods(api, namespace, "w")) == 3)
    found = api.get(path)
    api.patch(path, {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "j"}]}}}}, STRATEGIC)
    assert api.get(path)["metadata"]["generation"] == found["metadata"]["generation"] + 1
    eventually(lambda: api.get(path)["status"]["observedGeneration"] == found["metadata"]["generation"] + 1)
    api.delete(collection(namespace, plural), labelSelector="app=w")
    eventually(lambda: api.send("GET", path).status_code == 404)
    eventually(lambda: not pods(api, namespace, "w"))


@every_kind
def test_a_condition_of_others_is_seen_by_watchers_of_the_status(
    api: Caller, namespace: str, plural: str, kind: str, more: Object
) -> None:
    path = running(api, namespace, plural, workload(kind, "w", replicas=1, **more))
    version = api.get(path)["metadata"]["resourceVersion"]
    told: Object = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}

    def written() -> bool:
        found = api.get(f"{path}/status")
        found["status"]["conditions"] = [*found["status"].get("conditions", ()), told]
        return api.send("PUT", f"{path}/status", found).status_code == 200

    eventually(written)
    patched = api.patch(f"{path}/status", {"status": {"conditions": [{**told, "type": "StatusPatched"}]}})
    assert [c["type"] for c in patched["status"]["conditions"]] == ["StatusPatched"]
    seen = set()
    for event in api.watch(collection(namespace, plural), seconds=5, resourceVersion=version):
        seen |= {c["type"] for c in event["object"]["status"].get("conditions", ())}
        if {"StatusUpdate", "StatusPatched"} <= seen:
            break
    assert {"StatusUpdate", "StatusPatched"} <= seen
    assert api.get(path)["spec"]["replicas"] == 1


def test_revisions_of_a_daemon_set_are_listed_labelled_replaced_and_deleted(api: Caller, namespace: str) -> None:
    sets, revisions = collection(namespace, "daemonsets"), collection(namespace, "controllerrevisions")
    made = api.create(sets, workload("DaemonSet", "d"))
    eventually(lambda: api.get(f"{sets}/d")["status"]["numberReady"] == 3)

    def listed() -> list[Object]:
        return list(api.get(revisions, labelSelector="app=d")["items"])

    first = eventually(lambda: listed())[0]
    assert (first["revision"], first["metadata"]["ownerReferences"][0]["uid"]) == (1, made["metadata"]["uid"])
    path = f"{revisions}/{first['metadata']['name']}"
    assert api.patch(path, {"metadata": {"labels": {"patched": "yes"}}})["metadata"]["labels"]["patched"] == "yes"
    metadata = {"name": "other", "labels": {"app": "d"}, "ownerReferences": first["metadata"]["ownerReferences"]}
    body: Object = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata}
    api.create(revisions, body | {"data": first["data"], "revision": 2})
    assert len(listed()) == 2
    api.delete(f"{revisions}/other")
    eventually(lambda: len(listed()) == 1)
    found = api.get(path)
    found["metadata"]["labels"]["updated"] = "yes"
    assert api.put(path, found)["metadata"]["labels"]["updated"] == "yes"
    refused = api.send("PATCH", path, {"data": {"other": 1}}, kind="application/merge-patch+json")
    assert refused.status_code == 422
    api.patch(f"{sets}/d", {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}, STRATEGIC)
    eventually(lambda: len(listed()) == 2)
    api.delete(revisions, labelSelector="patched=yes")
    eventually(lambda: len(listed()) == 1)
    assert listed()[0]["revision"] > 1


def test_a_job_is_suspended_labelled_annotated_found_everywhere_and_deleted_by_label(
    api: Caller, namespace: str
) -> None:
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    label = unique("j")
    body: Object = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "labels": {"e2e": label}}}
    api.create(jobs, body | {"spec": {"suspend": True, "template": template("j", restartPolicy="Never")}})
    api.patch(f"{jobs}/j", {"metadata": {"labels": {"e2e-patched": "true"}}}, STRATEGIC)
    found = api.get(f"{jobs}/j")
    found["spec"]["suspend"] = False
    found["metadata"]["annotations"] = {"updated": "true"}
    eventually(
        lambda: api.send("PUT", f"{jobs}/j", {**found, "metadata": _current(api, f"{jobs}/j", found)}).is_success
    )
    eventually(lambda: api.get(f"{jobs}/j")["status"].get("active") == 1)
    for selector in ("job-name=j", "batch.kubernetes.io/job-name=j"):
        assert len(api.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)["items"]) == 1
    everywhere = api.get("/apis/batch/v1/jobs", labelSelector=f"e2e={label}")["items"]
    assert [job["metadata"]["annotations"]["updated"] for job in everywhere] == ["true"]
    api.delete(jobs, {"propagationPolicy": "Background"}, labelSelector=f"e2e={label}")
    eventually(lambda: api.send("GET", f"{jobs}/j").status_code == 404)


def _current(api: Caller, path: str, wanted: Object) -> Object:
    metadata: Object = wanted["metadata"] | {"resourceVersion": api.get(path)["metadata"]["resourceVersion"]}
    return metadata


def test_a_disruption_budget_blocks_an_eviction_until_it_allows_it(api: Caller, namespace: str) -> None:
    budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    running(api, namespace, "replicasets", workload("ReplicaSet", "rs", replicas=3))
    body: Object = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}}
    api.create(budgets, body | {"spec": {"minAvailable": 3, "selector": {"matchLabels": {"app": "rs"}}}})

    def counted(allowed: int) -> bool:
        status = api.get(f"{budgets}/b").get("status", {})
        return bool((status.get("currentHealthy"), status.get("disruptionsAllowed")) == (3, allowed))

    eventually(lambda: counted(0))
    conditions = api.get(f"{budgets}/b")["status"]["conditions"]
    assert [(c["type"], c["status"], c["reason"]) for c in conditions] == [
        ("DisruptionAllowed", "False", "InsufficientPods")
    ]
    name = pods(api, namespace, "rs")[0]["metadata"]["name"]
    eviction: Object = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
    refused = api.create(path, eviction, expect=429)
    assert refused["details"]["causes"][0]["reason"] == "DisruptionBudget"
    api.patch(f"{budgets}/b", {"spec": {"minAvailable": 2}})
    eventually(lambda: counted(1))
    api.create(path, eviction)
    eventually(lambda: name not in [pod["metadata"]["name"] for pod in pods(api, namespace, "rs")])
    api.delete(budgets, labelSelector="")
    assert api.get(budgets)["items"] == []


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
def test_dependants_go_with_their_owner_or_stay(api: Caller, namespace: str, policy: str) -> None:
    path = running(api, namespace, "deployments", workload("Deployment", "d", replicas=2))
    sets = collection(namespace, "replicasets")
    api.delete(path, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy})
    eventually(lambda: api.send("GET", path).status_code == 404)
    if policy == "Orphan":
        eventually(lambda: "ownerReferences" not in api.get(sets)["items"][0]["metadata"])
        assert len(pods(api, namespace, "d")) == 2
    else:
        eventually(lambda: api.get(sets)["items"] == [])
        eventually(lambda: pods(api, namespace, "d") == [])


def test_owners_in_a_circle_do_not_hold_each_other(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    made = {}
    for number in (1, 2, 3):
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod{number}"}}
        made[number] = api.create(path, body | {"spec": template("x", schedulerName="nobody")["spec"]})
    for number, owner in ((1, 3), (2, 1), (3, 2)):
        reference = {"apiVersion": "v1", "kind": "Pod", "controller": True, "blockOwnerDeletion": True}
        reference |= {"name": f"pod{owner}", "uid": made[owner]["metadata"]["uid"]}
        api.patch(f"{path}/pod{number}", {"metadata": {"ownerReferences": [reference]}})
    api.delete(f"{path}/pod1", {"propagationPolicy": "Foreground"})
    eventually(lambda: api.get(path)["items"] == [])


def test_a_dependant_of_two_owners_stays_while_one_does(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"

    def made(name: str, *owners: Object) -> Object:
        metadata: Object = {"name": name}
        if owners:
            references = [{"name": o["metadata"]["name"], "uid": o["metadata"]["uid"]} for o in owners]
            metadata["ownerReferences"] = [
                {"apiVersion": "v1", "kind": "ConfigMap", "blockOwnerDeletion": True, **r} for r in references
            ]
        found: Object = api.create(path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        return found

    going, staying = made("going"), made("staying")
    made("of-both", going, staying)
    made("of-one", going)
    api.delete(f"{path}/going", {"propagationPolicy": "Foreground"})
    eventually(lambda: api.send("GET", f"{path}/going").status_code == 404)
    assert api.send("GET", f"{path}/of-one").status_code == 404
    left = api.get(f"{path}/of-both")["metadata"]
    assert [owner["name"] for owner in left["ownerReferences"]] == ["staying"]
    assert "deletionTimestamp" not in left


def test_a_pod_is_watched_patched_evicted_and_its_status_written(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    start = api.get(path)["metadata"]["resourceVersion"]
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"test-pod-static": "true"}}}
    api.create(path, body | {"spec": template("x")["spec"]})
    eventually(lambda: api.get(f"{path}/p")["status"]["phase"] == "Running")
    api.patch(f"{path}/p", {"metadata": {"labels": {"test-pod": "patched"}}}, STRATEGIC)
    conditions = [{"type": "example.com/Seen", "status": "True"}]
    patched = api.patch(f"{path}/p/status", {"status": {"conditions": conditions}}, STRATEGIC)
    assert "example.com/Seen" in [c["type"] for c in patched["status"]["conditions"]]
    assert "Ready" in [c["type"] for c in patched["status"]["conditions"]]
    api.delete(path, labelSelector="test-pod-static=true")
    events = api.until(path, "ADDED", "DELETED", resourceVersion=start, labelSelector="test-pod-static=true")
    assert events[-1]["object"]["metadata"]["labels"]["test-pod"] == "patched"


def test_a_service_s_status_is_written_by_itself_and_services_are_deleted_together(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"
    label = unique("s")
    for name in ("a", "b", "c"):
        body: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": {"l": label}}}
        api.create(
            path, body | {"spec": {"type": "LoadBalancer" if name == "a" else "ClusterIP", "ports": [{"port": 80}]}}
        )
    status = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
    told = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": status}
    patched = api.patch(f"{path}/a/status", told)
    assert patched["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.1"
    assert patched["metadata"]["annotations"] == {"patchedstatus": "true"}
    api.delete(path, labelSelector=f"l={label}")
    assert api.get(path, labelSelector=f"l={label}")["items"] == []


def test_endpoint_slices_and_endpoints_follow_the_pods_of_a_service(api: Caller, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    body: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    api.create(
        f"{base}/services", body | {"spec": {"selector": {"app": "rs"}, "ports": [{"name": "http", "port": 80}]}}
    )
    api.create(collection(namespace, "replicasets"), workload("ReplicaSet", "rs", replicas=2))
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"

    def ready() -> bool:
        found = api.get(slices, labelSelector="kubernetes.io/service-name=s")["items"]
        endpoints = [e for one in found for e in one.get("endpoints") or () if e["conditions"]["ready"]]
        subsets = api.get(f"{base}/endpoints/s").get("subsets", [])
        addresses = {a["ip"] for subset in subsets for a in subset.get("addresses", ())}
        return len(endpoints) == 2 and addresses == {e["addresses"][0] for e in endpoints}

    eventually(lambda: api.send("GET", f"{base}/endpoints/s").status_code == 200 and ready())
    api.delete(f"{base}/services/s")
    eventually(lambda: api.get(slices)["items"] == [])
    eventually(lambda: api.send("GET", f"{base}/endpoints/s").status_code == 404)
