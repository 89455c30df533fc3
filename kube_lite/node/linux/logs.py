"""Container output as CRI log files: ``2026-01-01T00:00:00.000000000Z stdout F line``.

One writer per container takes both streams. A line longer than 16 KiB, and a last line without a newline, is marked
``P`` (partial), as containerd does. A file that reaches 10 MiB is renamed with the time and a new one begun; five
are kept, so a container that floods costs its node 50 MiB at most. The full disk costs lines, not containers: a
write that fails is dropped.
"""

from __future__ import annotations

import glob
import os
import time

from kube_lite.node.linux.state import utc_now

MAX_LINE = 16 * 1024
MAX_FILE = 10 * 1024 * 1024
MAX_FILES = 5


def log_files(path: str) -> list[str]:
    """All files of a log that exist, oldest first."""
    rotated = sorted(glob.glob(glob.escape(path) + ".*"))
    return [*rotated, path] if os.path.exists(path) else rotated


class LogWriter:
    """Writes one container's log.

    :param path: the current file; rotated ones get ``.TIME`` appended
    :param max_file: bytes after which a file is rotated
    :param max_files: files kept in all
    """

    def __init__(self, path: str, *, max_file: int = MAX_FILE, max_files: int = MAX_FILES) -> None:
        self.path = path
        self._max_file = max_file
        self._max_files = max_files
        self._rest: dict[str, bytes] = {"stdout": b"", "stderr": b""}
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        self._fd = -1
        self._size = 0
        self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self.path, flags, 0o640)
        self._size = os.fstat(self._fd).st_size

    def feed(self, stream: str, data: bytes) -> None:
        """Take output of ``stdout`` or ``stderr``; whole lines are in the file when this returns."""
        stamp = utc_now()
        full, partial = f"{stamp} {stream} F ".encode(), f"{stamp} {stream} P ".encode()
        *lines, rest = (self._rest[stream] + data).split(b"\n")
        out: list[bytes] = []
        for line in lines:
            while len(line) > MAX_LINE:
                out.append(partial + line[:MAX_LINE])
                line = line[MAX_LINE:]
            out.append(full + line)
        while len(rest) > MAX_LINE:
            out.append(partial + rest[:MAX_LINE])
            rest = rest[MAX_LINE:]
        self._rest[stream] = rest
        if out:
            self._write(out)

    def end(self, stream: str) -> None:
        """The stream has ended: what is left of it is a partial line."""
        rest, self._rest[stream] = self._rest[stream], b""
        if rest:
            self._write([f"{utc_now()} {stream} P ".encode() + rest])

    def close(self) -> None:
        """End both streams and close the file."""
        for stream in self._rest:
            self.end(stream)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, lines: list[bytes]) -> None:
        data = b"\n".join(lines) + b"\n"
        try:
            if self._fd < 0:
                self._open()
            if self._size and self._size + len(data) > self._max_file:
                self._rotate()
            while data:
                written = os.write(self._fd, data)
                self._size += written
                data = data[written:]
        except OSError:  # no space: the container goes on, these lines are lost
            return

    def _rotate(self) -> None:
        os.close(self._fd)
        self._fd = -1
        now = time.time_ns()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now // 1_000_000_000))
        os.rename(self.path, f"{self.path}.{stamp}.{now % 1_000_000_000:09d}")
        for old in log_files(self.path)[: -(self._max_files - 1)]:
            os.unlink(old)
        self._open()
