"""What admission may look at and write on the server's own behalf: the other side of ``admission.plugin.Objects``."""

from __future__ import annotations

from typing import Protocol

from kube_lite import errors
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.authz.authorizer import Authorizer
from kube_lite.api.manner import Written
from kube_lite.api.options import WriteOptions
from kube_lite.api.storage import Storage
from kube_lite.api.target import Target
from kube_lite.api.user import SERVER, User
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource


class Write(Protocol):
    """A create or update, see ``verbs.Verbs``."""

    async def __call__(self, target: Target, obj: Obj, user: User, options: WriteOptions) -> Written:
        """Make the write."""
        ...


class StoredObjects:
    """The stored objects, as plugins see them."""

    def __init__(self, storage: Storage, update: Write) -> None:
        self.storage = storage
        self._update = update
        self.authorizer: Authorizer | None = None
        """Whom CEL's ``authorizer`` asks."""

    async def internal_status(self, group_resource: str, namespace: str, obj: Obj) -> None:
        """Write an object's status on the server's own behalf (``admission.plugin.Objects``)."""
        resource = self._named(group_resource)
        target = Target(resource, namespace, obj["metadata"]["name"], resource.subresources["status"])
        await self._update(target, obj, SERVER, WriteOptions(field_manager="kube-apiserver"))

    def lookup(self, group_resource: str, namespace: str, name: str) -> Obj | None:
        """See ``Storage.glimpse``."""
        return self.storage.glimpse(group_resource, namespace, name)

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """See ``Registry.of_kind``."""
        group, _, version = api_version.rpartition("/")
        return self.storage.registry.of_kind(group, version, kind)

    def decide(self, attributes: Attributes) -> tuple[bool, str]:
        """See ``admission.plugin.Objects``; nobody is allowed anything before there is an authorizer."""
        if self.authorizer is None:
            return False, ""
        decision = self.authorizer.decide(attributes)
        return decision.allowed, decision.reason

    def equivalents(self, resource: Resource) -> list[Resource]:
        """See ``Storage.equivalents``."""
        return self.storage.equivalents(resource)

    def select(self, group_resource: str, namespace: str = "") -> list[Obj]:
        """See ``Storage.glance``."""
        return self.storage.glance(group_resource, namespace)

    def require(self, attributes: Attributes) -> None:
        """:raises Forbidden: somebody may not do something"""
        if self.authorizer is not None:
            self.authorizer.require(attributes)

    def _named(self, group_resource: str) -> Resource:
        resource = self.storage.registry.named(group_resource)
        if resource is None:
            raise errors.InternalError(f"no resource {group_resource}")
        return resource
