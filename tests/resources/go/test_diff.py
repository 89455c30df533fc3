"""Differences as upstream words them: the texts are those of a real API server, with an arrow for a tab."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from kube_lite.resources.go.diff import go_diff

CLAIM = "core.PersistentVolumeClaimSpec"
POD = "core.PodSpec"
claim: dict[str, Any] = {
    "accessModes": ["ReadWriteOnce"],
    "resources": {"requests": {"storage": "1Gi"}},
    "volumeMode": "Filesystem",
}
container = {
    "name": "c",
    "image": "nginx",
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "Always",
    "resources": {},
}
pod: dict[str, Any] = {
    "containers": [container],
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
    "enableServiceLinks": True,
}


def test_equal_values_have_no_difference() -> None:
    assert go_diff(CLAIM, claim, {**claim, "volumeName": ""}) == ""


@pytest.mark.parametrize(
    ("type_", "new", "old", "shown"),
    [
        (
            CLAIM,
            {**claim, "accessModes": ["ReadWriteMany"]},
            claim,
            """\
              core.PersistentVolumeClaimSpec{
            - →AccessModes: []core.PersistentVolumeAccessMode{"ReadWriteMany"},
            + →AccessModes: []core.PersistentVolumeAccessMode{"ReadWriteOnce"},
              →Selector:    nil,
              →Resources:   {Requests: {s"storage": {i: {...}, s: "1Gi", Format: "BinarySI"}}},
              →... // 4 identical fields
              }
            """,
        ),
        (
            CLAIM,
            {**claim, "resources": {"requests": {"storage": "2Gi"}}},
            claim,
            """\
              core.PersistentVolumeClaimSpec{
              →AccessModes: {"ReadWriteOnce"},
              →Selector:    nil,
              →Resources: core.ResourceRequirements{
              →→Limits: nil,
            - →→Requests: core.ResourceList{
            - →→→s"storage": {i: resource.int64Amount{value: 2147483648}, s: "2Gi", Format: "BinarySI"},
            - →→},
            + →→Requests: core.ResourceList{
            + →→→s"storage": {i: resource.int64Amount{value: 1073741824}, s: "1Gi", Format: "BinarySI"},
            + →→},
              →},
              →VolumeName:       "",
              →StorageClassName: nil,
              →... // 2 identical fields
              }
            """,
        ),
        (
            "core.PersistentVolumeSource",
            {"hostPath": {"path": "/other", "type": ""}},
            {"hostPath": {"path": "/x", "type": ""}},
            """\
              core.PersistentVolumeSource{
              →GCEPersistentDisk:    nil,
              →AWSElasticBlockStore: nil,
              →HostPath: &core.HostPathVolumeSource{
            - →→Path: "/other",
            + →→Path: "/x",
              →→Type: &"",
              →},
              →Glusterfs: nil,
              →NFS:       nil,
              →... // 17 identical fields
              }
            """,
        ),
        (
            POD,
            {**pod, "nodeName": "n1"},
            pod,
            """\
              core.PodSpec{
              →... // 9 identical fields
              →ServiceAccountName:           "",
              →AutomountServiceAccountToken: nil,
            - →NodeName:                     "n1",
            + →NodeName:                     "",
              →SecurityContext:              &{},
              →ImagePullSecrets:             nil,
              →... // 16 identical fields
              }
            """,
        ),
    ],
)
def test_what_differs_is_marked_and_the_rest_cut_short(type_: str, new: Any, old: Any, shown: str) -> None:
    assert go_diff(type_, new, old) == dedent(shown).replace("→", "\t")


def test_a_selector_is_shown_in_its_own_text_as_far_as_there_is_room() -> None:
    selector = {"matchLabels": {"a": "b"}}
    text = "&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{},}"
    assert f'+ \tSelector:    s"{text}",\n' in go_diff(CLAIM, claim, {**claim, "selector": selector})
    near = {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": selector, "topologyKey": "z"}]}
    shown = go_diff(POD, {**pod, "affinity": {}}, {**pod, "affinity": {"podAffinity": near}})
    assert f'{{LabelSelector: s"{text[:32]}"..., TopologyKey: "z"}}' in shown


def test_items_of_a_list_are_compared_one_by_one() -> None:
    told = go_diff(POD, {**pod, "containers": [{**container, "command": ["a", "b"]}]}, pod)
    assert '- \t\t\tCommand:    []string{"a", "b"},\n+ \t\t\tCommand:    nil,\n' in told


def test_an_added_item_is_shown_on_lines_of_its_own() -> None:
    told = go_diff(POD, {**pod, "containers": [container, {**container, "name": "d"}]}, pod)
    assert '- \t\t{\n- \t\t\tName:                     "d",\n' in told


def test_an_item_is_not_looked_for_in_the_list_that_lacks_it() -> None:
    wanted = {"required": {"nodeSelectorTerms": [{"matchFields": [{"key": "a", "operator": "Exists"}]}]}}
    old: dict[str, Any] = {"required": {"nodeSelectorTerms": []}}
    assert "core.NodeSelectorTerm{}" in go_diff("core.VolumeNodeAffinity", old, wanted)


def test_long_equal_lists_are_cut_short() -> None:
    told = go_diff(POD, {**pod, "restartPolicy": "Never"}, pod)
    kept = '{{Name: "c", Image: "nginx", TerminationMessagePath: "/dev/termination-log", '
    assert f'Containers:                    {kept}TerminationMessagePolicy: "File", ...}}}},' in told


def test_a_port_is_cut_where_all_else_is() -> None:
    probe = {"tcpSocket": {"port": 1}}
    told = go_diff(POD, {**pod, "containers": [{**container, "livenessProbe": probe}]}, pod)
    assert "core.Handler{TCPSocket: &core.TCPSocketAction{Port: intstr.IntOrString{...}}}" in told
