"""What Kubernetes' CEL has and the library lacks: optional selection, bindings, sizes in characters."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.cel import program
from kube_lite.resources.cel.parse import parse
from kube_lite.resources.cel.rewrite import depth, free, rewrite

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
    assert program.compile(source, {"self"}).evaluate({"self": OBJ}) == value


def test_what_needs_no_rewriting_keeps_its_meaning() -> None:
    assert rewrite(parse("a.b[0] == 'x' ? {'k': 1} : [c, -2]")).replace(" ", "") == "a.b[0]=='x'?{'k':1}:[c,-2]"


def test_depth_counts_loops_inside_loops_only() -> None:
    assert depth(parse("self.size() > 1")) == 0
    assert depth(parse("self.all(x, x > 0) && self.all(y, y > 0)")) == 1
    assert depth(parse("self.all(x, self.all(y, x == y))")) == 2
    assert depth(parse("'self.all(x, self.all(y, y))'")) == 0


def test_brackets_stay_where_operators_need_them() -> None:
    assert rewrite(parse("(a + b) * c - (d - e)")) == "(a + b) * c - (d - e)"
    assert rewrite(parse("!(a && b) || c && (d || e)")) == "!(a && b) || c && (d || e)"
    assert rewrite(parse("(a ? b : c) ? d : e ? f : g")) == "(a ? b : c) ? d : e ? f : g"


def test_variables_of_loops_are_not_free() -> None:
    source = "self.all(x, x > y && z.exists(i, v, i < v)) || cel.bind(w, q, w)"
    assert [node.name for node in free(parse(source))] == ["self", "y", "z", "q"]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("[1, 2].all(i, v, i < v)", True),
        ("{'a': 1}.exists(k, v, k == 'a' && v == 1)", True),
        ("[1, 2].existsOne(i, v, v == 2)", True),
        ("[1, 2].transformList(i, v, i > 0, i + v)", [3]),
        ("{'a': 1}.transformMap(k, v, v + 1)", {"a": 2}),
        ("{'a': 1}.transformMapEntry(k, v, {v: k})", {1: "a"}),
        ("[1, 2].all(i, v, [3].all(i, v, i == 0 && v == 3))", True),
        ("optional.of(1).optMap(x, x + 1).value()", 2),
        ("{?'a': optional.none(), 'b': 1}", {"b": 1}),
        ("[?optional.of(1), 2]", [1, 2]),
        ("[{'a': 2}, {'a': 1}].sortBy(x, x.a)", [{"a": 1}, {"a": 2}]),
        ("lists.range(3)", [0, 1, 2]),
        ("[1, 2].last().value()", 2),
        ("strings.quote('a\\n')", '"a\\n"'),
        ("ip.isCanonical('::0001')", False),
        ("format.named('dns1123Label').value().validate('A b').hasValue()", True),
        ("isSemver('v1.0', true)", True),
        ("bool('true')", True),
    ],
)
def test_what_the_library_lacks_is_added(source: str, value: Any) -> None:
    assert program.compile(source, set()).evaluate({}) == value
