"""Versions that became v1 as they were, and what is common to all withdrawn ones."""

from __future__ import annotations

import re

import pytest

from kube_lite.resources import schema
from kube_lite.resources.registry import Resource
from tests.resources.kinds.cases import REGISTRY, create, resource
from tests.resources.kinds.withdrawn.conversions import assert_same

WITHDRAWN = [kind for kind in REGISTRY if "unavailable in" in kind.deprecation]


def named(kind: Resource) -> str:
    return f"{kind.api_version} {kind.kind}"


@pytest.mark.parametrize("kind", WITHDRAWN, ids=named)
def test_every_old_version_says_what_to_use_and_is_stored_as_it(kind: Resource) -> None:
    found = re.fullmatch(
        r"(\S+) (\S+) is deprecated in v1\.\d+\+, unavailable in v1\.\d+\+; use (\S+) (\S+)", kind.deprecation
    )
    assert found is not None
    assert found.group(1, 2) == (kind.api_version, kind.kind)
    group, _, version = found[3].rpartition("/")
    successor = REGISTRY.of_kind(group, version, found[4])
    assert successor is not None
    assert not successor.deprecation
    assert (kind.storage_group, kind.storage_version) == (
        successor.storage_group or successor.group,
        successor.storage_version or successor.version,
    )


@pytest.mark.parametrize("kind", WITHDRAWN, ids=named)
def test_every_old_version_has_a_type_of_its_own(kind: Resource) -> None:
    assert schema.kinds()[kind.group, kind.version, kind.kind] == kind.definition
    assert schema.type_of(kind.definition).go == f"{kind.version}.{kind.kind}"


@pytest.mark.parametrize("kind", WITHDRAWN, ids=named)
def test_the_version_of_today_is_the_preferred_one(kind: Resource) -> None:
    for name in (kind.plural, *kind.short_names):
        found = REGISTRY.named(name)
        assert found is not None
        assert not found.deprecation


def test_subjects_of_access_reviews_are_renamed() -> None:
    spec = {"user": "a", "resourceAttributes": {"verb": "get"}}
    for plural in ("subjectaccessreviews", "localsubjectaccessreviews"):
        old, new = {"spec": {**spec, "group": ["g"]}}, {"spec": {**spec, "groups": ["g"]}}
        assert_same("authorization.k8s.io", plural, "v1beta1", old, new)


def test_old_events_are_stored_in_the_core_form_and_need_no_action() -> None:
    old = {"metadata": {"name": "e"}, "regarding": {"namespace": "ns", "name": "p"}, "note": "n", "reason": "r"}
    core = {
        "metadata": {"name": "e"},
        "involvedObject": {"namespace": "ns", "name": "p"},
        "message": "n",
        "reason": "r",
    }
    assert_same("events.k8s.io", "events", "v1beta1", old, core)
    assert not create(resource("events.k8s.io", "events", "v1beta1"), old)[1]
    assert create(resource("events.k8s.io", "events", "v1"), old)[1]


def test_attachments_of_the_beta_may_name_their_driver_freely() -> None:
    spec = {"attacher": "A_", "nodeName": "n", "source": {"persistentVolumeName": "V_"}}
    for version, told in (("v1beta1", set()), ("v1", {"spec.attacher", "spec.source.persistentVolumeName"})):
        kind = resource("storage.k8s.io", "volumeattachments", version)
        assert {where for _, where, *_ in create(kind, {"metadata": {"name": "a"}, "spec": spec})[1]} == told
