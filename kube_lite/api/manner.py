"""How one write differs from another, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from kube_lite.api import managed
from kube_lite.api.admission.plugin import AdmissionRequest
from kube_lite.resources.meta import Obj

Transform = Callable[[Obj], Awaitable[Obj]]
"""Makes the wanted object from the stored one; called again after a conflict, must not change its argument."""

Guard = Callable[[AdmissionRequest], None]
"""Refuses a write by raising an ApiError, or states who makes it; asked once mutating admission is done."""


class Shown(msgspec.Struct, frozen=True):
    """How admission sees a write through a subresource that has a kind of its own (Scale)."""

    subresource: str
    show: Callable[[Obj], Obj]
    """The object as that kind."""
    take: Callable[[Obj, Obj], Obj]
    """The object with what admission made of the other kind."""


class Manner(msgspec.Struct, frozen=True):
    """How a write differs from an ordinary one."""

    manage: managed.Manage | None = None
    """How managedFields follow from the change; None for an ordinary write."""
    managed_as: str = ""
    """The subresource that managedFields name, when it is not the target's."""
    pinned: bool = False
    """The client stated the revision it expects, so a lost race is a conflict."""
    trusted: bool = False
    """Made by the server itself (binding): neither defaults, admission nor the kind's rules apply."""
    shown: Shown | None = None
    """What admission sees instead of the object."""
    of_update: bool = False
    """A create that was asked for as an update or apply: the user must be allowed to create too."""


ORDINARY = Manner()
PUT_ANEW = Manner(of_update=True)


class Written(msgspec.Struct, frozen=True):
    """What a write left behind; ``value`` are stored bytes (see ``storage``)."""

    value: bytes
    revision: int
    created: bool = False
    deleted: bool = False
