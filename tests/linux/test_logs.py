"""Log files: lines, partial lines, rotation."""

from __future__ import annotations

import re
from pathlib import Path

from kube_lite.node.linux.logs import MAX_LINE, LogWriter, log_files


def _lines(path: Path) -> list[str]:
    return [line.split(" ", 1)[1] for line in path.read_text().splitlines()]


def test_lines_of_both_streams_do_not_mix(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path / "c/0.log"))
    writer.feed("stdout", b"one\ntw")
    writer.feed("stderr", b"err\n")
    writer.feed("stdout", b"o\n\nrest")
    writer.close()
    lines = ["stdout F one", "stderr F err", "stdout F two", "stdout F ", "stdout P rest"]
    assert _lines(tmp_path / "c/0.log") == lines


def test_time_has_nanoseconds_and_utc(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path / "0.log"))
    writer.feed("stdout", b"x\n")
    writer.close()
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z stdout F x\n", (tmp_path / "0.log").read_text())


def test_long_line_is_cut_into_partial_ones(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path / "0.log"))
    for _ in range(3):
        writer.feed("stdout", b"x" * MAX_LINE)
    writer.feed("stdout", b"end\n")
    writer.close()
    cut = [(line[7], len(line) - 9) for line in _lines(tmp_path / "0.log")]
    assert cut == [("P", MAX_LINE)] * 3 + [("F", 3)]


def test_bytes_that_are_no_text_are_kept(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path / "0.log"))
    writer.feed("stdout", b"\xff\x00\xfe\n")
    writer.close()
    assert (tmp_path / "0.log").read_bytes().endswith(b" stdout F \xff\x00\xfe\n")


def test_rotation_keeps_the_newest_files(tmp_path: Path) -> None:
    path = str(tmp_path / "0.log")
    writer = LogWriter(path, max_file=200, max_files=3)
    for number in range(50):
        writer.feed("stdout", f"line {number:02}\n".encode())
    writer.close()
    files = log_files(path)
    assert len(files) == 3
    assert files[-1] == path
    numbers = [int(line[-2:]) for name in files for line in _lines(Path(name))]
    assert numbers == list(range(50 - len(numbers), 50))
    assert all(Path(name).stat().st_size <= 200 for name in files)


def test_next_writer_appends(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        writer = LogWriter(str(tmp_path / "0.log"))
        writer.feed("stdout", text)
        writer.close()
    assert _lines(tmp_path / "0.log") == ["stdout F one", "stdout F two"]
