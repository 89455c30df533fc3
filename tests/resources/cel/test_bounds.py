"""One call of an expression makes no more than its cost allows, whatever its arguments are."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.cel import program
from kube_lite.resources.cel.authorizer import asking
from kube_lite.resources.cel.examine import examine
from kube_lite.resources.cel.parse import MAX_LENGTH

LIMIT = "operation cancelled: actual cost limit exceeded"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("lists.range(1000001).size() > 0", LIMIT),
        ("a" + '.replace("", "0123456789")' * 8 + ".size() > 0", LIMIT),
        ("['a']" + ".map(x, x + x)" * 50 + ".size() > 0", LIMIT),
        ("[[1]]" + ".map(x, [x, x])" * 50 + ".size() > 0", LIMIT),
        ("cel.bind(b, a + a, " * 50 + "b.size() > 0" + ")" * 50, LIMIT),
        ('"%.999999999f".format([1.0]) == ""', "precision 999999999 is above 500"),
    ],
)
def test_what_grows_beyond_the_limit_is_an_error(source: str, words: str) -> None:
    with pytest.raises(program.CelError, match=words):
        program.compile(source, {"a"}).evaluate({"a": "x"})


@pytest.mark.parametrize("source", ["(" * 240 + "true" + ")" * 240, "1" + "+1" * 4000 + " > 0"])
def test_an_expression_too_deep_to_be_worked_on_is_refused(source: str) -> None:
    with pytest.raises(program.CelError, match="compilation failed: "):
        program.compile(source)
    assert examine(source, {}).problem.startswith("compilation failed: ")


def test_an_expression_that_is_too_long_is_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library took minutes for a list of a hundred thousand numbers."""
    monkeypatch.setattr(program, "_library", None)
    source = f"[{'1,' * MAX_LENGTH}1].size() > 0"
    assert "longer than 16384 characters" in examine(source, {}).problem


def test_a_program_that_two_threads_run_keeps_their_variables_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large objects are looked at in a thread, while the loop goes on with others."""
    made = program.compile("self == 'mine'")
    place = "kube_lite.resources.cel.program.asking"

    def meanwhile(authorizer: Any) -> Any:
        monkeypatch.setattr(place, asking)
        assert made.evaluate({"self": "yours"}) is False
        return asking(authorizer)

    monkeypatch.setattr(place, meanwhile)
    assert made.evaluate({"self": "mine"}) is True


@pytest.mark.parametrize("source", ["a" + " + a" * 120 + " != ''", "n.map(x, a + 'b').size() > 0"])
def test_what_texts_grow_to_depends_on_them(source: str) -> None:
    """Both are fine with short ones."""
    made = program.compile(source, {"a", "n"})
    assert made.evaluate({"a": "x" * 10, "n": [1] * 10}) is True
    with pytest.raises(program.CostExceeded):
        made.evaluate({"a": "x" * 200_000, "n": [1] * 10_000})


def test_usual_messages_are_not_taken_for_growth() -> None:
    source = "o.containers.map(c, 'container ' + c.name + ' of ' + o.name + ': ' + c.image + '!').join(', ')"
    containers = [{"name": f"c{number}", "image": "x" * 200} for number in range(100)]
    text = program.compile(source, {"o"}).evaluate({"o": {"name": "p", "containers": containers}})
    assert text.startswith("container c0 of p: xxx")
