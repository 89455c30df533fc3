"""What the status of a CustomResourceDefinition says of it."""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

import pytest

from kube_lite.resources.kinds.customresourcedefinition.conditions import conflicts, describe
from kube_lite.resources.kinds.customresourcedefinition.validation import validate_update
from kube_lite.resources.meta import Obj

NAMES = {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList", "shortNames": ["f", "fo"]}


def _crd(**spec: Any) -> Obj:
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    group = spec.get("group", "ex.io")
    return {
        "metadata": {"name": f"foos.{group}"},
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": NAMES,
            "versions": [version],
            "conversion": {"strategy": "None"},
            **spec,
        },
        "status": {"storedVersions": ["v1"]},
    }


def _described(crd: Obj, resources: Collection[str] = (), kinds: Collection[str] = ()) -> Obj:
    state: Obj = dict(crd["status"])
    describe(state, crd, conflicts(crd, resources, kinds))
    return {
        "names": state["acceptedNames"],
        **{c["type"]: (c["status"], c.get("reason"), c.get("message")) for c in state["conditions"]},
    }


def test_names_that_are_free_are_taken_though_others_are_not() -> None:
    found = _described(_crd(), {"foo", "f", "fo"}, {"Foo"})
    assert found["names"] == {"plural": "foos", "kind": "", "listKind": "FooList"}
    assert found["NamesAccepted"] == ("False", "KindConflict", '"Foo" is already in use')
    assert found["Established"] == ("False", "NotAccepted", "not all names are accepted")
    assert conflicts(_crd(), {"f", "fo"}, ())["shortNames"] == '["f" is already in use, "fo" is already in use]'


def test_names_that_a_definition_has_are_no_conflict_with_itself() -> None:
    crd = _crd()
    crd["status"]["acceptedNames"] = NAMES
    assert _described(crd, {"foos", "foo", "f"}, {"Foo"})["Established"][0] == "True"


def test_a_definition_stays_established_though_a_new_name_is_taken() -> None:
    crd = _crd()
    crd["status"] |= {
        "acceptedNames": {**NAMES, "shortNames": ["x"]},
        "conditions": [{"type": "Established", "status": "True"}],
    }
    found = _described(crd, {"f"})
    assert (found["NamesAccepted"][:2], found["names"]["shortNames"]) == (("False", "ShortNamesConflict"), ["x"])


@pytest.mark.parametrize(
    ("approval", "said"),
    [
        ("", ("False", "MissingAnnotation")),
        ("unapproved, for tests", ("False", "UnapprovedAnnotation")),
        ("https://a.io/pull/1", ("True", "ApprovedAnnotation")),
        ("yes", ("False", "InvalidAnnotation")),
    ],
)
def test_a_definition_in_a_protected_group_says_who_let_it(approval: str, said: tuple[str, str]) -> None:
    crd = _crd(group="x.k8s.io")
    crd["metadata"]["annotations"] = {"api-approved.kubernetes.io": approval}
    assert _described(crd)["KubernetesAPIApprovalPolicyConformant"][:2] == said
    plain = _crd(group="x.k8s.io")
    plain["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved"}
    assert bool(validate_update(crd, plain)) == (said[1] in ("MissingAnnotation", "InvalidAnnotation"))
    assert validate_update(crd, crd) == [], "what has not changed is let be"


def _webhook(bundle: bytes) -> Obj:
    config = {"url": "https://a.io/", "caBundle": base64.b64encode(bundle).decode()}
    return {"strategy": "Webhook", "webhook": {"clientConfig": config, "conversionReviewVersions": ["v1"]}}


def test_a_definition_whose_webhook_cannot_be_verified_waits_for_certificates() -> None:
    sound = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"
    assert _described(_crd(conversion=_webhook(b"\n")))["Established"][:2] == ("False", "InvalidCABundle")
    assert _described(_crd(conversion=_webhook(sound)))["Established"][0] == "True"
    served, spoiled = _crd(conversion=_webhook(sound)), _crd(conversion=_webhook(b"\n"))
    assert not validate_update(spoiled, served)
    served["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    assert [e.field for e in validate_update(spoiled, served)] == ["spec.conversion.webhookClientConfig.caBundle"]


def test_what_v1beta1_let_in_is_told_and_may_stay() -> None:
    old = _crd(preserveUnknownFields=True)
    old["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = {"properties": {"a": {}}}
    said = _described(old)["NonStructuralSchema"]
    assert said[:2] == ("True", "Violations")
    assert "spec.preserveUnknownFields: Invalid value: true: must be false" in said[2]
    assert "properties[a].type: Required value" in said[2]
    assert validate_update(old, old) == []
