"""CustomResourceDefinitions: which version is stored, and how versions are told of in messages."""

from __future__ import annotations

from kube_lite.resources.kinds.customresourcedefinition import RESOURCES
from kube_lite.resources.meta import Obj
from kube_lite.resources.schema import type_of

(CRD,) = RESOURCES


def _crd(*versions: Obj) -> Obj:
    names = {"plural": "foos", "kind": "Foo"}
    spec = {"group": "ex.io", "scope": "Cluster", "names": names, "versions": list(versions)}
    return {"metadata": {"name": "foos.ex.io"}, "spec": spec}


def _version(name: str, *, storage: bool, **schema: object) -> Obj:
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": {"type": "object"} | schema},
    }


def _messages(crd: Obj) -> list[str]:
    CRD.default(crd)
    CRD.prepare_create(crd)
    return [f"{error.field}: {error.message}" for error in CRD.validate(crd)]


def test_the_stored_version_is_a_default_so_its_writer_owns_it() -> None:
    crd = _crd(_version("v1", storage=True), _version("v2", storage=False))
    CRD.default(crd)
    assert crd["status"] == {"storedVersions": ["v1"]}


def test_what_all_versions_share_is_not_printed_with_each() -> None:
    (several, missing) = _messages(_crd(_version("v1", storage=False)))
    assert "Schema:(*apiextensions.CustomResourceValidation)(nil)" in several
    assert missing == "status.storedVersions: Invalid value: []string(nil): must have at least one stored version"


def test_what_versions_have_of_their_own_is_printed_as_a_pointer() -> None:
    differing = _crd(_version("v1", storage=True), _version("v2", storage=True, title="x"))
    several, stored = _messages(differing)
    assert several.count("Schema:(*apiextensions.CustomResourceValidation)(0x") == 2
    assert 'Name:"v2", Served:true, Storage:true' in stored
    assert stored.endswith("must have the storage version v2")


def test_conditions_are_owned_as_a_whole() -> None:
    conditions = type_of(CRD.definition).fields["status"].type.fields["conditions"].type
    assert conditions.list_type == "atomic"


def test_problems_are_told_in_the_order_of_the_fields() -> None:
    broken = _crd({"name": "V1", "deprecationWarning": "w", "storage": True})
    broken["spec"]["names"]["kind"] = "no kind"
    told = [message.partition(":")[0] for message in _messages(broken)]
    assert told == [
        "spec.versions[0].schema.openAPIV3Schema",
        "spec.versions[0].name",
        "spec.versions[0].deprecationWarning",
        "spec.version",
        "spec.names.singular",
        "spec.names.kind",
        "spec.names.listKind",
    ]


def test_a_conversion_needs_a_strategy_and_defaults_need_pruning() -> None:
    crd = _crd(_version("v1", storage=True, properties={"a": {"type": "string", "default": "x"}}))
    crd["spec"] |= {"conversion": {}, "preserveUnknownFields": True}
    first, second, third = _messages(crd)
    assert first.endswith("must be false in order to use defaults in the schema")
    assert second.startswith("spec.preserveUnknownFields: Invalid value: true: cannot set to true")
    assert third == "spec.conversion.strategy: Required value"


def test_a_root_without_a_type_is_told_so() -> None:
    crd = _crd(_version("v1", storage=True, type="", properties={"a": {"type": "array", "items": {}}}))
    (items, root) = _messages(crd)
    assert root == "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root"
    assert "must not be empty for specified array items" in items


def test_nulls_deep_in_a_schema_are_the_empty_schema_or_nothing() -> None:
    items = {"type": "object", "title": None, "properties": {"v": None}, "default": None}
    crd = _crd(_version("v1", storage=True, properties={"map": {"type": "array", "items": items}}))
    assert "must not be empty for specified object fields" in "".join(_messages(crd))
    assert items == {"type": "object", "properties": {"v": {}}, "default": None}


def test_the_names_that_a_status_accepts_are_spelled_as_names() -> None:
    check = CRD.subresources["status"].validate
    accepted = {"plural": "a_b", "kind": "-", "shortNames": [""], "categories": ["ok"]}
    found = check({"status": {"acceptedNames": accepted}}, {})
    assert [e.field.removeprefix("status.acceptedNames.") for e in found] == ["plural", "kind", "shortNames[0]"]
    assert check({"status": {"acceptedNames": {"plural": "", "kind": ""}}}, {}) == []
