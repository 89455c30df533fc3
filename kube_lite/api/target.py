"""The object that a request is about, as the verbs take it."""

from __future__ import annotations

import msgspec

from kube_lite.resources.registry import Resource, Subresource


class Target(msgspec.Struct, frozen=True):
    """One object, or a subresource of it, by its place."""

    resource: Resource
    namespace: str
    name: str
    subresource: Subresource | None = None

    @property
    def subresource_name(self) -> str:
        """'' for the object itself."""
        return self.subresource.name if self.subresource is not None else ""
