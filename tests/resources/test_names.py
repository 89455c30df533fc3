"""Names, labels and keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from kube_lite.resources import names


@pytest.mark.parametrize(
    ("rule", "text", "problems"),
    [
        (names.dns_label, "a-1", []),
        (names.dns_label, "a.b", [names.LABEL_MESSAGE]),
        (names.dns_label, "A", [names.LABEL_MESSAGE]),
        (names.dns_label, "a" * 64, ["must be no more than 63 characters"]),
        (names.dns_1035_label, "1a", [names.LABEL_1035_MESSAGE]),
        (names.dns_subdomain, "a.b-c", []),
        (names.dns_subdomain, "a..b", [names.SUBDOMAIN_MESSAGE]),
        (names.dns_subdomain, "a" * 254, ["must be no more than 253 characters"]),
        (names.qualified_name, "example.com/Name_1", []),
        (names.qualified_name, "/a", ["prefix part must be non-empty"]),
        (names.qualified_name, "", ["name part must be non-empty", f"name part {names.QUALIFIED_MESSAGE}"]),
        (names.qualified_name, "a/b/c", [names.TWO_SLASHES_MESSAGE]),
        (names.label_value, "", []),
        (names.label_value, "-a", [names.LABEL_VALUE_MESSAGE]),
        (names.label_value, "a" * 64, ["must be no more than 63 characters"]),
        (names.config_map_key, "..", ["must not be '..'"]),
        (names.config_map_key, "..a", ["must not start with '..'"]),
        (names.env_var_name, "a.b-1 c", []),
        (names.env_var_name, "a=b", [names.ENV_NAME_MESSAGE]),
        (names.port_name, "http-1", []),
        (names.port_name, "1", ["must contain at least one letter or number (a-z, 0-9)"]),
        (names.port_name, "a--b", ["must not contain consecutive hyphens"]),
        (names.port_name, "-a", ["must not begin or end with a hyphen"]),
        (names.path_segment, "system:node", []),
        (names.path_segment, "a/b%", ["may not contain '/'", "may not contain '%'"]),
        (names.path_segment, "..", ["may not be '..'"]),
        (names.percent, "10%", []),
        (names.percent, "10", [names.PERCENT_MESSAGE]),
    ],
)
def test_a_rule(rule: Callable[[str], Sequence[str]], text: str, problems: list[str]) -> None:
    assert list(rule(text)) == problems


def test_a_prefix_may_end_with_a_dash() -> None:
    assert not names.subdomain_name("a-", True)
    assert names.subdomain_name("a-", False)
