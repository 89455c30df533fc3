"""Pods: what they are given."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.kinds.pod.defaults import pull_policy
from tests.resources.kinds.cases import Change, changed, create, resource
from tests.resources.kinds.pod.test_validation import VALID

KIND = resource("", "pods")


def test_a_minimal_pod() -> None:
    made, errors = create(KIND, {**VALID, "status": {"phase": "Running"}})
    assert not errors
    assert made["spec"] == {
        "containers": [
            {
                "name": "c",
                "image": "nginx",
                "imagePullPolicy": "Always",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1", "IfNotPresent"),
        ("host:5000/a/nginx", "Always"),
        ("host:5000/a/nginx:1", "IfNotPresent"),
        ("nginx@sha256:" + "0" * 64, "IfNotPresent"),
        (" nginx", "IfNotPresent"),
        ("a" * 237, "Always"),
        ("a" * 238, "IfNotPresent"),
        ("r.io/" + "a" * 250, "Always"),
        ("a/" + "a" * 244, "IfNotPresent"),
    ],
)
def test_images_without_a_tag_are_pulled_always(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def _at(obj: Any, path: str) -> Any:
    for step in path.split("."):
        obj = obj[int(step)] if isinstance(obj, list) else obj[step]
    return obj


PROBE = {"httpGet": {"port": 80}}


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        ({"spec.containers.0.ports": [{"containerPort": 1}]}, "spec.containers.0.ports.0.protocol", "TCP"),
        ({"spec.containers.0.livenessProbe": PROBE}, "spec.containers.0.livenessProbe.periodSeconds", 10),
        ({"spec.containers.0.livenessProbe": PROBE}, "spec.containers.0.livenessProbe.timeoutSeconds", 1),
        ({"spec.containers.0.livenessProbe": PROBE}, "spec.containers.0.livenessProbe.failureThreshold", 3),
        ({"spec.containers.0.livenessProbe": PROBE}, "spec.containers.0.livenessProbe.httpGet.scheme", "HTTP"),
        ({"spec.containers.0.lifecycle.preStop": PROBE}, "spec.containers.0.lifecycle.preStop.httpGet.path", "/"),
        ({"spec.containers.0.resources.limits": {"cpu": "1"}}, "spec.containers.0.resources.requests", {"cpu": "1"}),
        ({"spec.volumes": [{"name": "v"}]}, "spec.volumes.0.emptyDir", {}),
        ({"spec.volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, "spec.volumes.0.secret.defaultMode", 420),
        ({"spec.volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}, "spec.volumes.0.hostPath.type", ""),
        ({"spec.serviceAccountName": "a"}, "spec.serviceAccount", "a"),
        (
            {"spec.hostNetwork": True, "spec.containers.0.ports": [{"containerPort": 80}]},
            "spec.containers.0.ports.0.hostPort",
            80,
        ),
        (
            {"spec.containers.0.env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
            "spec.containers.0.env.0.valueFrom.fieldRef.apiVersion",
            "v1",
        ),
    ],
)
def test_a_default(change: Change, path: str, value: Any) -> None:
    made, errors = create(KIND, changed(VALID, change))
    assert not errors
    assert _at(made, path) == value


BOTH = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": BOTH}, "Guaranteed"),
        ({"limits": BOTH, "requests": {"cpu": "500m", "memory": "1Gi"}}, "Burstable"),
        ({"requests": {"cpu": "0"}}, "BestEffort"),
    ],
)
def test_quality_of_service(resources: dict[str, Any], quality: str) -> None:
    made, _ = create(KIND, changed(VALID, {"spec.containers.0.resources": resources}))
    assert made["status"]["qosClass"] == quality


@pytest.mark.parametrize(
    ("change", "asked", "seconds"),
    [
        ({}, None, 0),
        ({"spec.nodeName": "n"}, None, 30),
        ({"spec.nodeName": "n"}, 5, 5),
        ({"spec.nodeName": "n"}, 0, 0),
        ({"spec.nodeName": "n", "status.phase": "Failed"}, 5, 0),
        ({"spec.nodeName": "n", "spec.terminationGracePeriodSeconds": -1}, None, 1),
    ],
)
def test_the_grace_period_of_a_deletion(change: Change, asked: int | None, seconds: int) -> None:
    made, _ = create(KIND, VALID)
    assert KIND.grace_period is not None
    assert KIND.grace_period(changed(made, change), asked) == seconds


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"podIP": "1.1.1.1"}, {"podIP": "1.1.1.1", "podIPs": [{"ip": "1.1.1.1"}]}),
        (
            {"podIPs": [{"ip": "1.1.1.1"}, {"ip": "::1"}]},
            {"podIP": "1.1.1.1", "podIPs": [{"ip": "1.1.1.1"}, {"ip": "::1"}]},
        ),
        ({"podIP": "2.2.2.2", "podIPs": [{"ip": "1.1.1.1"}]}, {"podIP": "2.2.2.2", "podIPs": [{"ip": "2.2.2.2"}]}),
    ],
)
def test_the_address_of_a_pod_has_two_spellings(status: dict[str, Any], expected: dict[str, Any]) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}, "status": status}
    KIND.default(pod)
    assert pod["status"] == expected


def test_fields_of_features_that_are_off_are_dropped() -> None:
    off = {"clusterTrustBundle": {"name": "x", "path": "p"}, "podCertificate": {"signerName": "a/b", "keyType": "x"}}
    change = {
        "spec.schedulingGroup.podGroupName": "g",
        "spec.containers.0.lifecycle": {"stopSignal": "SIGUSR1"},
        "spec.containers.1": {"name": "d", "image": "i", "lifecycle": {"stopSignal": "x", "preStop": {"sleep": {}}}},
        "spec.volumes": [{"name": "v", "projected": {"sources": [{name: part} for name, part in off.items()]}}],
    }
    made, causes = create(KIND, changed(VALID, change))
    assert causes == []
    spec = made["spec"]
    assert "schedulingGroup" not in spec
    assert [c.get("lifecycle") for c in spec["containers"]] == [None, {"preStop": {"sleep": {}}}]
    assert spec["volumes"][0]["projected"]["sources"] == [{}, {}]
