"""Addresses and ranges that programs would read differently are refused; what stood there before may stay."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.addresses import address_errors, address_problem, load_balancer_status, range_problem
from kube_lite.resources.rules import BAD_IP, parse_cidr

ZEROS = "must not have leading 0s"
MAPPED = "IPv4-mapped IPv6 address"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10.0.0.1", ""),
        ("2001:DB8:0::1", ""),
        ("010.0.0.1", ZEROS),
        ("::ffff:10.0.0.1", f"must not be an {MAPPED}"),
        ("0x1.2.3.4", BAD_IP),
        ("fe80::1%eth0", BAD_IP),
        ("", BAD_IP),
    ],
)
def test_an_address_means_the_same_to_all_who_read_it(text: str, problem: str) -> None:
    assert address_problem(text) == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10.0.0.0/8", ""),
        ("0.0.0.0/0", ""),
        ("2001:DB8::/32", ""),
        ("10.0.0.0/08", f"{ZEROS} in IP or prefix length"),
        ("10.00.0.0/8", f"{ZEROS} in IP or prefix length"),
        ("::ffff:10.0.0.0/104", f"must not have an {MAPPED}"),
        ("10.0.0.5/8", "must not have bits set beyond the prefix length"),
        ("10.0.0.0/255.0.0.0", "bad"),
        ("10.0.0.0", "bad"),
        ("10.0.0.0/33", "bad"),
    ],
)
def test_a_range_ends_where_its_prefix_does(text: str, problem: str) -> None:
    assert range_problem(text, "bad") == problem


def test_a_mask_is_no_length() -> None:
    assert parse_cidr("10.0.0.0/255.0.0.0") is None


def test_what_an_object_held_may_stay() -> None:
    assert not address_errors("::ffff:1.2.3.4", "at", held={"::ffff:1.2.3.4"})
    status: dict[str, Any] = {"loadBalancer": {"ingress": [{"ip": "::ffff:1.2.3.4"}]}}
    assert not load_balancer_status(status, status)
    (found,) = load_balancer_status(status, {})
    assert (found.field, MAPPED in found.message) == ("status.loadBalancer.ingress[0].ip", True)
