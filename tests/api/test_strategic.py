"""Strategic merge: lists merged by key, directives, order, refusals."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kube_lite.api.strategic import ListOfLists, merge
from kube_lite.errors import BadRequest
from kube_lite.resources import schema

POD = schema.type_for("", "v1", "Pod")


def spec(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy((original, patch))
    merged = merge(POD, {"spec": original}, {"spec": patch})
    assert ({"spec": original}, {"spec": patch}) == ({"spec": before[0]}, {"spec": before[1]})
    result: dict[str, Any] = merged["spec"]
    return result


def names(spec: dict[str, Any], field: str = "containers") -> list[str]:
    return [item["name"] for item in spec[field]]


C = {"name": "c", "image": "i:1", "args": ["x"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
D = {"name": "d", "image": "i:2"}


def test_list_items_are_merged_by_their_key() -> None:
    patch = {"containers": [{"name": "c", "env": [{"name": "B", "value": "9"}], "args": ["y"]}]}
    assert spec({"containers": [C, D]}, patch)["containers"] == [
        {**C, "args": ["y"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "9"}]},
        D,
    ]


def test_null_removes_and_unmatched_null_does_nothing() -> None:
    assert spec({"containers": [C], "hostname": "h"}, {"hostname": None, "nodeName": None}) == {"containers": [C]}


def test_items_are_deleted_and_lists_replaced_by_directive() -> None:
    assert names(spec({"containers": [C, D]}, {"containers": [{"name": "c", "$patch": "delete"}]})) == ["d"]
    patch = {"containers": [{"name": "z", "image": "i"}, {"$patch": "replace"}]}
    assert spec({"containers": [C, D]}, patch)["containers"] == [{"name": "z", "image": "i"}]
    replaced = spec(
        {"containers": [C], "securityContext": {"runAsUser": 1}}, {"securityContext": {"$patch": "replace"}}
    )
    assert replaced["securityContext"] == {}


def test_set_element_order_orders_and_keeps_what_it_does_not_name() -> None:
    e = {"name": "e", "image": "i:3"}
    patch = {"$setElementOrder/containers": [{"name": "d"}, {"name": "c"}], "containers": [{"name": "d", "image": "n"}]}
    merged = spec({"containers": [C, D, e]}, patch)
    assert names(merged) == ["d", "c", "e"]
    assert merged["containers"][0] == {"name": "d", "image": "n"}


def test_set_element_order_alone_reorders() -> None:
    order = [{"name": "d"}, {"name": "c"}]
    assert names(spec({"containers": [C, D]}, {"$setElementOrder/containers": order})) == ["d", "c"]


def test_primitive_lists_merge_as_sets() -> None:
    merged = merge(POD, {"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"finalizers": ["b", "c"]}})
    assert sorted(merged["metadata"]["finalizers"]) == ["a", "b", "c"]
    gone = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert merge(POD, {"metadata": {"finalizers": ["a", "b"]}}, gone) == {"metadata": {"finalizers": ["b"]}}


def test_retain_keys_drops_the_other_members_of_a_union() -> None:
    volumes = [{"name": "v", "emptyDir": {}}]
    patch = {"volumes": [{"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/h"}}]}
    assert spec({"volumes": volumes}, patch)["volumes"] == [{"name": "v", "hostPath": {"path": "/h"}}]
    deployment = schema.type_for("apps", "v1", "Deployment")
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    change = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert merge(deployment, {"spec": {"strategy": strategy}}, change) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_atomic_lists_are_replaced() -> None:
    patch = {"tolerations": [{"key": "q"}]}
    assert spec({"tolerations": [{"key": "a"}, {"key": "b"}]}, patch)["tolerations"] == [{"key": "q"}]


def test_what_carries_a_directive_is_not_added() -> None:
    patch = {
        "containers": [{"name": "n", "env": [{"name": "X", "$patch": "delete"}], "args": None}],
        "$setElementOrder/containers": [{"name": "n"}],
        "securityContext": {"$patch": "delete"},
    }
    assert spec({}, patch) == {"containers": [{"name": "n", "env": []}]}
    assert spec({"hostname": "h"}, {"hostname": {"$patch": "replace"}}) == {}


def test_a_directive_in_a_list_that_is_replaced_is_an_unknown_field() -> None:
    tolerations = [{"key": "a", "$patch": "delete"}]
    assert spec({"tolerations": [{"key": "a"}]}, {"tolerations": tolerations}) == {"tolerations": tolerations}
    args = {"name": "c", "$deleteFromPrimitiveList/args": ["x"]}
    assert spec({"containers": [C]}, {"containers": [args]})["containers"][0]["args"] == ["x"]


@pytest.mark.parametrize("values", [None, "x", {"a": 1}, []])
def test_only_lists_are_deleted_from(values: Any) -> None:
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": values}}
    expected = {"metadata": {} if values is None else {"finalizers": ["a"]}}
    assert merge(POD, {"metadata": {"finalizers": ["a"]}}, patch) == expected
    assert merge(POD, {"metadata": {}}, patch) == {"metadata": {}}


def test_lists_of_lists_are_refused() -> None:
    with pytest.raises(ListOfLists):
        spec({}, {"containers": [["a"]], "$setElementOrder/containers": []})


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"containers": [{"image": "i:8"}]}, "map: map[image:i:8] does not contain declared merge key: name"),
        ({"securityContext": {"$patch": "frob"}}, "unknown patch type: frob in map: map[$patch:frob]"),
        (
            {"containers": [{"name": "c", "$patch": "frob"}]},
            "unknown patch type: frob in map: map[$patch:frob name:c]",
        ),
        ({"containers": [1]}, "list element types are not identical: [[map[image:i:1 name:c]] [1]]"),
        ({"$setElementOrder/containers": 1}, "expected a []interface {}, but received a int64"),
        (
            {"$setElementOrder/containers": [], "containers": None},
            "expected a []interface {}, but received a %!s(<nil>)",
        ),
        ({"$setElementOrder": []}, "invalid patch format of setElementOrder list"),
        ({"$setElementOrder/x": []}, 'unable to find api field in struct PodSpec for the json field "x"'),
        ({"$setElementOrder/containers": [{}]}, "map: map[] does not contain declared merge key: name"),
        ({"$deleteFromPrimitiveList": []}, "invalid patch format of primitive list"),
        ({"$retainKeys": ["a"], "b": 1}, "invalid patch format of retainKeys"),
        ({"$retainKeys": None}, "invalid patch format of retainKeys"),
        ({"$patch": "merge"}, "unknown patch type: merge in map: map[$patch:merge]"),
        ({"$patch": 1}, "unknown patch type: %!s(int64=1) in map: map[$patch:1]"),
    ],
)
def test_bad_patches_are_400(patch: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        spec({"containers": [{"name": "c", "image": "i:1"}], "securityContext": {"runAsUser": 1}}, patch)
    assert refusal.value.message == message


def test_a_patch_list_out_of_its_stated_order_is_400() -> None:
    patch = {
        "$setElementOrder/containers": [{"name": "c"}, {"name": "d"}],
        "containers": [{"name": "d"}, {"name": "c"}],
    }
    with pytest.raises(BadRequest, match="The order in patch list"):
        spec({"containers": [C, D]}, patch)
