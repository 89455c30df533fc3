"""The command line as a process: what a shell sees of it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cli.conftest import ROOT


@pytest.mark.parametrize("buffered", [True, False], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("words", ["--help", "get --help", "version --client"])
def test_a_reader_that_hangs_up_early_is_no_error(words: str, buffered: bool) -> None:
    """``kube-lite --help | head -1`` ended with a traceback, or with exit code 120 and the interpreter's complaint."""
    read, write = os.pipe()
    os.close(read)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"} | {"PYTHONPATH": str(ROOT)}
    if not buffered:
        environment["PYTHONUNBUFFERED"] = "1"
    command = [sys.executable, "-m", "kube_lite", *words.split()]
    try:
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment, timeout=30)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
