"""Differences as upstream's messages show them; the expected texts are recorded answers."""

from __future__ import annotations

from typing import Any

from kube_lite.resources.go_diff import diff
from kube_lite.resources.go_values import of
from kube_lite.resources.schema import type_for

POD = type_for("", "v1", "Pod").at("spec")
CLAIM = type_for("", "v1", "PersistentVolumeClaim").at("spec")
CONTAINER = {
    "name": "c",
    "image": "nginx",
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "Always",
    "resources": {},
}
SPEC = {
    "containers": [CONTAINER],
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
}
STORED = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeMode": "Filesystem"}


def pod(**change: Any) -> str:
    return diff(of(POD, {**SPEC, **change}), of(POD, SPEC))


def claim(**change: Any) -> str:
    return diff(of(CLAIM, {**STORED, **change}), of(CLAIM, STORED))


def test_equal_values_have_no_difference() -> None:
    assert pod() == claim() == ""


def test_a_changed_field_stands_between_two_equal_ones() -> None:
    assert pod(restartPolicy="Never") == (
        "  core.PodSpec{\n"
        "  \t... // 2 identical fields\n"
        '  \tContainers:                    {{Name: "c", Image: "nginx", TerminationMessagePath: '
        '"/dev/termination-log", TerminationMessagePolicy: "File", ...}},\n'
        "  \tEphemeralContainers:           nil,\n"
        '- \tRestartPolicy:                 "Never",\n'
        '+ \tRestartPolicy:                 "Always",\n'
        "  \tTerminationGracePeriodSeconds: &30,\n"
        "  \tActiveDeadlineSeconds:         nil,\n"
        "  \t... // 23 identical fields\n"
        "  }\n"
    )


def test_a_change_deep_inside_is_looked_into() -> None:
    assert pod(containers=[{**CONTAINER, "env": [{"name": "A", "value": "1"}]}]) == (
        "  core.PodSpec{\n"
        "  \tVolumes:        nil,\n"
        "  \tInitContainers: nil,\n"
        "  \tContainers: []core.Container{\n"
        "  \t\t{\n"
        "  \t\t\t... // 5 identical fields\n"
        "  \t\t\tPorts:        nil,\n"
        "  \t\t\tEnvFrom:      nil,\n"
        '- \t\t\tEnv:          []core.EnvVar{{Name: "A", Value: "1"}},\n'
        "+ \t\t\tEnv:          nil,\n"
        "  \t\t\tResources:    {},\n"
        "  \t\t\tVolumeMounts: nil,\n"
        "  \t\t\t... // 12 identical fields\n"
        "  \t\t},\n"
        "  \t},\n"
        "  \tEphemeralContainers: nil,\n"
        '  \tRestartPolicy:       "Always",\n'
        "  \t... // 25 identical fields\n"
        "  }\n"
    )


def test_a_value_too_long_for_a_line_takes_several() -> None:
    assert claim(resources={"requests": {"storage": "2Gi"}}) == (
        "  core.PersistentVolumeClaimSpec{\n"
        '  \tAccessModes: {"ReadWriteOnce"},\n'
        "  \tSelector:    nil,\n"
        "  \tResources: core.ResourceRequirements{\n"
        "  \t\tLimits: nil,\n"
        "- \t\tRequests: core.ResourceList{\n"
        '- \t\t\ts"storage": {i: resource.int64Amount{value: 2147483648}, s: "2Gi", Format: "BinarySI"},\n'
        "- \t\t},\n"
        "+ \t\tRequests: core.ResourceList{\n"
        '+ \t\t\ts"storage": {i: resource.int64Amount{value: 1073741824}, s: "1Gi", Format: "BinarySI"},\n'
        "+ \t\t},\n"
        "  \t},\n"
        '  \tVolumeName:       "",\n'
        "  \tStorageClassName: nil,\n"
        "  \t... // 2 identical fields\n"
        "  }\n"
    )


def test_values_deep_in_equal_parts_are_shortened() -> None:
    assert claim(accessModes=["ReadOnlyMany"]) == (
        "  core.PersistentVolumeClaimSpec{\n"
        '- \tAccessModes: []core.PersistentVolumeAccessMode{"ReadOnlyMany"},\n'
        '+ \tAccessModes: []core.PersistentVolumeAccessMode{"ReadWriteOnce"},\n'
        "  \tSelector:    nil,\n"
        '  \tResources:   {Requests: {s"storage": {i: {...}, s: "1Gi", Format: "BinarySI"}}},\n'
        "  \t... // 4 identical fields\n"
        "  }\n"
    )
