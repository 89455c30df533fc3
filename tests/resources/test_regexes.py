"""Regular expressions are Go's, and no expression takes longer than its text deserves."""

from __future__ import annotations

import pytest

from kube_lite.resources.cel.functions import FUNCTIONS
from kube_lite.resources.regexes import RegexError, go_regex


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*b$", "(a+a+)+y"])
def test_an_expression_that_backtracking_never_finishes_is_answered(pattern: str) -> None:
    assert go_regex(pattern).search("a" * 50_000 + "!") is None


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", "error parsing regexp: missing closing ): `(`"),
        ("(?=a)b", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"),
        (r"(a)\1", r"error parsing regexp: invalid escape sequence: `\1`"),
        ("a{2000}", "error parsing regexp: invalid repeat count: `{2000}`"),
    ],
)
def test_what_go_does_not_read_is_refused_in_its_words(pattern: str, words: str) -> None:
    with pytest.raises(RegexError) as refusal:
        go_regex(pattern)
    assert str(refusal.value) == words


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [("a$", "a\n", False), (r"\pL+\z", "é", True), ("^[[:alpha:]]$", "a", True), (r"\Qa.b\E", "axb", False)],
)
def test_expressions_mean_what_they_mean_in_go(pattern: str, text: str, found: bool) -> None:
    assert (go_regex(pattern).search(text) is not None) is found


def test_an_empty_match_behind_another_is_none() -> None:
    assert FUNCTIONS["findAll"]("axxb", "x*") == ["", "xx", ""]
