"""Three-way merge: the patch, applied by the server's own strategic merge, gives what the file says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kube_lite.api.strategic import merge
from kube_lite.cli.three_way import LAST_APPLIED, last_applied, merge_patch, strategic_patch, with_last_applied
from kube_lite.resources import schema

NODE = schema.type_for("apps", "v1", "Deployment")


def _deployment(containers: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": containers}}, **spec}}


def _applied(original: dict[str, Any], modified: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    patch = strategic_patch(original, modified, live, NODE)
    return merge(NODE, json.loads(json.dumps(live)), patch)


def test_nothing_is_sent_when_the_file_is_what_is() -> None:
    file = _deployment([{"name": "a", "image": "x"}])
    live = _deployment([{"name": "a", "image": "x", "imagePullPolicy": "Always"}], replicas=3)
    assert strategic_patch(file, file, live, NODE) == {}


def test_what_others_set_stays() -> None:
    before, after = _deployment([{"name": "a", "image": "x"}]), _deployment([{"name": "a", "image": "y"}])
    live = _deployment([{"name": "a", "image": "x"}, {"name": "sidecar", "image": "s"}], replicas=3)
    result = _applied(before, after, live)
    assert result["spec"]["replicas"] == 3
    assert {c["name"]: c["image"] for c in result["spec"]["template"]["spec"]["containers"]} == {
        "a": "y",
        "sidecar": "s",
    }


def test_fields_that_left_the_file_are_deleted() -> None:
    before = _deployment(
        [{"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]
    )
    after = _deployment([{"name": "a", "image": "x", "env": [{"name": "B", "value": "2"}]}])
    result = _applied(
        {**before, "metadata": {"labels": {"l": "1"}}}, after, {**before, "metadata": {"labels": {"l": "1"}}}
    )
    assert result["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "B", "value": "2"}]


def test_a_container_that_left_the_file_is_deleted() -> None:
    before, after = _deployment([{"name": "a"}, {"name": "b"}]), _deployment([{"name": "b"}])
    assert _applied(before, after, before) == after


def test_a_field_that_others_changed_is_set_back() -> None:
    file = _deployment([{"name": "a", "image": "x"}], replicas=2)
    assert _applied(file, file, _deployment([{"name": "a", "image": "x"}], replicas=5))["spec"]["replicas"] == 2


def test_a_union_keeps_only_what_the_file_has() -> None:
    before = _deployment([], strategy={"type": "RollingUpdate"})
    live = _deployment([], strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}})
    result = _applied(before, _deployment([], strategy={"type": "Recreate"}), live)
    assert result["spec"]["strategy"] == {"type": "Recreate"}


def test_entries_of_plain_lists_that_are_merged_are_added_and_removed() -> None:
    before = {"metadata": {"finalizers": ["a/a", "b/b"]}}
    live = {"metadata": {"finalizers": ["a/a", "b/b", "other/x"]}}
    result = _applied(before, {"metadata": {"finalizers": ["b/b", "c/c"]}}, live)
    assert sorted(result["metadata"]["finalizers"]) == ["b/b", "c/c", "other/x"]


def test_custom_resources_are_merged_as_json() -> None:
    live = {"spec": {"a": 1, "list": [1], "gone": 1, "theirs": 1}}
    patch = merge_patch({"spec": {"gone": 1, "list": [1]}}, {"spec": {"a": 2, "list": [1, 2]}}, live)
    assert patch == {"spec": {"a": 2, "list": [1, 2], "gone": None}}


@pytest.mark.parametrize("text", ["", "not json", "[]"])
def test_an_unreadable_annotation_counts_as_none(text: str) -> None:
    assert last_applied({"metadata": {"annotations": {LAST_APPLIED: text}}}) is None


def test_the_annotation_is_kubectls() -> None:
    obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"b": "<ä>"}}
    kept = with_last_applied(obj)
    text = '{"apiVersion":"v1","data":{"b":"<ä>"},"kind":"ConfigMap","metadata":{"annotations":{},"name":"a"}}\n'
    assert kept["metadata"]["annotations"][LAST_APPLIED] == text
    assert last_applied(kept) == {**obj, "metadata": {"annotations": {}, "name": "a"}}
