"""Audit: one line a request at the Metadata level, in the form of audit.k8s.io/v1 Events.

Bodies and tokens never appear. Lines are gathered and written in a thread, so a slow disk does not hold the
loop; the file is rotated by size.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.api.http import Request, encode_json

logger = logging.getLogger(__name__)

MAX_BYTES = 100 * 1024 * 1024
"""Size at which the file is rotated (CIS benchmark 1.2.19: 100 MB)."""
MAX_FILES = 10
"""Rotated files kept (CIS benchmark 1.2.18)."""
FLUSH_SECONDS = 0.25
MAX_WAITING = 100_000
"""Lines that may wait for the disk; beyond that the writer is run at once by whoever adds one."""

_annotations: ContextVar[dict[str, str] | None] = ContextVar("audit_annotations", default=None)
"""What admission says about the request that this task serves; None outside of one."""


def begin() -> None:
    """A request begins: annotations from here on are its own."""
    _annotations.set({})


def annotate(annotations: Mapping[str, str]) -> None:
    """Add to the audit event of the request being served, if one is."""
    known = _annotations.get()
    if known is not None and annotations:
        known.update(annotations)


class AuditLog:
    """Writes audit events to a file (mode 0600)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[bytes] = []
        self._size = 0
        self._descriptor = -1

    def record(self, request: Request, code: int, started: float, message: str = "") -> None:
        """Note a finished request."""
        info = request.info
        event: dict[str, Any] = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Metadata",
            "auditID": request.audit_id,
            "stage": "ResponseComplete",
            "requestURI": info.path,
            "verb": info.verb,
            "user": request.user.to_json(),
            "authentication": request.user.how,
            "userAgent": request.header("user-agent"),
            "responseStatus": {"metadata": {}, "code": code},
            "requestReceivedTimestamp": clock.timestamp_micro(),
            "durationSeconds": round(clock.monotonic() - started, 6),
        }
        if annotations := _annotations.get():
            event["annotations"] = annotations
        if message:
            event["responseStatus"]["message"] = message
        if info.is_resource:
            reference = {"resource": info.resource, "apiVersion": info.version}
            for key, value in (
                ("namespace", info.namespace),
                ("name", info.name),
                ("apiGroup", info.group),
                ("subresource", info.subresource),
            ):
                if value:
                    reference[key] = value
            event["objectRef"] = reference
        self._lines.append(encode_json(event) + b"\n")
        if len(self._lines) > MAX_WAITING:
            self.flush()

    async def run(self) -> None:
        """Write what has gathered, four times a second, until cancelled; then the rest."""
        try:
            while True:
                await anyio.sleep(FLUSH_SECONDS)
                if self._lines:
                    await clock.run_in_thread(self.flush)
        finally:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered. A full disk is logged, once a flush, and the lines are dropped."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        data = b"".join(lines)
        try:
            if self._descriptor < 0 or self._size + len(data) > MAX_BYTES:
                self._open()
            written = 0
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
            self._size += len(data)
        except OSError as error:
            logger.error("audit log %s: %s; %d lines are lost", self._path, error.strerror, len(lines))

    def _open(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            for number in range(MAX_FILES - 1, 0, -1):
                older = self._path.with_suffix(f".{number}.log")
                if older.exists():
                    older.rename(self._path.with_suffix(f".{number + 1}.log"))
            self._path.rename(self._path.with_suffix(".1.log"))
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Write the rest and let go of the file."""
        self.flush()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
