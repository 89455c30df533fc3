"""Rules: what they match, what covers what, and that a grant never exceeds what the grantor holds."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.authz.rules import Rule, RuleIndex, missing
from kube_lite.api.user import User

USER = User("u")


def allows(rules: list[Rule], attributes: Attributes) -> bool:
    return RuleIndex((rule, "") for rule in rules).allows(attributes) is not None


def asked(verb: str, resource: str, group: str = "", name: str = "") -> Attributes:
    plural, _, subresource = resource.partition("/")
    return Attributes(USER, verb, group, "v1", plural, subresource, "ns", name)


@pytest.mark.parametrize(
    ("rule", "attributes", "allowed"),
    [
        (Rule(("get",), ("",), ("pods",)), asked("get", "pods"), True),
        (Rule(("get",), ("",), ("pods",)), asked("list", "pods"), False),
        (Rule(("get",), ("",), ("pods",)), asked("get", "pods", "apps"), False),
        (Rule(("get",), ("",), ("pods",)), asked("get", "pods/log"), False),
        (Rule(("get",), ("",), ("pods/log",)), asked("get", "pods/log"), True),
        (Rule(("get",), ("",), ("pods/log",)), asked("get", "pods"), False),
        (Rule(("get",), ("",), ("pods/*",)), asked("get", "pods/log"), False),
        (Rule(("get",), ("",), ("*",)), asked("get", "pods/log"), True),
        (Rule(("get",), ("*",), ("*/scale",)), asked("get", "deployments/scale", "apps"), True),
        (Rule(("get",), ("*",), ("*/scale",)), asked("get", "deployments", "apps"), False),
        (Rule(("*",), ("",), ("pods",)), asked("impersonate", "pods"), True),
        (Rule(("get",), ("",), ("pods",), ("a",)), asked("get", "pods", name="a"), True),
        (Rule(("get",), ("",), ("pods",), ("a",)), asked("get", "pods", name="b"), False),
        (Rule(("create",), ("",), ("pods",), ("a",)), asked("create", "pods"), False),
        (Rule(("get",), urls=("/metrics",)), Attributes(USER, "get", path="/metrics"), True),
        (Rule(("get",), urls=("/metrics",)), Attributes(USER, "get", path="/metrics/x"), False),
        (Rule(("get",), urls=("/api/*",)), Attributes(USER, "get", path="/api/v1"), True),
        (Rule(("get",), urls=("/api/*",)), Attributes(USER, "get", path="/api"), False),
        (Rule(("get",), urls=("*",)), Attributes(USER, "post", path="/api"), False),
        (Rule(("get",), ("*",), ("*",)), Attributes(USER, "get", path="/metrics"), False),
        (Rule(("*",), urls=("*",)), asked("get", "pods"), False),
    ],
)
def test_a_rule_allows_what_it_names(rule: Rule, attributes: Attributes, allowed: bool) -> None:
    assert allows([rule], attributes) is allowed


def test_what_is_missing_is_told_with_verbs_together() -> None:
    held = [Rule(("get",), ("",), ("pods",))]
    wanted = [Rule(("get", "list"), ("",), ("pods", "secrets")), Rule(("get",), urls=("/x",))]
    assert sorted(map(str, missing(held, wanted))) == [
        '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
        '{NonResourceURLs:["/x"], Verbs:["get"]}',
    ]


def test_a_wildcard_is_covered_by_a_wildcard_only() -> None:
    listed = Rule(("get", "list", "watch", "create", "update", "patch", "delete"), ("",), ("pods",))
    assert missing([listed], [Rule(("*",), ("",), ("pods",))])
    assert missing([Rule(("*",), ("",), ("pods",))], [Rule(("*",), ("*",), ("pods",))])
    assert not missing([Rule(("*",), ("*",), ("*",))], [listed, Rule(("*",), ("apps",), ("*",))])


def test_one_name_does_not_cover_all_names() -> None:
    one = Rule(("get",), ("",), ("pods",), ("a",))
    assert missing([one], [Rule(("get",), ("",), ("pods",))])
    assert missing([one], [Rule(("get",), ("",), ("pods",), ("a", "b"))]) == [Rule(("get",), ("",), ("pods",), ("b",))]
    assert not missing([Rule(("get",), ("",), ("pods",))], [one])


VERBS, GROUPS, RESOURCES, NAMES = (
    ("get", "list", "*"),
    ("", "apps", "*"),
    ("a", "b", "a/s", "b/s", "*/s", "*"),
    ("x", "y"),
)
URLS = ("/a", "/a/b", "/a/*", "/*", "*")


def some(values: tuple[str, ...], least: int = 1) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=2, unique=True).map(tuple)


resource_rules = st.builds(Rule, some(VERBS), some(GROUPS), some(RESOURCES), some(NAMES, 0))
url_rules = st.builds(lambda verbs, urls: Rule(verbs, urls=urls), some(VERBS), some(URLS))
policies = st.lists(st.one_of(resource_rules, url_rules), max_size=4)
UNIVERSE = [
    *(
        asked(verb, resource, group, name)
        for verb, group, resource, name in product(
            ("get", "list", "other"), ("", "apps", "g"), ("a", "b", "a/s", "b/s", "c/s", "c"), ("", "x", "y", "z")
        )
    ),
    *(
        Attributes(USER, verb, path=path)
        for verb, path in product(("get", "list", "other"), ("/a", "/a/", "/a/b", "/a/b/c", "/c"))
    ),
]


@settings(max_examples=400, deadline=None)
@given(held=policies, wanted=policies)
def test_what_may_be_granted_is_held(held: list[Rule], wanted: list[Rule]) -> None:
    holds, grants = (RuleIndex((rule, "") for rule in rules) for rules in (held, wanted))
    if missing(held, wanted):
        return
    for attributes in UNIVERSE:
        if grants.allows(attributes) is not None:
            assert holds.allows(attributes) is not None, attributes


@settings(max_examples=200, deadline=None)
@given(held=policies, wanted=policies)
def test_with_what_is_missing_nothing_is_missing(held: list[Rule], wanted: list[Rule]) -> None:
    assert missing([*held, *missing(held, wanted)], wanted) == []
