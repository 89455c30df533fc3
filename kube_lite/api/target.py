"""The object that a request is about, as the verbs take it."""

from __future__ import annotations

from dataclasses import dataclass

from kube_lite import errors
from kube_lite.resources.registry import Resource, Subresource


@dataclass(frozen=True, slots=True)
class Target:
    """One object, or a subresource of it, by its place."""

    resource: Resource
    namespace: str
    name: str
    subresource: Subresource | None = None

    @property
    def subresource_name(self) -> str:
        """'' for the object itself."""
        return self.subresource.name if self.subresource is not None else ""


def missing(resource: Resource, name: str) -> errors.ApiError:
    """The refusal where no object has a name; of what no name can be, as it is no part of a path, this is told."""
    problem = ""
    if name in (".", ".."):
        problem = f"may not be '{name}'"
    elif "%" in name:
        problem = "may not contain '%'"
    if problem:
        return errors.BadRequest(f'Name parameter invalid: "{name}": {problem}')
    return errors.not_found(resource.plural, resource.group, name)
