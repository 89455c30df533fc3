"""Which items of two lists stand beside each other."""

from __future__ import annotations

import pytest

from kube_lite.resources.go.alignment import Leaves, Pair, aligned
from kube_lite.resources.go.diff import go_diff
from tests.resources.go.test_diff import POD, pod


def _compare(one: str, other: str) -> Leaves:
    """Words of two letters, each a leaf."""
    same = sum(a == b for a, b in zip(one, other, strict=True))
    return same, 2 - same


@pytest.mark.parametrize(
    ("old", "new", "pairs"),
    [
        (["ab", "cd"], ["ab", "cd"], [(0, 0), (1, 1)]),
        (["ab", "cd"], ["xy", "ab", "cd"], [(None, 0), (0, 1), (1, 2)]),
        (["ab", "cd", "ef"], ["ab", "ef"], [(0, 0), (1, None), (2, 1)]),
        (["ab"], ["ax"], [(0, 0)]),
        (["ab"], ["xy"], [(0, None), (None, 0)]),
        (["ab", "cd"], ["cx"], [(0, None), (1, 0)]),
        (["ab", "cd"], ["cd", "ab"], [(0, None), (1, 0), (None, 1)]),
        ([], ["ab"], [(None, 0)]),
    ],
)
def test_equal_items_meet_then_those_that_are_alike(old: list[str], new: list[str], pairs: list[Pair]) -> None:
    assert aligned(len(old), len(new), lambda i, j: _compare(old[i], new[j])) == pairs


def test_an_item_that_is_gone_leaves_the_next_beside_its_like() -> None:
    one, other = {"ip": "1.1.1.1", "hostnames": ["n"]}, {"ip": "1.1.1.1", "hostnames": ["a"]}
    told = go_diff(POD, {**pod, "hostAliases": [{"ip": "2.2.2.2"}, one]}, {**pod, "hostAliases": [other]})
    lines = ('- \t\t{IP: "2.2.2.2"},', "  \t\t{", '  \t\t\tIP:        "1.1.1.1",', '- \t\t\tHostnames: []string{"n"},')
    assert "\n".join(lines) in told
