"""Promises about single kinds: what is refused, what is filled in, what may not change, what follows what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conformance.caller import Caller, Object, unique
from tests.support.running import eventually


def obj(kind: str, name: str, version: str = "v1", **fields: Any) -> Object:
    """A body."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}


def pod(name: str, **spec: Any) -> Object:
    """A pod that nobody schedules."""
    return obj("Pod", name, spec={"schedulerName": "nobody", "containers": [{"name": "c", "image": "i"}], **spec})


REFUSED: list[tuple[str, Object, int, str]] = [
    ("secrets", obj("Secret", "s", data={"": "dmFsdWU="}), 422, "a valid config key must consist of alphanumeric"),
    ("configmaps", obj("ConfigMap", "c", data={"": "value"}), 422, "a valid config key must consist of alphanumeric"),
    ("pods", pod("p", runtimeClassName="none"), 403, 'pod rejected: RuntimeClass "none" not found'),
    (
        "pods",
        pod("p", securityContext={"sysctls": [{"name": "foo-", "value": "bar"}]}),
        422,
        'spec.securityContext.sysctls[0].name: Invalid value: "foo-": must have at most 253 characters and match regex',
    ),
    ("pods", pod("p", priorityClassName="none"), 403, "no PriorityClass with name none was found"),
    ("services", obj("Service", "S", spec={"ports": [{"port": 80}]}), 422, "a DNS-1035 label must consist of"),
    (
        "services",
        obj("Service", "s", spec={"ports": [{"port": 80}], "clusterIP": "1.2.3.4"}),
        422,
        "not in the valid range",
    ),
]


@pytest.mark.parametrize(("plural", "body", "code", "why"), REFUSED)
def test_what_makes_no_sense_is_refused(
    api: Caller, namespace: str, plural: str, body: Object, code: int, why: str
) -> None:
    refused = api.create(f"/api/v1/namespaces/{namespace}/{plural}", body, expect=code)
    assert why in refused["message"]


@pytest.mark.parametrize(
    ("plural", "kind", "change"),
    [("configmaps", "ConfigMap", {"data": {"a": "2"}}), ("secrets", "Secret", {"stringData": {"a": "2"}})],
)
def test_what_is_immutable_stays_until_it_is_deleted(
    api: Caller, namespace: str, plural: str, kind: str, change: Object
) -> None:
    path = f"/api/v1/namespaces/{namespace}/{plural}"
    api.create(path, obj(kind, "o", **change))
    api.patch(f"{path}/o", {"immutable": True})
    for attempt in ({"immutable": False}, {"data": {"b": "dmFsdWU="}}):
        refused = api.patch(f"{path}/o", attempt, expect=422)
        assert "field is immutable when `immutable` is set" in refused["message"]
    api.patch(f"{path}/o", {"metadata": {"labels": {"a": "b"}}})
    api.delete(f"{path}/o")
    api.create(path, obj(kind, "o", **change))


UNCHANGED: list[tuple[str, Object, Object, str]] = [
    (
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        obj("PriorityClass", "NAME", "scheduling.k8s.io/v1", value=5),
        {"value": 6},
        "may not be changed in an update",
    ),
    (
        "/apis/node.k8s.io/v1/runtimeclasses",
        obj("RuntimeClass", "NAME", "node.k8s.io/v1", handler="a"),
        {"handler": "b"},
        "field is immutable",
    ),
    (
        "/apis/storage.k8s.io/v1/storageclasses",
        obj("StorageClass", "NAME", "storage.k8s.io/v1", provisioner="a.example.com"),
        {"provisioner": "b.example.com"},
        "updates to provisioner are forbidden",
    ),
]


@pytest.mark.parametrize(("path", "body", "change", "why"), UNCHANGED)
def test_what_others_rely_on_may_not_change(api: Caller, path: str, body: Object, change: Object, why: str) -> None:
    name = unique("fixed")
    api.create(path, {**body, "metadata": {"name": name}})
    assert why in api.patch(f"{path}/{name}", change, expect=422)["message"]
    api.delete(f"{path}/{name}")


def test_limits_of_a_namespace_are_filled_in_and_enforced(api: Caller, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    limit = {
        "type": "Container",
        "min": {"cpu": "50m", "memory": "100Mi"},
        "max": {"cpu": "500m", "memory": "500Mi"},
        "default": {"cpu": "500m", "memory": "500Mi"},
        "defaultRequest": {"cpu": "100m", "memory": "200Mi"},
    }
    api.create(f"{base}/limitranges", obj("LimitRange", "l", spec={"limits": [limit]}))
    api.create(f"{base}/pods", pod("defaulted"))
    found = api.get(f"{base}/pods/defaulted")["spec"]["containers"][0]["resources"]
    assert found == {"limits": limit["default"], "requests": limit["defaultRequest"]}
    merged = {"requests": {"cpu": "300m"}, "limits": {"memory": "300Mi"}}
    container = {"name": "c", "image": "i", "resources": merged}
    api.create(f"{base}/pods", pod("partly", containers=[container]))
    found = api.get(f"{base}/pods/partly")["spec"]["containers"][0]["resources"]
    assert found["requests"] == {"cpu": "300m", "memory": "300Mi"}  # the pod's own limit comes before the default
    assert found["limits"] == {"cpu": "500m", "memory": "300Mi"}
    for requests, why in (({"cpu": "10m"}, "minimum cpu usage per Container is 50m"), ({"cpu": "600m"}, "maximum cpu")):
        container = {"name": "c", "image": "i", "resources": {"requests": requests, "limits": {"cpu": "600m"}}}
        refused = api.create(f"{base}/pods", pod("refused", containers=[container]), expect=403)
        assert why in refused["message"]
    api.patch(f"{base}/limitranges/l", {"spec": {"limits": [{**limit, "min": {"cpu": "5m"}}]}})
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "10m"}}}
    api.create(f"{base}/pods", pod("fits", containers=[container]))


def test_the_overhead_of_a_runtime_class_is_filled_in(api: Caller, namespace: str) -> None:
    name = unique("rc")
    overhead = {"podFixed": {"cpu": "10m", "memory": "1Mi"}}
    scheduling = {"nodeSelector": {"foo": "bar"}}
    body = obj("RuntimeClass", name, "node.k8s.io/v1", handler="h", overhead=overhead, scheduling=scheduling)
    api.create("/apis/node.k8s.io/v1/runtimeclasses", body)
    made = api.create(f"/api/v1/namespaces/{namespace}/pods", pod("p", runtimeClassName=name))
    assert made["spec"]["overhead"] == overhead["podFixed"]
    assert made["spec"]["nodeSelector"] == {"foo": "bar"}
    api.delete(f"/apis/node.k8s.io/v1/runtimeclasses/{name}")


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1m"}}, "Burstable"),
        ({"limits": {"cpu": "1m", "memory": "1Mi"}}, "Guaranteed"),
    ],
)
def test_a_pod_tells_its_class_of_service(api: Caller, namespace: str, resources: Object, qos: str) -> None:
    container = {"name": "c", "image": "i", "resources": resources}
    made = api.create(f"/api/v1/namespaces/{namespace}/pods", pod("p", containers=[container]))
    assert made["status"]["qosClass"] == qos


@pytest.mark.parametrize(
    ("plural", "kind", "version", "selector"),
    [
        ("replicationcontrollers", "ReplicationController", "v1", {"app": "x"}),
        ("replicasets", "ReplicaSet", "apps/v1", {"matchLabels": {"app": "x"}}),
    ],
)
def test_a_quota_that_is_used_up_shows_as_a_condition_and_clears(
    api: Caller, namespace: str, plural: str, kind: str, version: str, selector: Object
) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    api.create(f"{base}/resourcequotas", obj("ResourceQuota", "q", spec={"hard": {"pods": "2"}}))
    eventually(lambda: api.get(f"{base}/resourcequotas/q").get("status", {}).get("used"))
    path = f"{base if version == 'v1' else '/apis/apps/v1/namespaces/' + namespace}/{plural}"
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    api.create(path, obj(kind, "w", version, spec={"replicas": 3, "selector": selector, "template": template}))

    def failure() -> Object | None:
        conditions = api.get(f"{path}/w").get("status", {}).get("conditions", ())
        return next((c for c in conditions if c["type"] == "ReplicaFailure"), None)

    found = eventually(failure)
    assert (found["status"], found["reason"]) == ("True", "FailedCreate")
    assert "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2" in found["message"]
    api.patch(f"{path}/w/scale", {"spec": {"replicas": 2}})
    eventually(lambda: failure() is None)


def test_endpoints_that_somebody_writes_are_mirrored(api: Caller, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    name = "kubernetes.io/service-name=custom"
    api.create(f"{base}/services", obj("Service", "custom", spec={"ports": [{"name": "e", "port": 80}]}))
    subsets = [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}]
    api.create(f"{base}/endpoints", obj("Endpoints", "custom", subsets=subsets))

    def mirrored() -> list[str]:
        return [e["addresses"][0] for s in api.get(slices, labelSelector=name)["items"] for e in s["endpoints"] or ()]

    eventually(lambda: mirrored() == ["10.1.2.3"])
    found = api.get(slices, labelSelector=name)["items"][0]
    by = "endpointslicemirroring-controller.k8s.io"
    assert found["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == by
    subsets = [{"addresses": [{"ip": "10.2.3.4"}], "ports": [{"port": 80}]}]
    api.patch(f"{base}/endpoints/custom", {"subsets": subsets})
    eventually(lambda: mirrored() == ["10.2.3.4"])
    api.delete(f"{base}/endpoints/custom")
    eventually(lambda: mirrored() == [])


def test_volumes_and_claims_are_bound_and_released_by_the_api(api: Caller, namespace: str) -> None:
    name = unique("pv")
    spec: Object = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}}
    spec |= {"storageClassName": name, "persistentVolumeReclaimPolicy": "Retain"}
    api.create("/api/v1/persistentvolumes", obj("PersistentVolume", name, spec=spec))
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    asked = {"accessModes": ["ReadWriteOnce"], "storageClassName": name, "resources": {"requests": {"storage": "1Gi"}}}
    api.create(claims, obj("PersistentVolumeClaim", "c", spec=asked))
    eventually(lambda: api.get(f"{claims}/c")["status"]["phase"] == "Bound")
    assert api.get(f"/api/v1/persistentvolumes/{name}")["status"]["phase"] == "Bound"
    api.delete(f"{claims}/c")
    eventually(lambda: api.send("GET", f"{claims}/c").status_code == 404)
    eventually(lambda: api.get(f"/api/v1/persistentvolumes/{name}")["status"]["phase"] == "Released")
    api.delete(f"/api/v1/persistentvolumes/{name}")
    eventually(lambda: api.send("GET", f"/api/v1/persistentvolumes/{name}").status_code == 404)
