"""CEL in admission: objects are built as maps, and only what a request has can be named."""

from __future__ import annotations

import pytest

from kube_lite.api.admission import expressions
from kube_lite.resources import cel


def test_an_object_is_built_as_a_map() -> None:
    meta = """metadata: Object.metadata{labels: {"a": "Object{x: 1}"}}"""
    source = f"""Object{{{meta}, spec: Object.spec{{n: object.n ? 1 : 2}}}}"""
    built = expressions.value(source, {"object": {"n": True}})
    assert built == {"metadata": {"labels": {"a": "Object{x: 1}"}}, "spec": {"n": 1}}


def test_an_optional_field_may_be_absent() -> None:
    assert expressions.value("object.?spec.?replicas.orValue(3)", {"object": {}}) == 3


@pytest.mark.parametrize(
    ("source", "why"),
    [("1 +", "Syntax error"), ("obj.spec", "undeclared reference to 'obj'"), ("a" * 20_000, "longer than")],
)
def test_what_cannot_be_compiled_is_refused(source: str, why: str) -> None:
    with pytest.raises(cel.CelError, match=why):
        expressions.compiled(source)
