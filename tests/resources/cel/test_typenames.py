"""Where the objects that an expression makes are, and where their type names say that they are."""

from __future__ import annotations

import pytest

from kube_lite.resources.cel.typenames import misplaced

TOLD = 'unexpected type name "{}", expected "{}", which matches field name path from root Object type'


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("Object{metadata: Object.metadata{labels: {'a': 'b'}}}", "", ""),
        ("Object{spec: Object.specx{replicas: 1}}", "Object.specx", "Object.spec"),
        ("true ? Object{?spec: optional.of(Object.x{})} : Object{}", "Object.x", "Object.spec"),
        ("Object{spec: Object.spec{c: [1].map(i, Object.spec.d{n: i})}}", "Object.spec.d", "Object.spec.c"),
        ("[JSONPatch{op: 'add', path: '/spec/c/-', value: Object.spec.c{n: 'x'}}]", "", ""),
        ("[JSONPatch{value: Object.spec.c{p: [Object.spec.c.q{}]}}]", "Object.spec.c.q", "Object.spec.c.p"),
        ("object.spec.", "", ""),
    ],
)
def test_a_type_is_named_after_its_path(source: str, name: str, expected: str) -> None:
    assert misplaced(source) == (TOLD.format(name, expected) if name else "")
