"""Label and field selectors: meaning, text and messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.resources import selectors
from kube_lite.resources.meta import LabelSelector, LabelSelectorRequirement
from kube_lite.resources.selectors import SelectorError

OBJECTS: dict[str, dict[str, str]] = {
    "a": {"app": "x", "tier": "f"},
    "b": {"app": "x", "tier": "b", "n": "7"},
    "c": {"app": "y", "n": "many"},
    "d": {},
}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", "abcd"),
        ("app=x", "ab"),
        ("app==x", "ab"),
        ("app!=x", "cd"),
        ("app=x,tier=f", "a"),
        ("app=", ""),
        ("app in (x,y)", "abc"),
        ("app notin (x)", "cd"),
        ("app in (x),tier notin (b)", "a"),
        ("tier in (f, b)", "ab"),
        ("app in ()", ""),
        ("app", "abc"),
        ("!app", "d"),
        ("!app,!tier", "d"),
        ("n>5", "b"),
        ("n<5", ""),
        (" app = x , tier ", "ab"),
        ("app in (in, x)", "ab"),
    ],
)
def test_selection(text: str, selected: str) -> None:
    selector = selectors.parse(text)
    assert "".join(name for name, labels in OBJECTS.items() if selector.matches(labels)) == selected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("app===x", "unable to parse requirement: found '=', expected: identifier"),
        ("!app=x", "found '=', expected: ',' or 'end of string'"),
        ("a b=c", "unable to parse requirement: found 'b', expected: '=', '!=', '==', 'in', notin'"),
        ("app=bad value!", "found 'value', expected: ',' or 'end of string'"),
        ("app=a,", "found '', expected: identifier after ','"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("app in x", "unable to parse requirement: found 'x' expected: '('"),
        ("app in (x y)", "unable to parse requirement: found 'y', expected: ',' or ')'"),
        ("app in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("app in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
        (
            "app>x",
            "unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    ],
)
def test_refusals_are_upstreams(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as refused:
        selectors.parse(text)
    assert str(refused.value) == message


def test_a_wrong_key_is_named_with_the_rule() -> None:
    with pytest.raises(SelectorError, match=r'^unable to parse requirement: invalid label key "-bad": name part must'):
        selectors.parse("-bad=x")


def test_a_wrong_value_is_named_with_its_key() -> None:
    with pytest.raises(
        SelectorError, match=r'^unable to parse requirement: invalid label value: "a_": at key: "app": a valid label'
    ):
        selectors.parse("app=a_")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("b=1,a!=2", "a!=2,b=1"), ("x in (b,a)", "x in (a,b)"), ("!z,y", "y,!z"), ("a==1", "a==1"), ("n>5", "n>5")],
)
def test_text_is_sorted_by_key(text: str, canonical: str) -> None:
    assert str(selectors.parse(text)) == canonical


def test_selector_objects_read_the_same_as_views_and_as_json() -> None:
    view = LabelSelector(
        match_labels={"app": "x"}, match_expressions=[LabelSelectorRequirement(key="tier", operator="In", values=["f"])]
    )
    decoded = {
        "matchLabels": {"app": "x"},
        "matchExpressions": [{"key": "tier", "operator": "In", "values": ["f"]}],
    }
    assert selectors.from_object(view) == selectors.from_object(decoded)
    assert selectors.format_label_selector(view) == "app=x,tier in (f)"
    assert selectors.matches(decoded, OBJECTS["a"])
    assert not selectors.matches(decoded, OBJECTS["b"])


def test_no_selector_selects_nothing_and_an_empty_one_everything() -> None:
    assert not selectors.matches(None, {})
    assert selectors.matches({}, {})
    assert selectors.from_object({}).empty
    assert not selectors.from_object(None).empty
    assert selectors.format_label_selector(None) == "<none>"


def test_an_unknown_operator_in_an_object_is_refused() -> None:
    with pytest.raises(SelectorError, match='"Near" is not a valid label selector operator'):
        selectors.from_object({"matchExpressions": [{"key": "a", "operator": "Near"}]})
    assert selectors.format_label_selector({"matchExpressions": [{"key": "a", "operator": "Near"}]}) == "<error>"


@given(st.text(alphabet="ab=!<>(),- \t", max_size=12))
def test_label_parser_refuses_or_round_trips(text: str) -> None:
    try:
        selector = selectors.parse(text)
    except SelectorError:
        return
    assert str(selectors.parse(str(selector))) == str(selector)
