"""Volumes of storage systems: what pods and persistent volumes ask of each, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import BAD, NEEDED, NOT_HERE, Cause, assert_causes, create, resource

POD, VOLUME, ATTACHMENT = (
    resource("", "pods"),
    resource("", "persistentvolumes"),
    resource("storage.k8s.io", "volumeattachments"),
)
PAIR = "must be a host:port pair or multiple pairs separated by commas"
SIZED: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}


def _of_volume(*sources: dict[str, Any]) -> list[Cause]:
    spec = {**SIZED, **{name: value for source in sources for name, value in source.items()}}
    return create(VOLUME, {"metadata": {"name": "v"}, "spec": spec})[1]


@pytest.mark.parametrize(
    ("source", "causes"),
    [
        ({"gcePersistentDisk": {}}, [(NEEDED, "spec.persistentDisk.pdName", "")]),
        (
            {"awsElasticBlockStore": {"volumeID": "v", "partition": 256}},
            [(BAD, "spec.awsElasticBlockStore.partition", "")],
        ),
        (
            {"cinder": {"volumeID": "v", "secretRef": {}}},
            [(NEEDED, "spec.cinder.secretRef.name", ""), (NEEDED, "spec.cinder.secretRef.namespace", "")],
        ),
        ({"quobyte": {"volume": "v"}}, [(NEEDED, "spec.quobyte.registry", PAIR)]),
        ({"quobyte": {"registry": "x", "volume": "v"}}, [(BAD, "spec.quobyte.registry", PAIR)]),
        (
            {"quobyte": {"registry": "x:1", "volume": "v", "tenant": "t" * 65}},
            [(NEEDED, "spec.quobyte.tenant", "UUID")],
        ),
        ({"fc": {}}, [(NEEDED, "spec.fc.targetWWNs", "but not both")]),
        ({"fc": {"targetWWNs": ["a"]}}, [(NEEDED, "spec.fc.lun", "lun is required")]),
        ({"flocker": {}}, [(NEEDED, "spec.flocker", "one of datasetName and datasetUUID")]),
        (
            {"iscsi": {"targetPortal": "p", "iqn": "x", "lun": 1}},
            [(BAD, "spec.iscsi.iqn", '"x": must be valid format')],
        ),
        (
            {"glusterfs": {"endpoints": "e", "path": "p", "endpointsNamespace": ""}},
            [(BAD, "spec.glusterfs.endpointsNamespace", "")],
        ),
        ({"storageos": {"volumeName": "V"}}, [(BAD, "spec.storageos.volumeName", "RFC 1123 label")]),
        (
            {"flexVolume": {"driver": "d/e", "options": {"k8s.io/x": "y", "ok": "z"}}},
            [(BAD, "spec.flexVolume.options[k8s.io/x]", "namespaces are reserved")],
        ),
        (
            {"azureFile": {"secretName": "s", "shareName": "n", "secretNamespace": ""}},
            [(NEEDED, "spec.azureFile.secretNamespace", "")],
        ),
    ],
)
def test_a_source_of_a_persistent_volume(source: dict[str, Any], causes: list[Cause]) -> None:
    assert_causes(_of_volume(source), causes)


def test_a_second_source_is_told_by_the_name_that_upstream_has_for_it() -> None:
    host = {"hostPath": {"path": "/d"}}
    assert_causes(_of_volume(host, {"cephfs": {"monitors": ["m"]}}), [(NOT_HERE, "spec.cephFS", "more than 1")])
    assert_causes(_of_volume(host, {"flexVolume": {}}), [(NEEDED, "spec.flexVolume.driver", "")])


def test_secrets_of_pods_are_beside_them() -> None:
    volume = {"name": "v", "cinder": {"volumeID": "v", "secretRef": {}}}
    spec = {"containers": [{"name": "c", "image": "i"}], "volumes": [volume]}
    found = create(POD, {"metadata": {"name": "p"}, "spec": spec})[1]
    assert_causes(found, [(NEEDED, "spec.volumes[0].cinder.secretRef.name", "")])


def test_a_token_of_a_projection_blames_the_volume_for_its_path() -> None:
    source = {"serviceAccountToken": {"expirationSeconds": 600}}
    spec = {
        "containers": [{"name": "c", "image": "i"}],
        "serviceAccountName": "s",
        "volumes": [{"name": "v", "projected": {"sources": [source, {"serviceAccountToken": None}]}}],
    }
    found = create(POD, {"metadata": {"name": "p"}, "spec": spec})[1]
    assert_causes(found, [(NEEDED, "spec.volumes[0].projected.path", "")])


@pytest.mark.parametrize(
    ("source", "causes"),
    [
        ({"persistentVolumeName": "v", "inlineVolumeSpec": {}}, [(NOT_HERE, "spec.source", "exactly one of")]),
        (
            {"inlineVolumeSpec": {**SIZED, "hostPath": {"path": "/d"}}},
            [
                (NOT_HERE, "spec.source.inlineVolumeSpec.capacity", "may not be specified"),
                (NEEDED, "spec.source.inlineVolumeSpec.csi", "has to be specified"),
            ],
        ),
    ],
)
def test_a_volume_inside_an_attachment(source: dict[str, Any], causes: list[Cause]) -> None:
    spec = {"attacher": "a.b", "nodeName": "n", "source": source}
    assert_causes(create(ATTACHMENT, {"metadata": {"name": "a"}, "spec": spec})[1], causes)
