"""The texts and differences that need no kernel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.node.linux.network.rules import Endpoint, elements, reordered
from kube_lite.node.proxy import ServiceSpec

ENDPOINTS = st.lists(st.sampled_from([(f"10.0.0.{i}", 80) for i in range(12)]), unique=True)


@given(former=ENDPOINTS, wanted=ENDPOINTS)
def test_endpoints_keep_their_numbers_where_they_can(former: list[Endpoint], wanted: list[Endpoint]) -> None:
    result = reordered(former, wanted)
    assert sorted(result) == sorted(wanted)
    if len(wanted) >= len(former):
        moved = [endpoint for index, endpoint in enumerate(former) if endpoint in wanted and result[index] != endpoint]
        assert moved == []


def test_one_endpoint_less_changes_at_most_three_elements() -> None:
    many = [(f"10.0.0.{i}", 80) for i in range(10)]
    before = elements("k", ServiceSpec("10.96.0.1", 80, endpoints=tuple(many)))
    after = elements("k", ServiceSpec("10.96.0.1", 80, endpoints=reordered(many, [*many[:3], *many[4:]])))
    assert len(before.items() ^ after.items()) <= 5
    assert len(before.keys() ^ after.keys()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("10.96.0.1; flush ruleset", 80),
        ("::1", 80),
        ("10.96.0.1", 0),
        ("10.96.0.1", 65536),
        ("10.96.0.1", 80, "ICMP"),
        ("10.96.0.1", 80, "TCP", (), 70000),
        ("10.96.0.1", 80, "TCP", (), 0, -1),
        ("10.96.0.1", 80, "TCP", (("x", 80),)),
        ("10.96.0.1", 80, "TCP", (("10.0.0.1", 99999),)),
    ],
)
def test_what_could_not_stand_in_a_rule_is_refused(arguments: tuple[str, int]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        ServiceSpec(*arguments)
