"""The nft program and its library, for all tests here."""

from __future__ import annotations

import pytest

from tests.linux.images.registry import install
from tests.linux.network.namespaces import needs_root


@pytest.fixture(scope="session", autouse=True)
def _nftables() -> None:
    """Have Debian's nftables, which brings libnftables."""
    if not needs_root():
        install("nftables", "nft")
