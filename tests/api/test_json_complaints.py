"""Text that is not JSON."""

from __future__ import annotations

import pytest

from kube_lite.api.json_complaints import json_complaint


@pytest.mark.parametrize(
    ("body", "character"),
    [
        (b'{"a": \xc3\xa9}', "'\u00c3'"),
        (b"{\x01}", r"'\x01'"),
        (b"{\\}", r"'\\'"),
        (b"{\x7f}", r"'\x7f'"),
        (b"{'}", r"'\''"),
    ],
)
def test_a_character_that_is_no_json_is_shown_as_its_first_byte(body: bytes, character: str) -> None:
    assert json_complaint(body).startswith(f"invalid character {character} looking for beginning of ")
