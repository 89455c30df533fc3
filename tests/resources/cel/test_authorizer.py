"""Expressions that ask whether somebody may do something."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kube_lite.resources.cel import program
from kube_lite.resources.cel.authorizer import AuthorizerValue


def _decide(asked: Mapping[str, str]) -> tuple[bool, str]:
    if asked["verb"] == "fail":
        raise ValueError("out of order")
    wanted = {"group": "", "resource": "pods", "namespace": "x", "verb": "create"}
    return dict(asked) in (
        wanted,
        {"path": "/metrics", "verb": "get"},
        {"user": "system:serviceaccount:a:b", **wanted},
    ), "by rule"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("authorizer.group('').resource('pods').namespace('x').check('create').allowed()", True),
        ("authorizer.group('').resource('pods').check('create').allowed()", False),
        ("authorizer.path('/metrics').check('get').allowed()", True),
        ("authorizer.requestResource.check('create').reason()", "by rule"),
        (
            "authorizer.serviceAccount('a', 'b').group('').resource('pods').namespace('x').check('create').allowed()",
            True,
        ),
        ("authorizer.group('').resource('pods').check('fail').errored()", True),
        ("authorizer.group('').resource('pods').check('fail').error()", "out of order"),
    ],
)
def test_checks_ask_for_what_was_gathered(source: str, value: object) -> None:
    authorizer = AuthorizerValue(_decide, {"group": "", "resource": "pods", "namespace": "x"})
    assert program.compile(source, {"authorizer"}).evaluate({"authorizer": authorizer}) == value
