"""Secrets."""

from __future__ import annotations

import pytest

from tests.resources.kinds.cases import (
    BAD,
    LONG,
    NEEDED,
    NOT_HERE,
    Cause,
    Change,
    assert_create,
    assert_update,
    create,
    resource,
)

KIND = resource("", "secrets")
VALID = {"metadata": {"name": "x"}, "data": {"k": "eA=="}}


def test_defaults_and_string_data() -> None:
    made, errors = create(KIND, {**VALID, "stringData": {"s": "hello"}})
    assert not errors
    assert made["type"] == "Opaque"
    assert made["data"] == {"k": "eA==", "s": "aGVsbG8="}
    assert "stringData" not in made


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("valid", {}, []),
        ("name", {"metadata.name": "a_b"}, [(BAD, "metadata.name", "subdomain")]),
        ("key", {"data": {"a b": ""}}, [(BAD, "data[a b]", "a valid config key")]),
        ("size", {"data": {"k": "A" * 1_400_004}}, [(LONG, "data", "1048576 bytes")]),
        ("docker", {"type": "kubernetes.io/dockerconfigjson"}, [(NEEDED, "data[.dockerconfigjson]", "")]),
        ("old docker", {"type": "kubernetes.io/dockercfg"}, [(NEEDED, "data[.dockercfg]", "")]),
        (
            "docker json",
            {"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "eA=="}},
            [(BAD, "data[.dockercfg]", "<secret contents redacted>")],
        ),
        (
            "docker list",
            {"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "W10="}},
            [(BAD, "data[.dockercfg]", "json: cannot unmarshal array into Go value of type map[string]interface {}")],
        ),
        (
            "basic auth",
            {"type": "kubernetes.io/basic-auth"},
            [(NEEDED, "data[%s][username]", ""), (NEEDED, "data[%s][password]", "")],
        ),
        ("ssh", {"type": "kubernetes.io/ssh-auth"}, [(NEEDED, "data[%s][ssh-privatekey]", "")]),
        ("tls", {"type": "kubernetes.io/tls"}, [(NEEDED, "data[tls.crt]", ""), (NEEDED, "data[tls.key]", "")]),
        (
            "token",
            {"type": "kubernetes.io/service-account-token"},
            [(NEEDED, "metadata.annotations[kubernetes.io/service-account.name]", "")],
        ),
    ],
)
def test_a_new_secret(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


def test_the_type_never_changes() -> None:
    assert_update(KIND, VALID, {"type": "other"}, [(BAD, "type", "field is immutable")])


def test_an_immutable_secret_keeps_its_data() -> None:
    assert_update(
        KIND,
        {**VALID, "immutable": True},
        {"data": {"k": "eHg="}},
        [(NOT_HERE, "data", "field is immutable when `immutable` is set")],
    )


def test_only_keys_are_compared() -> None:
    assert KIND.warnings({"type": "Opaque", "data": {"tls.crt": "", "tls.key": ""}}, None) == []
    tls = {"type": "kubernetes.io/tls", "data": {"tls.crt": "eA==", "tls.key": "eA=="}}
    assert KIND.warnings(tls, None) == ["tls: failed to find any PEM data in certificate input"]
