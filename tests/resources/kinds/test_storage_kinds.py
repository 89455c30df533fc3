"""Kinds of storage.k8s.io and PersistentVolumes: what is refused of them, in which words, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.registry import UpdateCheck
from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    TWICE,
    UNKNOWN,
    Cause,
    Change,
    assert_causes,
    assert_create,
    changed,
    create,
    resource,
    update,
)

GROUP = "storage.k8s.io"
CLASS, ATTACHMENT = resource(GROUP, "storageclasses"), resource(GROUP, "volumeattachments")
NODE, DRIVER = resource(GROUP, "csinodes"), resource(GROUP, "csidrivers")
VOLUME = resource("", "persistentvolumes")
NAMED: dict[str, Any] = {"metadata": {"name": "x"}}
NO_DOMAIN, NO_NAME = "RFC 1123 subdomain", "name part must be non-empty"


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("an empty mode", {"volumeBindingMode": ""}, [(UNKNOWN, "volumeBindingMode", '"": supported values: "Immed')]),
        (
            "a repeated key",
            {"allowedTopologies": [{"matchLabelExpressions": [{"key": "a", "values": ["b"]}] * 2}]},
            [(TWICE, "allowedTopologies[0].matchLabelExpressions[1].key", '"a"')],
        ),
        ("an empty term", {"allowedTopologies": [{}]}, [(TWICE, "allowedTopologies[0].matchLabelExpressions", '""')]),
    ],
)
def test_a_new_class(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(CLASS, {**NAMED, "provisioner": "p"}, change, causes)


@pytest.mark.parametrize(
    ("name", "driver", "causes"),
    [
        ("no name", {"nodeID": "n"}, [(NEEDED, "spec.drivers[0].name", ""), (BAD, "spec.drivers[0].name", NO_DOMAIN)]),
        (
            "an empty key",
            {"name": "d", "nodeID": "n", "topologyKeys": [""]},
            [
                (NEEDED, "spec.drivers[0]", ""),
                (BAD, "spec.drivers[0]", f'[]string{{""}}: {NO_NAME}'),
                (BAD, "spec.drivers[0]", '[]string{""}: name part must consist'),
            ],
        ),
        (
            "a repeated key",
            {"name": "d", "nodeID": "n", "topologyKeys": ["a", "a"]},
            [(TWICE, "spec.drivers[0]", '"a"')],
        ),
    ],
)
def test_a_driver_of_a_node(name: str, driver: dict[str, Any], causes: list[Cause]) -> None:
    assert_causes(create(NODE, {**NAMED, "spec": {"drivers": [driver]}})[1], causes)


def test_drivers_are_checked_twice() -> None:
    assert (NODE.create_checks, DRIVER.create_checks, CLASS.create_checks) == (2, 2, 1)
    assert NODE.update_checks[0] is UpdateCheck.WHOLE


def test_modes_of_a_driver_are_told_in_the_order_of_the_types() -> None:
    found = create(DRIVER, {**NAMED, "spec": {"volumeLifecycleModes": ["x"]}})[1]
    assert_causes(found, [(UNKNOWN, "spec.volumeLifecycleModes", '"Persistent", "Ephemeral"')])


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({"podInfoOnMount": True}, []),
        ({"fsGroupPolicy": "x"}, [(UNKNOWN, "spec.fsGroupPolicy", '"x": supported values')]),
        ({"serviceAccountTokenInSecrets": True, "tokenRequests": [{"audience": "a"}]}, []),
        (
            {"serviceAccountTokenInSecrets": False},
            [(BAD, "spec.serviceAccountTokenInSecrets", "false: serviceAccountTokenInSecrets is set but no tokenReq")],
        ),
    ],
)
def test_a_driver_that_changes_is_checked_and_counts_its_changes(change: dict[str, Any], causes: list[Cause]) -> None:
    made, found = update(DRIVER, {**NAMED, "spec": {}}, {f"spec.{name}": value for name, value in change.items()})
    assert_causes(found, causes)
    assert made["metadata"]["generation"] == 1
    assert "generation" not in update(DRIVER, {**NAMED, "spec": {}}, {})[0]["metadata"]


def test_a_driver_has_no_part_in_what_is_alpha() -> None:
    assert "preventPodSchedulingIfMissing" not in create(DRIVER, changed(NAMED, {ALPHA: True}))[0]["spec"]
    assert "preventPodSchedulingIfMissing" not in update(DRIVER, {**NAMED, "spec": {}}, {ALPHA: True})[0]["spec"]


ALPHA = "spec.preventPodSchedulingIfMissing"


def test_the_driver_and_the_volume_of_an_attachment_are_looked_at_closer_when_it_is_new() -> None:
    valid = {**NAMED, "spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "v"}}}
    change = {"spec.attacher": "", "spec.source.persistentVolumeName": "B_d"}
    wanted = [
        (NEEDED, "spec.attacher", ""),
        (NEEDED, "spec.attacher", ""),
        (BAD, "spec.attacher", NO_DOMAIN),
        (BAD, "spec.source.persistentVolumeName", NO_DOMAIN),
    ]
    assert_create(ATTACHMENT, valid, change, wanted)
    found = update(ATTACHMENT, valid, {"spec.attacher": "B_d"})[1]
    assert_causes(found, [(BAD, "spec", "storage.VolumeAttachmentSpec{")])


BLOB = '"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"'
AZURE = {"diskName": "d", "diskURI": "https://d"}


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        (
            "no capacity",
            {"spec.capacity": None},
            [
                (NEEDED, "spec.capacity", ""),
                (UNKNOWN, "spec.capacity", 'core.ResourceList(nil): supported values: "st'),
            ],
        ),
        ("a blob", {"spec.azureDisk": AZURE}, []),
        ("not a blob", {"spec.azureDisk": {**AZURE, "diskURI": "x"}}, [(UNKNOWN, "spec.azureDisk.diskURI", BLOB)]),
        (
            "not managed",
            {"spec.azureDisk": {**AZURE, "kind": "Managed"}},
            [(UNKNOWN, "spec.azureDisk.diskURI", "/subscriptions/{sub-id}/")],
        ),
        (
            "half a secret",
            {"spec.csi": {"driver": "d", "volumeHandle": "h", "nodePublishSecretRef": {"name": "s"}}},
            [(NEEDED, "spec.csi.nodePublishSecretRef .namespace", "")],
        ),
        (
            "no driver",
            {"spec.csi": {"volumeHandle": "h"}},
            [(NEEDED, "spec.csi.driver", ""), (BAD, "spec.csi.driver", NO_DOMAIN)],
        ),
    ],
)
def test_a_new_volume(name: str, change: Change, causes: list[Cause]) -> None:
    source = {} if any(path.count(".") == 1 and path != "spec.capacity" for path in change) else {"nfs": NFS}
    spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, **source}
    assert_create(VOLUME, {**NAMED, "spec": spec}, change, causes)


NFS = {"server": "s", "path": "/p"}


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        ({"nodeAllocatableUpdatePeriodSeconds": 10}, []),
        (
            {"nodeAllocatableUpdatePeriodSeconds": 9},
            [(BAD, "spec.nodeAllocatableUpdatePeriodSeconds", "9: must be greater than or equal to 10 seconds")],
        ),
        (
            {"tokenRequests": [{"audience": "a", "expirationSeconds": 2**32 + 1}, {"audience": "a"}]},
            [
                (BAD, "spec.tokenRequests[0].expirationSeconds", "may not specify a duration larger than 2^32 seconds"),
                (TWICE, "spec.tokenRequests[1].audience", '"a"'),
            ],
        ),
    ],
)
def test_a_new_driver(spec: dict[str, Any], causes: list[Cause]) -> None:
    assert_causes(create(DRIVER, {**NAMED, "spec": spec})[1], causes)


def test_an_attacher_says_what_became_of_a_volume_and_nothing_else() -> None:
    sub = ATTACHMENT.subresources["status"]
    failure = {"message": "m" * 1025, "errorCode": -1}
    found = sub.validate({"status": {"attachError": failure, "attachmentMetadata": {"a": "b" * 2**18}}}, {})
    assert [(error.reason, error.field) for error in found] == [
        ("FieldValueTooLong", "status.attachmentMetadata"),
        ("FieldValueTooLong", "status.attachError.message"),
        (BAD, "status.attachError.errorCode"),
    ]
    old = {"metadata": {"name": "x", "labels": {"a": "b"}}, "spec": {"attacher": "a"}}
    new = {"metadata": {"name": "x", "annotations": {"c": "d"}}, "status": {"attached": True}}
    sub.prepare(new, old)
    assert new == {**old, "status": {"attached": True}}


def test_a_class_of_attributes_never_changes() -> None:
    kind = resource(GROUP, "volumeattributesclasses")
    valid = {**NAMED, "driverName": "d", "parameters": {"a": "b"}}
    found = update(kind, valid, {"parameters": {}})[1]
    wanted = [
        ("FieldValueForbidden", "parameters", "updates to parameters are forbidden."),
        (NEEDED, "parameters", "must contain at least one key/value pair"),
    ]
    assert_causes(found, wanted)
