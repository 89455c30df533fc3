"""Field selectors: what they select, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.resources import field_selectors
from kube_lite.resources.selectors import SelectorError

FIELDS = {"metadata.name": "p1", "status.phase": "Pending", "spec.nodeName": ""}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("metadata.name=p1", True),
        ("metadata.name==p1,status.phase!=Failed", True),
        ("spec.nodeName=", True),
        ("spec.nodeName!=", False),
        ("metadata.name=p1,", True),
        ("missing=", True),
    ],
)
def test_field_selection(text: str, selected: bool) -> None:
    assert field_selectors.parse(text).matches(FIELDS) is selected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
        ("metadata.name in (a)", "invalid selector: 'metadata.name in (a)'; can't understand 'metadata.name in (a)'"),
        ("metadata.name=a=b", "invalid field selector: unescaped character in value: 61"),
        ("metadata.name=a\\\\,b", "invalid selector: 'metadata.name=a\\\\,b'; can't understand 'b'"),
        ("a=\\x", "invalid field selector: invalid escape sequence: \\x"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_field_refusals_are_upstreams(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as refused:
        field_selectors.parse(text)
    assert str(refused.value) == message


def test_exact_value_of_a_field() -> None:
    selector = field_selectors.parse("metadata.name=a,spec.nodeName!=n")
    assert selector.exact("metadata.name") == "a"
    assert selector.exact("spec.nodeName") is None
    assert selector.fields == ["metadata.name", "spec.nodeName"]


@given(st.text(alphabet="ab\\,=!", max_size=8))
def test_any_field_value_survives_escaping(value: str) -> None:
    selector = field_selectors.parse(f"f={field_selectors.escape(value)}")
    assert selector.matches({"f": value})
    assert field_selectors.parse(str(selector)) == selector
