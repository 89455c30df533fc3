"""What an admission plugin sees and offers.

A mutating plugin may change ``request.obj``; a validating one only looks. Both refuse by raising an ApiError.
What a plugin reserves for a write (quota) it takes back when the write is not made: it leaves word in
``request.undo``.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from kube_lite.api import audit, http
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.user import User
from kube_lite.errors import Forbidden, forbidden
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource

MOST_CONCERNED: Final = 1024
"""Kinds of which it is remembered whom they concern."""

Undo = Callable[[], Awaitable[None]]
"""Takes back what was reserved for a write that is not made after all."""


class Objects(Protocol):
    """Access to what is stored, for plugins that look at other objects. These are shared: nobody may change them."""

    def lookup(self, group_resource: str, namespace: str, name: str) -> Obj | None:
        """One object, decoded; None when there is none."""
        ...

    def select(self, group_resource: str, namespace: str = "") -> list[Obj]:
        """All objects of a kind, decoded, in key order; '' for every namespace."""
        ...

    async def internal_status(self, group_resource: str, namespace: str, obj: Obj) -> None:
        """Write an object's status on the server's own behalf. :raises Conflict: it is not the latest any more"""
        ...

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource whose objects carry this apiVersion and kind."""
        ...

    def decide(self, attributes: Attributes) -> tuple[bool, str]:
        """Whether somebody may do something, and why."""
        ...

    def equivalents(self, resource: Resource) -> Sequence[Resource]:
        """The other versions in which the same objects are served."""
        ...


class Reinvocation(msgspec.Struct):
    """What one plugin remembers between the two times that it is asked, by the keys of its webhooks or policies."""

    invoked: set[str] = msgspec.field(default_factory=set)
    """Asked so far, and wanting to see later changes."""
    due: set[str] = msgspec.field(default_factory=set)
    """Those of them for which there were such changes."""
    left: Obj | None = None
    """The object as the plugin left it, where somebody wants to see changes."""

    def changed(self) -> None:
        """The object is not what it was: whoever was asked before is asked again."""
        self.due |= self.invoked
        self.invoked = set()

    def begin(self, request: AdmissionRequest) -> None:
        """The plugin is asked; the second time other plugins may have changed what it left."""
        if request.reinvocation and self.left is not None and self.left != request.obj:
            self.changed()

    def end(self, request: AdmissionRequest) -> None:
        """The plugin is done."""
        self.left = http.decode_json(http.encode_json(request.obj)) if self.invoked else None


class AdmissionRequest(msgspec.Struct):
    """A write about to happen. ``operation`` is CREATE, UPDATE, DELETE or CONNECT."""

    operation: str
    resource: Resource
    subresource: str
    namespace: str
    name: str
    user: User
    obj: Obj | None = None
    old: Obj | None = None
    options: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """What the client asked for besides the object, without dryRun."""
    deadline: float = math.inf
    """By when (loop time) the client wants an answer."""
    dry_run: bool = False
    warnings: list[str] = msgspec.field(default_factory=list)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    """Audit annotations."""
    undo: list[Undo] = msgspec.field(default_factory=list)
    """What to take back, last first, when the write is not made."""
    ended: list[Callable[[], None]] = msgspec.field(default_factory=list)
    """Who wants to know that the write is over, made or not."""

    reinvoke: bool = False
    """Set when a webhook changed the object: the mutating plugins are to see it once more."""
    reinvocation: bool = False
    """Whether this is that second time."""
    reinvocations: dict[str, Reinvocation] = msgspec.field(default_factory=dict)
    """By the names of the plugins that ask somebody else."""

    @property
    def shown_namespace(self) -> str:
        """The namespace as webhooks and expressions see it: a namespace's own is itself."""
        return self.namespace or (self.name if self.resource.group_resource == "namespaces" else "")

    def refused(self, why: str) -> Forbidden:
        """The refusal of the request: by its name, or where none is drawn yet by what it begins with."""
        meta = (self.obj or {}).get("metadata") or {}
        name = self.name or meta.get("name") or meta.get("generateName") or "Unknown!"
        return forbidden(self.resource.plural, self.resource.group, name, why)

    async def abandon(self) -> None:
        """The write is not made: take back what was reserved for it."""
        while self.undo:
            await self.undo.pop()()

    def over(self) -> None:
        """The write has been made, or will not be."""
        while self.ended:
            self.ended.pop()()
        self.undo.clear()  # they hold this request, which would stay until the cycle collector looks

    def is_(self, group_resource: str, subresource: str = "") -> bool:
        """Whether this is about that resource and subresource."""
        return self.resource.group_resource == group_resource and self.subresource == subresource


def default_class(classes: Iterable[Obj], *marks: str) -> Obj | None:
    """The class that an annotation of one of these names makes the default; of several the newest, then by name."""
    default: Obj | None = None
    for found in sorted(classes, key=lambda c: str(c["metadata"]["name"])):
        annotations = found["metadata"].get("annotations") or {}
        if not any(annotations.get(mark) == "true" for mark in marks):
            continue
        if default is None or _made(found) > _made(default):
            default = found
    return default


def _made(obj: Obj) -> str:
    return str(obj["metadata"].get("creationTimestamp") or "")


class MutatingPlugin(Protocol):
    """May change the object."""

    name: str

    @property
    def resources(self) -> Collection[str] | None:
        """The group resources that it has something to say about; None when that is not known beforehand."""

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Change or refuse. :raises ApiError: refused"""
        ...


class ValidatingPlugin(Protocol):
    """May only refuse."""

    name: str

    @property
    def resources(self) -> Collection[str] | None:
        """As of a mutating plugin."""

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Refuse or not. :raises ApiError: refused"""
        ...


CONNECTING = frozenset({"MutatingAdmissionWebhook", "ValidatingAdmissionPolicy", "ValidatingAdmissionWebhook"})
"""The plugins that are asked about connections."""


class Chain(msgspec.Struct, frozen=True):
    """The plugins in the order in which they are asked."""

    mutating: Sequence[MutatingPlugin] = ()
    validating: Sequence[ValidatingPlugin] = ()
    _concerned: dict[str, tuple[Sequence[MutatingPlugin], Sequence[ValidatingPlugin]]] = {}

    def _asked(self, request: AdmissionRequest) -> tuple[Sequence[MutatingPlugin], Sequence[ValidatingPlugin]]:
        """Those who may have something to say: of a lease most have not, and leases are written all the time."""
        name = request.resource.group_resource
        asked = self._concerned.get(name)
        if asked is None:
            mutating = [p for p in self.mutating if p.resources is None or name in p.resources]
            validating = [p for p in self.validating if p.resources is None or name in p.resources]
            if len(self._concerned) >= MOST_CONCERNED:
                self._concerned.clear()  # of kinds that are served no longer
            asked = self._concerned[name] = mutating, validating
        return asked

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Ask every mutating plugin, and all of them once more when a webhook changed the object."""
        mutating, _ = self._asked(request)
        try:
            for plugin in mutating:
                await plugin.admit(request, objects)
            if request.reinvoke:
                request.reinvocation = True
                for plugin in mutating:
                    await plugin.admit(request, objects)
        except BaseException:
            audit.annotate(request.annotations)
            raise

    async def connect(self, request: AdmissionRequest, objects: Objects) -> None:
        """Ask about a connection to an object, which nobody can change. :raises ApiError: refused"""
        try:
            for mutating in self.mutating:
                if mutating.name in CONNECTING:
                    await mutating.admit(request, objects)
            for validating in self.validating:
                if validating.name in CONNECTING:
                    await validating.validate(request, objects)
        finally:
            audit.annotate(request.annotations)

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Ask every validating plugin."""
        _, validating = self._asked(request)
        try:
            for plugin in validating:
                await plugin.validate(request, objects)
        finally:
            audit.annotate(request.annotations)
