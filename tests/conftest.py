"""What every test needs put back."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """A command or server that runs in this process narrows the umask for good; the next test has the usual one."""
    before = os.umask(0o022)
    yield
    os.umask(before)
