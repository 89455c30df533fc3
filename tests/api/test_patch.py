"""JSON patch and merge patch: results, refusals and limits."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.api import patch as patching
from kube_lite.api.json_patch import PatchFailed
from kube_lite.api.patch import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, merge_patch, read
from kube_lite.errors import BadRequest, Invalid, RequestEntityTooLarge, UnsupportedMediaType
from kube_lite.resources import schema

CONFIG_MAP = schema.type_for("", "v1", "ConfigMap")


def json_patch(obj: dict[str, Any], *operations: dict[str, Any]) -> dict[str, Any]:
    return read(JSON_PATCH, json.dumps(operations).encode()).apply(CONFIG_MAP, obj)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "/b", "value": 2}, {"a": 1, "l": [1, 2], "b": 2}),
        ({"op": "add", "path": "/a", "value": 2}, {"a": 2, "l": [1, 2]}),
        ({"op": "add", "path": "/l/1", "value": 9}, {"a": 1, "l": [1, 9, 2]}),
        ({"op": "add", "path": "/l/-", "value": 9}, {"a": 1, "l": [1, 2, 9]}),
        ({"op": "remove", "path": "/l/0"}, {"a": 1, "l": [2]}),
        ({"op": "replace", "path": "/a", "value": {"x": 1}}, {"a": {"x": 1}, "l": [1, 2]}),
        ({"op": "replace", "path": "", "value": {"b": 2}}, {"b": 2}),
        ({"op": "move", "from": "/a", "path": "/z"}, {"l": [1, 2], "z": 1}),
        ({"op": "copy", "from": "/l", "path": "/z"}, {"a": 1, "l": [1, 2], "z": [1, 2]}),
        ({"op": "copy", "from": "/q", "path": "/z"}, {"a": 1, "l": [1, 2], "z": None}),
        ({"op": "test", "path": "/l", "value": [1, 2]}, {"a": 1, "l": [1, 2]}),
        ({"op": "test", "path": "/q", "value": None}, {"a": 1, "l": [1, 2]}),
        ({"op": "add", "path": "/x~1y~0", "value": 2}, {"a": 1, "l": [1, 2], "x/y~": 2}),
        ({"op": "add", "path": "passed-over/b", "value": 2}, {"a": 1, "l": [1, 2], "b": 2}),
        ({"op": "add", "path": "/l/-1", "value": 9}, {"a": 1, "l": [1, 2, 9]}),
        ({"op": "replace", "path": "/l/+1", "value": 9}, {"a": 1, "l": [1, 9]}),
    ],
)
def test_json_patch_operations(operation: dict[str, Any], expected: dict[str, Any]) -> None:
    obj = {"a": 1, "l": [1, 2]}
    assert json_patch(obj, operation) == expected
    assert obj == {"a": 1, "l": [1, 2]}


def test_a_json_patch_replaces_what_is_not_there_and_takes_no_value_for_null() -> None:
    operations: list[dict[str, Any]] = [{"op": "replace", "path": "/q", "value": 1}, {"op": "add", "path": "/n"}]
    assert json_patch({"a": 1}, *operations) == {"a": 1, "q": 1, "n": None}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "test", "path": "/a", "value": True},
        {"op": "test", "path": "/a", "value": 1.0},
        {"op": "remove", "path": "/q"},
        {"op": "remove", "path": "/l/1_0"},
        {"op": "remove", "path": "/l/ 1"},
        {"op": "copy", "from": "", "path": "/z"},
        {"op": "move", "from": "", "path": "/z"},
        {},
        {"op": "replace", "path": "/q/r", "value": 1},
        {"op": "add", "path": "/q/r", "value": 1},
        {"op": "add", "path": "/l/9", "value": 1},
        {"op": "add", "path": "/l/x", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "move", "path": "/b"},
        {"op": "frob", "path": "/a"},
        {"op": "add"},
        {"op": "add", "path": "/a/b/c", "value": 1},
    ],
)
def test_a_json_patch_that_cannot_be_carried_out_is_422(operation: dict[str, Any]) -> None:
    with pytest.raises(PatchFailed) as refusal:
        json_patch({"a": 1, "l": [1, 2]}, operation)
    status = refusal.value.to_status()
    assert (status["code"], status["reason"], status["details"]) == (422, "Invalid", {})
    assert status["message"] == "the server rejected our request due to an error in our request"


def test_a_patch_can_be_applied_again_and_changes_no_argument() -> None:
    patch = read(
        JSON_PATCH,
        b'[{"op":"add","path":"/m","value":{}},{"op":"add","path":"/m/x","value":1},{"op":"add","path":"/l/-","value":3}]',
    )
    obj: dict[str, Any] = {"l": [1]}
    assert patch.apply(CONFIG_MAP, obj) == patch.apply(CONFIG_MAP, obj) == {"l": [1, 3], "m": {"x": 1}}
    assert obj == {"l": [1]}


def test_json_patch_is_bounded() -> None:
    told = "^Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    with pytest.raises(RequestEntityTooLarge, match=told):
        read(JSON_PATCH, json.dumps([{"op": "test", "path": "/a"}] * 10001).encode())
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 40
    with pytest.raises(RequestEntityTooLarge):
        json_patch({"a": ["x" * 1000]}, *doubling)


def test_malformed_patches_are_400() -> None:
    cases = {
        (JSON_PATCH, b"{}"): "json: cannot unmarshal object into Go value of type jsonpatch.Patch",
        (JSON_PATCH, b"[1]"): "json: cannot unmarshal number into Go value of type jsonpatch.Operation",
        (JSON_PATCH, b"{not json"): "invalid character 'n' looking for beginning of object key string",
        (MERGE_PATCH, b""): "error decoding patch: unexpected end of JSON input",
        (STRATEGIC_PATCH, b"{"): "unexpected EOF",
        (MERGE_PATCH, b"5"): "error decoding patch: json: cannot unmarshal number into Go value of type "
        "map[string]interface {}",
        (MERGE_PATCH, b"null"): "Invalid JSON Patch",
    }
    for (media_type, raw), message in cases.items():
        with pytest.raises(BadRequest) as refusal:
            read(media_type, raw)
        assert refusal.value.message == message
    for raw in (b"", b"5", b"null", b"{"):
        with pytest.raises(BadRequest, match=r"^Invalid JSON Patch$"):
            read(MERGE_PATCH, raw, strictly=False)


def test_json_patches_with_members_of_the_wrong_type_are_400_unless_ignored() -> None:
    cases = {
        b'[{"op":"add","path":["a"]}]': "array into Go struct field jsonPatchOp.path of type string",
        b'[{"op":null,"path":"/a","from":true}]': "bool into Go struct field jsonPatchOp.from of type string",
    }
    for raw, message in cases.items():
        with pytest.raises(BadRequest) as refusal:
            read(JSON_PATCH, raw)
        assert refusal.value.message == "error decoding patch: json: cannot unmarshal " + message
        assert read(JSON_PATCH, raw, strictly=False)


def test_media_types_that_are_no_patch_are_415() -> None:
    for media_type in ("application/json", "Application/Merge-Patch+JSON"):
        with pytest.raises(UnsupportedMediaType, match="415: Unsupported Media Type") as refusal:
            read(media_type, b"{}")
    assert refusal.value.to_status()["details"] == {}
    with pytest.raises(UnsupportedMediaType, match="include: application/json-patch"):
        read(STRATEGIC_PATCH, b"{}", patching.CUSTOM_PATCHES)


def test_merge_patch_merges_maps_and_replaces_the_rest() -> None:
    assert merge_patch({"a": {"b": 1, "c": 2}, "l": [1]}, {"a": {"b": None, "d": {"e": None}}, "l": [2]}) == {
        "a": {"c": 2, "d": {}},
        "l": [2],
    }


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=2), JSON_VALUES, max_size=4)


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_applied_twice_is_applied_once(obj: dict[str, Any], patch: dict[str, Any]) -> None:
    before = copy.deepcopy((obj, patch))
    once = merge_patch(obj, patch)
    assert merge_patch(once, patch) == once
    assert (obj, patch) == before


def test_a_patched_object_of_the_wrong_type_is_shown_in_the_refusal() -> None:
    patch = read(MERGE_PATCH, b'{"data":{"a":5}}')
    obj = {"kind": "ConfigMap", "apiVersion": "v1", "data": {"b": "1"}}
    refusal = patch.undecodable(patch.text(CONFIG_MAP, patch.apply(CONFIG_MAP, obj)), "why")
    assert refusal.message == (
        ' "" is invalid: patch: Invalid value: '
        '"{\\"apiVersion\\":\\"v1\\",\\"data\\":{\\"a\\":5,\\"b\\":\\"1\\"},\\"kind\\":\\"ConfigMap\\"}": why'
    )
    strategic = read(STRATEGIC_PATCH, b'{"data":{"k":"not base64!"}}')
    refusal = strategic.undecodable(strategic.text(CONFIG_MAP, {}), "why")
    assert refusal.details["causes"][0]["message"] == 'Invalid value: "map[data:map[k:not base64!]]": why'


def test_duplicate_fields_of_a_patch_are_strict_errors() -> None:
    assert read(MERGE_PATCH, b'{"data":{"a":"1","a":"2"}}').strict_errors() == ['duplicate field "data.a"']


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ('{"op":"remove","path":"/x"}', []),
        ('{"op":"remove","path":"/x","why":1}', ['unknown field "[0].why"']),
        ('{"op":"add","path":"/x","path":"/y","value":{"k":1,"k":2}}', ["path", "value.k"]),
    ],
)
def test_a_json_patch_has_only_the_members_of_operations_and_each_once(operation: str, told: list[str]) -> None:
    wanted = [one if " " in one else f'duplicate field "[0].{one}"' for one in told]
    found = read(JSON_PATCH, f"[{operation}]".encode()).strict_errors()
    assert found == [f"json patch {one}" for one in wanted]


def test_what_a_patch_has_not_looked_into_is_shown_in_the_order_of_its_struct() -> None:
    meta = {"labels": {"b": "<", "a": "1"}, "uid": "u", "name": "n"}
    obj = {"metadata": meta, "kind": "ConfigMap", "data": {}}
    shown = '{"data":{},"kind":"ConfigMap","metadata":{"name":"n","uid":"u","labels":{"a":"1","b":"\\u003c"}}}'
    assert read(MERGE_PATCH, b'{"data":{}}').text(CONFIG_MAP, obj) == shown
    inside = '{"data":{},"kind":"ConfigMap","metadata":{"labels":{"a":"1","b":"\\u003c"},"name":"n","uid":"u"}}'
    assert read(MERGE_PATCH, b'{"metadata":{"uid":"u"}}').text(CONFIG_MAP, obj) == inside
    operation = b'[{"op":"add","path":"/metadata/uid","value":"u"}]'
    assert read(JSON_PATCH, operation).text(CONFIG_MAP, obj) == inside


def test_a_list_as_merge_patch_makes_an_object_that_is_none() -> None:
    with pytest.raises(Invalid) as refusal:
        read(MERGE_PATCH, b"[]")
    assert refusal.value.message.startswith(
        ' "" is invalid: patch: Invalid value: "[]": couldn\'t get version/kind; json parse error: json: cannot '
        "unmarshal array into Go value of type struct {"
    )


def test_a_patch_of_null_changes_nothing_and_an_operation_of_null_is_none() -> None:
    assert read(JSON_PATCH, b"null").apply(CONFIG_MAP, {"a": 1}) == {"a": 1}
    assert read(STRATEGIC_PATCH, b"null").apply(CONFIG_MAP, {"a": 1}) == {"a": 1}
    with pytest.raises(PatchFailed):
        read(JSON_PATCH, b"[null]").apply(CONFIG_MAP, {"a": 1})


def test_nulls_in_lists_of_a_merge_patch_are_left_out() -> None:
    patch = {"l": [None, {"k": None, "v": [None]}], "m": {"k": None}}
    assert merge_patch({"l": [1]}, patch) == {"l": [{"v": []}], "m": {}}


def test_what_a_merge_patch_gave_is_shown_with_its_keys_sorted() -> None:
    deployment = schema.type_for("apps", "v1", "Deployment")
    patch = read(MERGE_PATCH, b'{"spec": {"template": {"spec": {"containers": [{"name": "c", "args": []}]}}}}')
    shown = patch.text(deployment, patch.apply(deployment, {"kind": "Deployment"}))
    assert '"containers":[{"args":[],"name":"c"}]' in shown


@pytest.mark.parametrize(
    ("media_type", "patch", "shown"),
    [
        (MERGE_PATCH, '{"data":{"a":99999999999999999999,"b":1E2,"l":[{"z":1.50,"a":null}]}}', ""),
        (
            JSON_PATCH,
            '[{"op":"add","path":"/data","value":{"z":1.0,"a":{"c":1e3,"b":2}}}]',
            '{"z":1.0,"a":{"c":1e3,"b":2}}',
        ),
        (
            JSON_PATCH,
            '[{"op":"add","path":"/data","value":{"z":1.0,"a":[{"c":1e3,"b":2}]}},{"op":"add","path":"/data/b","value":2}]',
            '{"a":[{"c":1e3,"b":2}],"b":2,"z":1.0}',
        ),
        (
            JSON_PATCH,
            '[{"op":"add","path":"/data","value":{"a":1.0}},{"op":"move","from":"/data","path":"/x"},'
            '{"op":"add","path":"/data","value":2.0},{"op":"copy","from":"/x","path":"/data"}]',
            '{"a":1.0}',
        ),
    ],
)
def test_what_a_patch_gave_is_shown_as_it_was_written(media_type: str, patch: str, shown: str) -> None:
    change = read(media_type, patch.encode())
    text = change.text(CONFIG_MAP, change.apply(CONFIG_MAP, {"kind": "ConfigMap"}))
    wanted = shown or '{"a":99999999999999999999,"b":1E2,"l":[{"z":1.50}]}'
    assert f'"data":{wanted},"kind"' in text


def test_line_separators_of_unicode_are_shown_escaped() -> None:
    change = read(MERGE_PATCH, '{"data":"\u2028"}'.encode())
    assert '"data":"\\u2028"' in change.text(CONFIG_MAP, change.apply(CONFIG_MAP, {}))
