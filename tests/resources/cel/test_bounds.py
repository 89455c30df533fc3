"""One call of an expression makes no more than its cost allows, whatever its arguments are."""

from __future__ import annotations

import pytest

from kube_lite.resources.cel import program

LIMIT = "operation cancelled: actual cost limit exceeded"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("lists.range(1000001).size() > 0", LIMIT),
        ("a" + '.replace("", "0123456789")' * 8 + ".size() > 0", LIMIT),
        ('"%.999999999f".format([1.0]) == ""', "precision 999999999 is above 500"),
    ],
)
def test_what_grows_beyond_the_limit_is_an_error(source: str, words: str) -> None:
    with pytest.raises(program.CelError, match=words):
        program.compile(source, {"a"}).evaluate({"a": "x"})
