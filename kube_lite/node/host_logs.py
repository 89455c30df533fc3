"""The machine's own logs, ``/var/log``, as the kubelet's ``/logs/`` serves them: directories as pages, files as bytes.

Links are followed only where they stay below: a container that may write there must not choose what is read.
"""

from __future__ import annotations

import html
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from kube_lite import clock
from kube_lite.node.tunnel import Reply, whole

ROOT = Path("/var/log")
CHUNK = 64 * 1024
"""Bytes read at once."""


async def reply(path: str, root: Path = ROOT) -> Reply:
    """A directory's page or a file's bytes; 404 for what is not there or leads elsewhere, 301 to the right slash.

    :param path: what follows ``/logs``
    """
    return await clock.run_in_thread(_reply, path, root)


def _reply(path: str, root: Path) -> Reply:
    base = os.path.realpath(root)
    try:
        # only a handle: links may change at any moment, so what is judged is what has been reached
        handle = os.open(os.path.join(base, path.lstrip("/")), os.O_PATH | os.O_CLOEXEC)
        try:
            return _reached(handle, base, path)
        finally:
            os.close(handle)
    except (OSError, ValueError):
        return whole(b"404 page not found\n", code=404)


def _reached(handle: int, base: str, path: str) -> Reply:
    """What a handle stands for. :raises OSError: it cannot be read, or lies elsewhere than below ``base``"""
    itself = f"/proc/self/fd/{handle}"
    place = os.readlink(itself)
    if place != base and not place.startswith(base + "/"):
        raise FileNotFoundError(place)
    mode = os.fstat(handle).st_mode
    if stat.S_ISDIR(mode):
        if not path.endswith("/"):
            name = quote(os.path.basename(path.rstrip("/")) or "logs")
            return whole(b"", code=301, headers={"location": f"{name}/"})
        return whole(_page(itself), "text/html; charset=utf-8")
    if not stat.S_ISREG(mode):  # a pipe would block, a device could be anything
        raise FileNotFoundError(place)
    file = open(itself, "rb", buffering=0)  # noqa: SIM115  # closed by whoever reads it
    return Reply(_chunks(file), content_type="text/plain; charset=utf-8")


def _page(directory: str) -> bytes:
    names = sorted(entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "") for entry in os.scandir(directory))
    links = "".join(f'<a href="{quote(name)}">{html.escape(name)}</a>\n' for name in names)
    return f"<!doctype html>\n<pre>\n{links}</pre>\n".encode("utf-8", "surrogateescape")


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    try:
        while chunk := await clock.run_in_thread(file.read, CHUNK):
            yield chunk
    finally:
        file.close()
