"""Label keys and values."""

from __future__ import annotations

import pytest

from kube_lite.resources.labels import label_key_errors, label_value_errors


@pytest.mark.parametrize("key", ["a", "app.kubernetes.io/name", "A_b-c.9", "x" * 63, "a.b/" + "x" * 63])
def test_qualified_names_are_keys(key: str) -> None:
    assert label_key_errors(key) == []


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
def test_wrong_keys_are_refused_in_upstreams_words(key: str, starts: list[str]) -> None:
    errors = label_key_errors(key)
    assert len(errors) == len(starts)
    assert all(error.startswith(start) for error, start in zip(errors, starts, strict=True))


def test_values_may_be_empty_but_not_odd() -> None:
    assert label_value_errors("") == []
    assert label_value_errors("v1.2_3-x") == []
    assert label_value_errors("bad value")[0].endswith(
        "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    )
    assert label_value_errors("x" * 64) == ["must be no more than 63 characters"]
