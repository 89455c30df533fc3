"""How much an expression may cost, by its types and by its data."""

from __future__ import annotations

import pytest

from kube_lite.resources.cel import program
from kube_lite.resources.cel.check import check
from kube_lite.resources.cel.cost import estimate, exceeded
from kube_lite.resources.cel.parse import parse
from kube_lite.resources.cel.types import INT, CelType, of_schema, of_value

LIST = {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 5}}


def _cost(source: str, **scope: CelType) -> int:
    return estimate(check(source, parse(source), scope))


@pytest.mark.parametrize(
    ("source", "steps"),
    [("1 == 1", 1), ("self == 1", 2), ("[self]", 11), ("self > 1 ? 'a' : self + 1 > 2 ? 'b' : 'c'", 5)],
)
def test_plain_steps_are_counted_one_by_one(source: str, steps: int) -> None:
    assert _cost(source, self=INT) == steps


def test_a_loop_costs_its_body_for_each_item() -> None:
    list_type = of_schema(LIST)
    assert list_type is not None
    # range 1, accumulator 1, and 10 turns of 3 beside the body: x, and two bytes in ten of the text compared
    assert _cost("self.all(x, x == 'a')", self=list_type) == 2 + 10 * (3 + 2)


def test_data_that_is_small_enough_lets_nested_loops_run() -> None:
    value = [[[1, 2, 3]] * 10] * 10
    source = "self.all(a, a.all(b, b.all(c, c > 0)))"
    assert program.compile(source, {"self"}).evaluate({"self": value}) is True
    assert _cost(source, self=of_value(value)) < program.CALL_COST_LIMIT < program.weight(value) ** 3


@pytest.mark.parametrize(("cost", "shown"), [(101_000, "more than 100x"), (2_040, "2.0x"), (1_001, "1.001000x")])
def test_the_factor_is_told_as_upstream_does(cost: int, shown: str) -> None:
    assert f"estimated rule cost exceeds budget by factor of {shown} (try" in exceeded(
        "estimated rule cost", cost, 1_000
    )
