"""A data directory is its owner's alone, and one that cannot be had is refused with what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kube_lite.live import directory


def test_a_new_directory_and_what_is_written_later_are_for_the_owner_alone(tmp_path: Path) -> None:
    made = tmp_path / "a" / "b"
    directory.prepare(made, "volumes")
    directory.prepare(made, "volumes")
    (made / "file").touch()
    assert [oct(path.stat().st_mode & 0o777) for path in (made, made / "volumes", made / "file")] == [
        "0o700",
        "0o700",
        "0o600",
    ]


@pytest.mark.parametrize(
    ("below", "why"), [("", "there is a file of this name"), ("/data", "Not a directory")], ids=["is", "under"]
)
def test_a_file_in_the_way_is_named(tmp_path: Path, below: str, why: str) -> None:
    (tmp_path / "taken").touch()
    wanted = f"{tmp_path}/taken{below}"
    with pytest.raises(OSError, match=f"^--data-dir {wanted}: {why}; choose a directory that you may write to$"):
        directory.prepare(Path(wanted))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a directory away")
def test_a_directory_of_somebody_else_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.chown(tmp_path, 1234, -1)
    directory.check_owner(tmp_path)
    assert f"--data-dir {tmp_path} belongs to user id 1234" in caplog.text
