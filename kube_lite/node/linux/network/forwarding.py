"""Which of the node's links forward packets.

The kernel forwards what came in on a link whose own ``forwarding`` is set; the well-known ``ip_forward`` is just
a way to set all of them. So pods reach each other with forwarding on our own links alone, which vanish with
their setting. Only a link that leads to other nodes or to the world must be switched too: its former value is
written to a file first, and put back when the node stops, also when it had crashed in between.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path


def write_setting(path: str, value: str) -> None:
    """Write one file of /proc/sys. :raises OSError: also for what a buffered write would lose at close"""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _setting(link: str) -> str:
    return f"/proc/sys/net/ipv4/conf/{link}/forwarding"


def forward_own(link: str) -> None:
    """Have a link of ours forward; nothing to remember. :raises OSError: /proc/sys is read-only here"""
    if Path(_setting(link)).read_text().strip() != "1":
        write_setting(_setting(link), "1")


class Forwarding:
    """Switches forwarding on for links that are not ours, remembering in ``record`` what to put back."""

    def __init__(self, record: Path) -> None:
        self._record = record

    def _changed(self) -> list[str]:
        try:
            return [str(link) for link in json.loads(self._record.read_bytes())]
        except (FileNotFoundError, ValueError):
            return []

    def enable(self, link: str) -> None:
        """Have ``link`` forward. :raises OSError: /proc/sys is read-only here"""
        if Path(_setting(link)).read_text().strip() == "1":
            return
        self._record.write_text(json.dumps([*self._changed(), link]))
        write_setting(_setting(link), "1")

    def restore(self) -> None:
        """Switch off again what :meth:`enable` switched on; links that are gone are passed over."""
        for link in self._changed():
            with contextlib.suppress(FileNotFoundError):  # it may go at any moment, also while the file is open
                write_setting(_setting(link), "0")
        self._record.unlink(missing_ok=True)
