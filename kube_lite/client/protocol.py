"""The Client protocol: how controllers, scheduler, node executors and the CLI reach the API.

Two implementations pass one contract suite: ``api.local.LocalClient`` (same process, no HTTP) and
``client.http.HttpClient``. A resource is named as in kubectl, ``pods`` or ``deployments.apps``; objects are
JSON bytes, decoded by the caller into the view it needs; writes take plain mappings.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class ObjectList(msgspec.Struct, frozen=True):
    """A list answer: each item as JSON bytes, and the revision that a watch goes on from."""

    items: Sequence[bytes]
    resource_version: str
    continue_: str = ""


class WatchEvent(msgspec.Struct, frozen=True):
    """``type`` is ADDED, MODIFIED, DELETED or BOOKMARK; ``object`` JSON bytes."""

    type: str
    object: bytes


def delete_options(
    grace_period_seconds: int | None = None, propagation_policy: str = "", uid: str = "", resource_version: str = ""
) -> dict[str, Any]:
    """The fields of ``DeleteOptions`` that say what :meth:`Client.delete` was told; empty when that is nothing."""
    options: dict[str, Any] = {}
    if grace_period_seconds is not None:
        options["gracePeriodSeconds"] = grace_period_seconds
    if propagation_policy:
        options["propagationPolicy"] = propagation_policy
    if preconditions := {k: v for k, v in (("uid", uid), ("resourceVersion", resource_version)) if v}:
        options["preconditions"] = preconditions
    return options


Watch = AsyncIterator[Sequence[WatchEvent]]
"""Events in order, in batches of what was ready; ends when the server closes the stream."""


class Client(Protocol):
    """The verbs of the API for one identity. Every method raises ``errors.ApiError`` when refused."""

    async def get(self, resource: str, name: str, namespace: str = "", *, subresource: str = "") -> bytes:
        """The object as JSON. :raises NotFound:"""
        ...

    async def list(
        self,
        resource: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_: str = "",
        resource_version: str = "",
    ) -> ObjectList:
        """All objects in ``namespace`` ('' for every namespace) that match the selectors."""
        ...

    def watch(
        self,
        resource: str,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int = 0,
        bookmarks: bool = True,
    ) -> AbstractAsyncContextManager[Watch]:
        """Changes after ``resource_version``. :raises Expired: history no longer reaches back there"""
        ...

    async def create(
        self, resource: str, obj: Mapping[str, Any], namespace: str = "", *, name: str = "", subresource: str = ""
    ) -> bytes:
        """POST; with ``name`` and ``subresource`` to that subresource (binding, eviction, token)."""
        ...

    async def update(
        self, resource: str, name: str, obj: Mapping[str, Any], namespace: str = "", *, subresource: str = ""
    ) -> bytes:
        """PUT. :raises Conflict: the object's resourceVersion is stale"""
        ...

    async def patch(
        self,
        resource: str,
        name: str,
        patch: Mapping[str, Any] | Sequence[Any],
        namespace: str = "",
        *,
        content_type: str = MERGE_PATCH,
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> bytes:
        """PATCH with one of the four patch types; ``force`` is for server-side apply."""
        ...

    async def delete(
        self,
        resource: str,
        name: str,
        namespace: str = "",
        *,
        grace_period_seconds: int | None = None,
        propagation_policy: str = "",
        uid: str = "",
        resource_version: str = "",
    ) -> bytes:
        """DELETE, with preconditions when ``uid`` or ``resource_version`` is given."""
        ...

    async def delete_collection(
        self,
        resource: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        propagation_policy: str = "",
    ) -> None:
        """DELETE of all objects in ``namespace`` ('' for every namespace) that match the selectors.

        All are tried; the first refusal is raised when that is done.
        """
        ...
