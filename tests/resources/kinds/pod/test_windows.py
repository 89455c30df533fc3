"""Windows options of security contexts: users of Active Directory and managed accounts."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.kinds.pod.windows import validate_windows_options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"runAsUserName": "Container User"}, []),
        ({"runAsUserName": "DOMAIN\\user"}, []),
        ({"runAsUserName": ""}, ["runAsUserName cannot be an empty string"]),
        ({"runAsUserName": " "}, ["runAsUserName's User cannot contain only periods or spaces"]),
        ({"runAsUserName": "a\\b\\c"}, ["runAsUserName cannot contain more than one backslash"]),
        ({"runAsUserName": "a\tb"}, ["runAsUserName cannot contain control characters"]),
        ({"runAsUserName": "..x\\u"}, ["runAsUserName's Domain doesn't match the NetBios nor the DNS format"]),
        ({"runAsUserName": "d\\"}, ["runAsUserName's User cannot be empty"]),
        ({"runAsUserName": "u" * 105}, ["runAsUserName's User length must not be longer than 104 characters"]),
        ({"runAsUserName": "a@b"}, ['cannot contain the following characters: "/\\:;|=,+*?<>@[]']),
        ({"runAsUserName": "d" * 256 + "\\u"}, ["under 256 characters", "NetBios"]),
        ({"gmsaCredentialSpecName": "Bad_Name"}, ["RFC 1123 subdomain"]),
        ({"gmsaCredentialSpec": ""}, ["gmsaCredentialSpec cannot be an empty string"]),
        ({"gmsaCredentialSpec": "x" * (64 * 1024 + 1)}, ["gmsaCredentialSpec size must be under 64 KiB"]),
    ],
)
def test_a_user_and_its_account(options: dict[str, Any], words: list[str]) -> None:
    found = validate_windows_options(options, "w")
    assert len(found) == len(words)
    for error, part in zip(found, words, strict=True):
        assert error.field == f"w.{next(iter(options))}"
        assert part in error.message
