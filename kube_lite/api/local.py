"""LocalClient: the Client protocol without HTTP, for the parts that live in this process.

A request goes through the same authorization, admission and verbs as one from the network; only parsing and
encoding of HTTP are left out. Watches hand over events as they lie in the shared ring.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from kube_lite import clock, errors
from kube_lite.api import reads
from kube_lite.api.authz.attributes import attributes_of
from kube_lite.api.authz.authorizer import Authorizer
from kube_lite.api.dispatch import Dispatcher
from kube_lite.api.http import Request, Response, decode_json, encode_json
from kube_lite.api.negotiate import PLAIN
from kube_lite.api.request_info import RequestInfo
from kube_lite.api.user import User
from kube_lite.api.watch import BOOKMARK_INTERVAL, Change, Encoder, WatchSource
from kube_lite.client.protocol import MERGE_PATCH, ObjectList, Watch, WatchEvent, delete_options
from kube_lite.resources.registry import Resource


class LocalClient:
    """One identity's client in this process.

    :param agent: names the writer in managedFields, as a User-Agent does over HTTP
    """

    def __init__(self, dispatcher: Dispatcher, authorizer: Authorizer, user: User, agent: str) -> None:
        self._dispatcher = dispatcher
        self._storage = dispatcher.storage
        self._authorizer = authorizer
        self._user = user
        self._headers = {b"user-agent": agent.encode()}

    def _resource(self, name: str) -> Resource:
        resource = self._storage.registry.named(name)
        if resource is None:
            raise errors.no_such_path()
        return resource

    def _info(
        self,
        resource: Resource,
        verb: str,
        namespace: str,
        name: str = "",
        subresource: str = "",
        query: dict[str, list[str]] | None = None,
        method: str = "GET",
    ) -> RequestInfo:
        return RequestInfo(
            method=method,
            path="",
            verb=verb,
            is_resource=True,
            group=resource.group,
            version=resource.version,
            namespace=namespace,
            resource=resource.plural,
            name=name,
            subresource=subresource,
            query=query or {},
        )

    def _authorize(self, info: RequestInfo) -> None:
        self._authorizer.require(attributes_of(self._user, info))

    async def _send(self, info: RequestInfo, body: bytes = b"", content_type: str = "application/json") -> bytes:
        self._authorize(info)

        async def read_body() -> bytes:
            return body

        headers = {**self._headers, b"content-type": content_type.encode()}
        request = Request(info, headers, read_body, user=self._user, own=True)
        response: Response = await self._dispatcher.handle(request)
        return bytes(response.body)

    async def get(self, resource: str, name: str, namespace: str = "", *, subresource: str = "") -> bytes:
        """See ``Client.get``."""
        found = self._resource(resource)
        return await self._send(self._info(found, "get", namespace, name, subresource))

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
        """See ``Client.list``. Of other servers' resources only whole lists can be had."""
        elsewhere = self._dispatcher.list_elsewhere
        if elsewhere is not None and self._storage.registry.named(resource) is None:
            foreign = await elsewhere(self._user, resource, namespace, label_selector)
            if foreign is not None:
                return ObjectList(list(foreign), "", "")
        found = self._resource(resource)
        query = _query(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            limit=str(limit) if limit else "",
            resourceVersion=resource_version,
        )
        if continue_:
            query["continue"] = [continue_]
        info = self._info(found, "list", namespace, query=query)
        self._authorize(info)
        listing = await reads.list_(self._storage, found, namespace, reads.list_query(found, info))
        items = [self._storage.bare(found, v) for v in await self._storage.incoming(found, listing.values)]
        return ObjectList(items, str(listing.revision), listing.continue_)

    @asynccontextmanager
    async def watch(
        self,
        resource: str,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int = 0,
        bookmarks: bool = True,
    ) -> AsyncIterator[Watch]:
        """See ``Client.watch``."""
        found = self._resource(resource)
        query = _query(labelSelector=label_selector, fieldSelector=field_selector, resourceVersion=resource_version)
        info = self._info(found, "watch", namespace, query=query)
        self._authorize(info)
        source = WatchSource(self._storage, found, namespace, reads.list_query(found, info, watch=True))
        await source.open()
        if found.custom:
            source.end_on_removal()
        try:
            yield self._events(found, source, timeout_seconds, bookmarks)
        finally:
            source.close()

    async def _events(
        self, resource: Resource, source: WatchSource, timeout: int, bookmarks: bool
    ) -> AsyncIterator[Sequence[WatchEvent]]:
        encoder = Encoder(self._storage, resource, PLAIN, "Metadata")
        deadline = clock.monotonic() + timeout if timeout else None
        if source.initial:
            yield [self._event(resource, c) for c in source.initial]
            source.initial = []
        next_bookmark = clock.monotonic() + BOOKMARK_INTERVAL
        while deadline is None or clock.monotonic() < deadline:
            wake = next_bookmark if deadline is None else min(next_bookmark, deadline)
            changes = await source.next(max(wake - clock.monotonic(), 0.0))
            if changes:
                yield [self._event(resource, c) for c in changes]
            # an event that the selector leaves out wakes us too, and is no reason for a bookmark
            if clock.monotonic() >= wake:
                next_bookmark = clock.monotonic() + BOOKMARK_INTERVAL
                if bookmarks:
                    line = decode_json(encoder.bookmark(source.revision))
                    yield [WatchEvent("BOOKMARK", encode_json(line["object"]))]
            if source.ended and not changes:
                return

    def _event(self, resource: Resource, change: Change) -> WatchEvent:
        return WatchEvent(change.type, self._storage.bare(resource, change.value))

    async def create(
        self, resource: str, obj: Mapping[str, Any], namespace: str = "", *, name: str = "", subresource: str = ""
    ) -> bytes:
        """See ``Client.create``."""
        found = self._resource(resource)
        info = self._info(found, "create", namespace, name, subresource, method="POST")
        return await self._send(info, encode_json(obj))

    async def update(
        self, resource: str, name: str, obj: Mapping[str, Any], namespace: str = "", *, subresource: str = ""
    ) -> bytes:
        """See ``Client.update``."""
        found = self._resource(resource)
        info = self._info(found, "update", namespace, name, subresource, method="PUT")
        return await self._send(info, encode_json(obj))

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
        """See ``Client.patch``."""
        found = self._resource(resource)
        query = _query(fieldManager=field_manager, force="true" if force else "")
        info = self._info(found, "patch", namespace, name, subresource, query, "PATCH")
        return await self._send(info, encode_json(patch), content_type)

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
        """See ``Client.delete``."""
        found = self._resource(resource)
        body = delete_options(grace_period_seconds, propagation_policy, uid, resource_version)
        info = self._info(found, "delete", namespace, name, method="DELETE")
        return await self._send(info, encode_json(body) if body else b"")

    async def delete_collection(
        self,
        resource: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        propagation_policy: str = "",
    ) -> None:
        """See ``Client.delete_collection``."""
        found = self._resource(resource)
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        info = self._info(found, "deletecollection", namespace, query=query, method="DELETE")
        body = delete_options(propagation_policy=propagation_policy)
        await self._send(info, encode_json(body) if body else b"")


def _query(**values: str) -> dict[str, list[str]]:
    return {name: [value] for name, value in values.items() if value}
