"""CustomResourceDefinitions of v1beta1: what versions share stands at the top."""

from __future__ import annotations

from typing import Any

from tests.resources.kinds.cases import BAD, NEEDED, assert_causes, changed, create, resource
from tests.resources.kinds.withdrawn.conversions import Obj, assert_same, shown_as, stored_as

HERE = ("apiextensions.k8s.io", "customresourcedefinitions", "v1beta1")
SCHEMA = {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}}
COLUMN = {"name": "Spec", "type": "string"}
OLD_COLUMN, NEW_COLUMN = {**COLUMN, "JSONPath": ".spec.a"}, {**COLUMN, "jsonPath": ".spec.a"}
NAMES = {"plural": "foos", "kind": "Foo"}


def definition(**spec: Any) -> Obj:
    return {
        "metadata": {"name": "foos.ex.io"},
        "spec": {"group": "ex.io", "scope": "Namespaced", "names": NAMES, **spec},
    }


def version(name: str, storage: bool = True, **more: Any) -> Obj:
    return {"name": name, "served": True, "storage": storage, **more}


def test_what_all_versions_share_is_hoisted() -> None:
    own: Obj = {"schema": SCHEMA, "subresources": {"status": {}}, "additionalPrinterColumns": [NEW_COLUMN]}
    assert_same(
        *HERE,
        definition(
            version="v1",
            versions=[version("v1"), version("v2", storage=False)],
            validation=SCHEMA,
            subresources={"status": {}},
            additionalPrinterColumns=[OLD_COLUMN],
            preserveUnknownFields=False,
        ),
        definition(versions=[version("v1", **own), version("v2", storage=False, **own)]),
    )


def test_what_versions_have_of_their_own_stays_with_them() -> None:
    assert_same(
        *HERE,
        definition(
            version="v1",
            versions=[version("v1", schema=SCHEMA), version("v2", False, additionalPrinterColumns=[OLD_COLUMN])],
            preserveUnknownFields=True,
        ),
        definition(
            versions=[version("v1", schema=SCHEMA), version("v2", False, additionalPrinterColumns=[NEW_COLUMN])],
            preserveUnknownFields=True,
        ),
    )


def test_a_webhook_is_converted_both_ways() -> None:
    config = {"service": {"namespace": "n", "name": "s", "port": 443}}
    assert_same(
        *HERE,
        definition(
            version="v1",
            versions=[version("v1")],
            conversion={"strategy": "Webhook", "webhookClientConfig": config, "conversionReviewVersions": ["v1"]},
            preserveUnknownFields=True,
        ),
        definition(
            versions=[version("v1")],
            conversion={
                "strategy": "Webhook",
                "webhook": {"clientConfig": config, "conversionReviewVersions": ["v1"]},
            },
            preserveUnknownFields=True,
        ),
    )


def test_one_version_may_stand_alone() -> None:
    made, causes = create(resource(*HERE[:2], HERE[2]), definition(version="v1", scope=""))
    assert not causes
    assert made["spec"]["versions"] == [version("v1")]
    assert made["spec"]["scope"] == "Namespaced"
    assert made["spec"]["preserveUnknownFields"] is True
    assert made["spec"]["names"] == {**NAMES, "singular": "foo", "listKind": "FooList"}
    assert made["status"]["storedVersions"] == ["v1"]
    assert stored_as(*HERE, made)["spec"]["versions"] == [version("v1")]


def test_a_schema_that_prunes_must_be_structural() -> None:
    loose = {"openAPIV3Schema": {"properties": {"spec": {"properties": {"a": {"type": "string"}}}}}}
    kept = definition(version="v1", validation=loose)
    assert not create(resource(*HERE[:2], HERE[2]), kept)[1]
    _, causes = create(resource(*HERE[:2], HERE[2]), changed(kept, {"spec.preserveUnknownFields": False}))
    assert_causes(causes[-1:], [(NEEDED, "spec.validation.openAPIV3Schema.type", "must not be empty at the root")])


def test_a_definition_needs_some_version_and_the_first_is_the_version() -> None:
    kind = resource(*HERE[:2], HERE[2])
    _, causes = create(kind, definition())
    assert_causes(causes, [(BAD, "spec.versions", "exactly one"), (BAD, "status.storedVersions", "at least one")])
    _, causes = create(kind, definition(version="v2", versions=[version("v1")]))
    assert_causes(causes, [(BAD, "spec.version", "must match the first version in spec.versions")])
    _, causes = create(kind, definition(version="V2", versions=[version("v1")]))
    told = [(BAD, "spec.version", "a DNS-1035 label must consist of"), (BAD, "spec.version", "must match the first")]
    assert_causes(causes, told)


def test_a_definition_of_today_shows_that_it_prunes() -> None:
    assert (
        shown_as(*HERE, definition(versions=[version("v1", schema=SCHEMA)]))["spec"]["preserveUnknownFields"] is False
    )
