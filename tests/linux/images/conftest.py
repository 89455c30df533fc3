"""A registry for the whole session of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.linux.images.registry import serve_registry


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a real registry on loopback."""
    with serve_registry(tmp_path_factory.mktemp("registry")) as base:
        yield base
