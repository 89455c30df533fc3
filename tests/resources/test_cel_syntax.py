"""What Kubernetes' CEL has and the library lacks: optional selection, bindings, sizes in characters."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources import cel
from kube_lite.resources.cel_syntax import depth, escape, rewrite

OBJ = {"a": 1, "s": "héllo", "o": {"p": {"z": 5}}, "l": [3, 1, 2]}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("self.?nothing.orValue(5)", 5),
        ("self.?o.?p.z.orValue(7)", 5),
        ("self.?o.?nothing.z.orValue(7)", 7),
        ("self.l[?9].orValue(4)", 4),
        ("cel.bind(x, self.a + 1, x * 2)", 4),
        ("cel.bind(x, [1, 2], cel.bind(y, x.size(), y + 1))", 3),
        ("self.s.size()", 5),
        ("size('.?x')", 3),
        ("'cel.bind(x, 1, x)'.startsWith('cel.bind(')", True),
        ("self.s.substring(1, 3)", "él"),
        ("semver('1.2.3').isLessThan(semver('1.10.0'))", True),
        ("format.dns1123Label().validate('A b').hasValue()", True),
        ("self.l.exists(x, size(self.s) == x + 2)", True),
    ],
)
def test_rewritten_expressions_have_upstreams_value(source: str, value: Any) -> None:
    assert cel.compile(source, {"self"}).evaluate({"self": OBJ}) == value


def test_what_needs_no_rewriting_keeps_its_meaning() -> None:
    assert rewrite("a.b[0] == 'x' ? {'k': 1} : [c, -2]").replace(" ", "") == "a.b[0]=='x'?{'k':1}:[c,-2]"


def test_depth_counts_loops_inside_loops_only() -> None:
    assert depth("self.size() > 1") == 0
    assert depth("self.all(x, x > 0) && self.all(y, y > 0)") == 1
    assert depth("self.all(x, self.all(y, x == y))") == 2
    assert depth("'self.all(x, self.all(y, y))'") == 0


@pytest.mark.parametrize(
    ("name", "escaped"), [("in", "__in__"), ("a-b", "a__dash__b"), ("a.b/c", "a__dot__b__slash__c")]
)
def test_property_names_are_escaped_as_upstream_does(name: str, escaped: str) -> None:
    assert escape(name) == escaped
