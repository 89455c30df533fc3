"""Scalars that parse their own text: their canonical form, and what is wrong with text that is none."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from kube_lite.resources.quantity import parse as parse_quantity
from kube_lite.resources.remembered import remembered

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1


@remembered(8192)
def canonical_quantity(text: str | int | float) -> str:
    """The text upstream prints for a quantity. :raises ValueError: it is none"""
    return str(parse_quantity(text))


def canonical_base64(text: str) -> str:
    """The text again when it is standard base64; line breaks are allowed and removed. :raises ValueError"""
    if "\n" in text or "\r" in text:
        text = text.replace("\n", "").replace("\r", "")
    if len(text) % 4:
        raise ValueError(f"illegal base64 data at input byte {_first_illegal(text)}")
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(f"illegal base64 data at input byte {_first_illegal(text)}") from None
    return text


_BASE64_RUN = re.compile(r"[A-Za-z0-9+/]*")


def _first_illegal(text: str) -> int:
    """Where Go's decoder gives up on text that is not base64."""
    match = _BASE64_RUN.match(text)
    end = match.end() if match else 0
    if end == len(text):
        return end - end % 4 if end % 4 else end
    padding = 4 - end % 4
    if text[end] != "=" or padding > 2:
        return end
    if padding == 2 and text[end : end + 2] != "==":
        return len(text) if end + 1 == len(text) else end
    return end + padding  # the padding is right, and more follows
