"""Who a container runs as: names looked up in the container's own files, without the host's resolver.

``/etc/passwd`` and ``/etc/group`` belong to the image, so they are hostile input: opened so that links cannot lead
outside, read to a bound, parsed by hand (glibc's look-up would load modules named by the container).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from kube_lite.node.linux import syscalls

_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Identity:
    """Numeric ids, supplementary groups and the home directory."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def _rows(root_fd: int, path: str, fields: int) -> list[list[str]]:
    try:
        fd = syscalls.openat2(
            root_fd, path, os.O_RDONLY | os.O_NONBLOCK, 0, syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
        )
    except OSError:
        return []
    try:
        text = b""
        while len(text) < _MAX_BYTES and (piece := os.read(fd, _MAX_BYTES)):
            text += piece
    except OSError:
        return []
    finally:
        os.close(fd)
    rows = [line.split(":") for line in text.decode("utf-8", "replace").split("\n")]
    return [row for row in rows if len(row) >= fields]


def resolve(root_fd: int, user: str, extra_groups: tuple[int, ...] = ()) -> Identity:
    """Resolve ``user`` (``name``, ``uid``, ``name:group``, ``uid:gid`` or empty for root) inside a root.

    A numeric id need not be in the files. Groups are those the user is a member of, and ``extra_groups``.

    :raises LookupError: a name that the container's files do not have
    """
    name, _, group = user.partition(":")
    name = name or "0"
    passwd = [row for row in _rows(root_fd, "etc/passwd", 6) if row[2].isdigit() and row[3].isdigit()]
    groups = [row for row in _rows(root_fd, "etc/group", 4) if row[2].isdigit()]
    entry = next((row for row in passwd if row[0] == name), None)
    if entry is None and name.isdigit():
        entry = next((row for row in passwd if int(row[2]) == int(name)), None)
    if entry is None and not name.isdigit():
        raise LookupError(f"unable to find user {name}: no matching entries in passwd file")
    uid = int(entry[2]) if entry else int(name)
    gid = int(entry[3]) if entry else 0
    if group:
        found = next((int(row[2]) for row in groups if row[0] == group), None)
        if found is None and not group.isdigit():
            raise LookupError(f"unable to find group {group}: no matching entries in group file")
        gid = found if found is not None else int(group)
    member = [int(row[2]) for row in groups if entry and entry[0] in row[3].split(",")]
    supplementary = tuple(dict.fromkeys([*member, *extra_groups]))
    return Identity(uid, gid, supplementary, entry[5] if entry and entry[5] else "/")
