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


@pytest.mark.parametrize("key", ["a", "app.kubernetes.io/name", "A_b-c.9", "x" * 63, "a.b/" + "x" * 63])
def test_qualified_names_are_keys_of_labels(key: str) -> None:
    assert names.qualified_name(key) == ()


@pytest.mark.parametrize(
    ("key", "starts"),
    [
        ("", ["name part must be non-empty", "name part must consist of"]),
        ("/a", ["prefix part must be non-empty"]),
        ("-bad", ["name part must consist of alphanumeric characters, '-', '_' or '.'"]),
        ("a/b/c", ["a qualified name must consist of"]),
        ("A.b/c", ["prefix part a lowercase RFC 1123 subdomain"]),
        ("x" * 64, ["name part must be no more than 63 characters"]),
        ("a" * 254 + "/b", ["prefix part must be no more than 253 characters"]),
    ],
)
def test_wrong_keys_of_labels_are_refused_in_upstreams_words(key: str, starts: list[str]) -> None:
    errors = names.qualified_name(key)
    assert len(errors) == len(starts)
    assert all(error.startswith(start) for error, start in zip(errors, starts, strict=True))


def test_values_of_labels_may_be_empty_but_not_odd() -> None:
    assert names.label_value("") == ()
    assert names.label_value("v1.2_3-x") == ()
    assert names.label_value("bad value")[0].endswith(
        "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    )
    assert names.label_value("x" * 64) == ("must be no more than 63 characters",)
