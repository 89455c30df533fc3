"""Sets of fields: algebra, order, text of paths, and what clients may send as one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.resources import fieldset
from kube_lite.resources.fieldset import (
    difference,
    in_order,
    intersection,
    is_valid,
    ordered,
    paths,
    recursive_difference,
    union,
)

Obj = dict[str, Any]

SETS: st.SearchStrategy[Obj] = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(st.sampled_from([".", "f:a", "f:b", "f:c"]), inner, max_size=3),
    max_leaves=8,
)


def valid(set_: Obj) -> Obj:
    """A drawn tree as a set: ``.`` leads nowhere and never stands alone."""
    clean = {step: valid(sub) if step != "." else {} for step, sub in set_.items()}
    return {} if set(clean) == {"."} else clean


@given(SETS, SETS)
def test_set_algebra_agrees_with_sets_of_paths(one: Obj, other: Obj) -> None:
    a, b = valid(one), valid(other)
    a.pop(".", None)
    b.pop(".", None)
    left, right = set(paths(a)), set(paths(b))
    assert set(paths(union(a, b))) == left | right
    assert set(paths(difference(a, b))) == left - right
    assert set(paths(intersection(a, b))) == left & right


@given(SETS, SETS)
def test_recursive_difference_takes_what_is_below_too(one: Obj, other: Obj) -> None:
    a, b = valid(one), valid(other)
    a.pop(".", None)
    b.pop(".", None)
    gone = list(paths(b))
    left = {path for path in paths(a) if not any(path == g or path.startswith(g + ".") for g in gone)}
    assert set(paths(recursive_difference(a, b))) == left


def test_paths_are_printed_as_in_conflicts() -> None:
    set_ = {
        "f:spec": {
            "f:map": {'k:{"k":"1","p":80}': {".": {}, "f:v": {}}},
            "f:set": {'v:"x"': {}},
            "f:list": {"i:3": {}},
            "f:size": {},
        }
    }
    assert list(paths(set_)) == [
        ".spec.size",
        ".spec.list[3]",
        '.spec.map[k="1",p=80]',
        '.spec.map[k="1",p=80].v',
        '.spec.set[="x"]',
    ]


def test_order_is_by_step_with_the_field_itself_first() -> None:
    assert list(ordered({"f:b": {}, "f:a": {"f:z": {}, ".": {}}})["f:a"]) == [".", "f:z"]


@pytest.mark.parametrize("value", [{"a": {}}, {"f:a": []}, {"f:a": 1}, [], {"k:x": {}}, {"v:{": {}}, {"k:[]": {}}])
def test_what_is_no_set_is_seen(value: Any) -> None:
    assert not is_valid(value)
    assert is_valid({"f:a": {".": {}, 'k:{"n":"x"}': {"i:0": {}, "v:1": {}}}})


def test_items_come_in_the_order_of_their_keys_and_numbers_by_their_size() -> None:
    steps = ["f:b", "v:10", "v:9", 'v:"a"', 'k:{"port":443}', 'k:{"port":80}', 'k:{"name":"b"}', ".", "f:a"]
    assert in_order(steps) == [
        *(".", "f:a", "f:b", 'k:{"name":"b"}', 'k:{"port":80}', 'k:{"port":443}', "v:9", "v:10", 'v:"a"')
    ]
    ports: Obj = {"f:ports": {'k:{"port":443}': {"f:name": {}}, 'k:{"port":80}': {"f:name": {}}}}
    assert list(paths(ports)) == [".ports[port=80].name", ".ports[port=443].name"]
    assert list(ordered(ports)["f:ports"]) == ['k:{"port":80}', 'k:{"port":443}']


def test_long_values_are_not_kept_for_the_next_sorting() -> None:
    """They are clients' own: eight thousand values of a set that takes a megabyte each would fill the memory."""
    values = [f'v:"{letter * 100_000}"' for letter in "ba"]
    assert in_order(values) == values[::-1]
    in_order(['v:"b"', 'v:"a"'])
    remembered: Any = fieldset._rank.__self__  # type: ignore[attr-defined]
    assert 'v:"a"' in remembered
    assert not [step for step in remembered if len(step) > 1000]
