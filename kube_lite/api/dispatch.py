"""From a resource request to a verb, and from its outcome to an answer.

One :class:`Dispatcher` serves every kind: it looks the resource up, lets subresources that are more than a part
of their parent go to ``subresources``, and shapes what comes back as JSON, Table or metadata.
"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from kube_lite import errors
from kube_lite.api import codec, connect, deletion, kubelets, options, patching, reads, table, watch, watch_stream
from kube_lite.api.history import Timeline
from kube_lite.api.http import EarlyWarning, LongBody, Request, Response, encode_json
from kube_lite.api.large import beside
from kube_lite.api.manner import Written
from kube_lite.api.negotiate import JSON, PROTOBUF, STREAMED, Form, negotiate, negotiate_stream, not_acceptable
from kube_lite.api.request_info import RequestInfo
from kube_lite.api.storage import Storage
from kube_lite.api.target import Target
from kube_lite.api.user import User
from kube_lite.api.verbs import Verbs
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource, Subresource

Handler = Callable[[Request, Resource], Awaitable[Response]]
ListElsewhere = Callable[[User, str, str, str], Awaitable[Sequence[bytes] | None]]
"""User, resource, namespace and label selector to the items; None where no other server has such a resource."""


class Dispatcher:
    """Answers resource requests."""

    list_elsewhere: ListElsewhere | None = None
    """Lists what other servers answer for (the aggregator), for clients in this process."""

    def __init__(self, storage: Storage, verbs: Verbs, rng: random.Random) -> None:
        self.storage = storage
        self.verbs = verbs
        self._rng = rng
        self.timeline = Timeline(storage)
        self.subresources: dict[str, Handler] = {}
        """By subresource name: answers that are not the parent object (scale, binding, eviction, log...)."""
        self.reviews: dict[str, Handler] = {}
        """By group resource: kinds that are answered and never stored."""
        self.groups: dict[str, Callable[[Request], Awaitable[Response]]] = {}
        """By API group: what is served by others (the nodes' side doors, aggregated APIs)."""

    async def handle(self, request: Request) -> Response:
        """The answer to one resource request. :raises ApiError: refused"""
        info = request.info
        resource = self.storage.registry.at(info.group, info.version, info.resource)
        if resource is None:
            return await self._elsewhere(request)
        if resource.deprecation:
            early = resource.custom or _EARLY.search(resource.deprecation)
            request.warnings.append(EarlyWarning(resource.deprecation) if early else resource.deprecation)
        self._check_path(info, resource)
        if info.subresource:
            return await self._subresource(request, resource)
        if resource.namespaced and not info.namespace and (info.name or info.verb in ("create", "update", "patch")):
            if resource.custom:
                return _page_not_found()
            if info.verb == "create" and not info.name and not resource.answered_only:
                raise errors.MethodNotAllowed(_NOT_ALLOWED, {})
            if info.name:
                raise errors.no_such_path()
        if not resource.namespaced and info.namespace and resource.plural != "namespaces":
            if resource.custom:
                return _page_not_found()
            raise errors.no_such_path()
        nameless = info.verb in ("update", "patch") and not info.name
        everywhere = info.verb == "deletecollection" and resource.namespaced and not info.namespace
        if nameless or everywhere or info.verb not in resource.verbs or (info.verb == "create" and info.name):
            raise errors.MethodNotAllowed(_NOT_ALLOWED, {})
        if info.method == "HEAD":  # upstream's router has no handler for it
            raise errors.MethodNotAllowed(_NOT_ALLOWED, {})
        if resource.answered_only:
            return await self.reviews[resource.group_resource](request, resource)
        handler = self._verbs[info.verb]
        return await handler(self, request, resource)

    @staticmethod
    def _check_path(info: RequestInfo, resource: Resource) -> None:
        """Refuse what no kind answers. :raises NotFound: :raises MethodNotAllowed:"""
        watched_part = info.verb == "watch" and bool(info.subresource)
        unnamed = resource.answered_only and "get" not in resource.verbs
        nowhere = resource.answered_only and resource.namespaced and not info.namespace
        if watched_part or nowhere or (unnamed and info.name and not info.subresource):
            raise errors.no_such_path()
        if info.subresource:
            return
        if info.verb == "watch" and info.method != "GET":
            raise errors.MethodNotAllowed(_NOT_ALLOWED, {})

    async def _elsewhere(self, request: Request) -> Response:
        handler = self.groups.get(request.info.group)
        if handler is not None:
            return await handler(request)
        known = any(r.group == request.info.group and not r.custom for r in self.storage.registry)
        if not known:
            return _page_not_found()
        raise errors.no_such_path()

    async def _subresource(self, request: Request, resource: Resource) -> Response:
        info = request.info
        sub = resource.subresources.get(info.subresource)
        if sub is None and resource.custom:
            raise errors.not_found(resource.plural, resource.group, info.name)
        if sub is None or (info.rest and sub.name != "proxy"):
            raise errors.no_such_path()
        if info.method == "HEAD" and sub.name != "proxy":
            raise errors.MethodNotAllowed(_NOT_ALLOWED, {})
        if info.verb not in sub.verbs and (sub.name, info.verb) != ("proxy", "options"):
            raise errors.MethodNotAllowed(_NOT_ALLOWED, {})
        if sub.name in connect.CONNECTED:
            await connect.admit(self.verbs, request, resource, sub)
        handler = self.subresources.get(f"{resource.group_resource}/{sub.name}") or self.subresources.get(sub.name)
        if handler is not None:
            return await handler(request, resource)
        if sub.name in kubelets.UPGRADED:
            pod = self.storage.load(resource, (await reads.get(self.storage, resource, info)).value)
            if not pod["spec"].get("nodeName"):
                raise errors.BadRequest(f"pod {info.name} does not have a host assigned")
            if request.header("upgrade"):
                raise errors.Unspecified(f"{sub.name} is not there yet in this version of kube-lite (logs are)")
            raise errors.BadRequest("Upgrade request required")
        if sub.name == "proxy":
            await reads.get(self.storage, resource, info)
            raise errors.ServiceUnavailable("error trying to reach service: there is no network here")
        if info.verb == "get":
            return await self._get(request, resource)
        if info.verb == "update":
            return await self._update(request, resource, sub)
        return await self._patch(request, resource, sub)

    # ---- reads

    async def _get(self, request: Request, resource: Resource) -> Response:
        form = _form(request)
        if request.info.query and request.info.param("at"):
            target = self.target(request.info, resource, None)
            value = await self.timeline.object_at(resource, target.namespace, target.name, request.info.param("at"))
            return self.shaped(request, resource, value, form)
        item = await reads.get(self.storage, resource, request.info)
        return self.shaped(request, resource, await self.storage.incoming_one(resource, item.value), form)

    async def _list(self, request: Request, resource: Resource) -> Response:
        form = _form(request)
        query = reads.list_query(resource, request.info)
        if request.info.query and request.info.param("at"):
            query = replace(query, revision=self.timeline.revision_at(request.info.param("at")), exact=True)
        listing = await reads.list_(self.storage, resource, request.info.namespace, query)
        values = await self.storage.incoming(resource, listing.values)
        metadata = _list_metadata(resource, listing, form)
        size = 0 if form.media == JSON and not form.as_ else sum(map(len, values))  # JSON is sent as it is kept
        return await beside(size, self.list_shaped, request, resource, values, metadata, form)

    def list_shaped(
        self, request: Request, resource: Resource, values: Any, metadata: Mapping[str, Any], form: Form
    ) -> Response:
        """Objects (stored bytes) as a list in the form that was asked for."""
        if form.as_ == "Table":
            include = table.include_object(request.info.param("includeObject"))
            objects = [self.storage.load(resource, v) for v in values]
            return _encoded(table.table(resource, objects, form, include, metadata), form)
        if form.as_ == "PartialObjectMetadata":
            text = f"you requested PartialObjectMetadata, but the requested object is a list ({_go_list(resource)})"
            raise errors.NotAcceptable(text)
        if form.as_ == "PartialObjectMetadataList":
            objects = [self.storage.load(resource, v) for v in values]
            return _encoded(table.partial_list(objects, form, metadata), form)
        start = b'{"kind":"%s","apiVersion":"%s","metadata":%s,"items":[' % (
            resource.list_kind_name.encode(),
            resource.api_version.encode(),
            encode_json(metadata),
        )
        items = self._items(resource, values)
        if not items:
            items = [start + b"]}"]
        else:
            items[0] = start + items[0]
            items[-1] += b"]}"
        body = LongBody(items)
        return Response(body=body) if form.media == JSON else codec.answer(bytes(body), form)

    def _items(self, resource: Resource, values: Any) -> list[bytes]:
        if resource.custom:
            return [self.storage.whole(resource, v) for v in values]
        if resource.convert_from_storage is None:
            return list(values)
        return [self.storage.bare(resource, v) for v in values]

    def shaped(self, request: Request, resource: Resource, value: bytes, form: Form, code: int = 200) -> Response:
        """One object (stored bytes) in the form that was asked for."""
        if form.as_ == "":
            return codec.answer(self.storage.whole(resource, value), form, code)
        obj = self.storage.load(resource, value)
        if form.as_ == "PartialObjectMetadata":
            return codec.encoded(table.partial(obj, form), form, code)
        if form.as_ == "PartialObjectMetadataList":
            shown = "*unstructured.Unstructured" if resource.custom else f"*{_package(resource)}.{resource.kind}"
            raise errors.NotAcceptable(
                f"you requested PartialObjectMetadataList, but the requested object is not a list ({shown})"
            )
        include = table.include_object(request.info.param("includeObject"))
        revision = obj["metadata"].get("resourceVersion")
        metadata = {"resourceVersion": revision} if revision else {}
        response = _encoded(table.table(resource, [obj], form, include, metadata), form)
        response.code = code
        return response

    async def _watch(self, request: Request, resource: Resource) -> Response:
        info = request.info
        form = negotiate_stream(request.header("accept"))
        query = reads.list_query(resource, info, watch=True)
        if form.media == PROTOBUF:
            form = _streamed(request, resource, form)
        initial = info.flag("sendInitialEvents")
        source = watch.WatchSource(self.storage, resource, info.namespace, query)
        content_type = JSON if form.media == JSON else f"{form.media};stream=watch"
        try:
            await source.open(initial if info.param("sendInitialEvents") else None)
        except errors.Expired as error:
            told = watch.Encoder(self.storage, resource, form, "Metadata").error(error)
            return Response(stream=_once(told), content_type=content_type)
        if resource.custom:
            source.end_on_removal()
        seconds = reads.integer(info, "timeoutSeconds")
        wanted = watch.WatchQuery(
            bookmarks=info.flag("allowWatchBookmarks"),
            timeout=seconds if seconds else self._rng.uniform(*watch.DEFAULT_TIMEOUT),
            send_initial=initial,
            include=table.include_object(info.param("includeObject")) if form.as_ == "Table" else "Metadata",
        )
        stream = watch_stream.Stream(self.storage, resource, source, wanted, form)
        return Response(stream=stream, content_type=content_type)

    # ---- writes

    async def _create(self, request: Request, resource: Resource) -> Response:
        form = _form(request)
        body = await request.body()
        wanted = replace(options.write_options(request, "CreateOptions"), body_size=len(body))
        obj = await beside(len(body), codec.decode_body, request, resource, body, wanted)
        target = Target(resource, request.info.namespace if resource.namespaced else "", "")
        written = await self.verbs.create(target, obj, request.user, wanted, request.warnings)
        value = await self.storage.incoming_one(resource, written.value)
        return self.shaped(request, resource, value, form, 201)

    async def _update(self, request: Request, resource: Resource, sub: Subresource | None = None) -> Response:
        form = _form(request)
        body = await request.body()
        wanted = replace(options.write_options(request, "UpdateOptions"), body_size=len(body))
        obj = await beside(len(body), codec.decode_body, request, resource, body, wanted)
        target = self.target(request.info, resource, sub)
        written = await self.verbs.update(target, obj, request.user, wanted, request.warnings)
        value = await self.storage.incoming_one(resource, written.value)
        return self.shaped(request, resource, value, form, 201 if written.created else 200)

    async def _patch(self, request: Request, resource: Resource, sub: Subresource | None = None) -> Response:
        form = _form(request)
        body = await request.body()
        wanted = replace(options.write_options(request, "PatchOptions"), body_size=len(body))
        target = self.target(request.info, resource, sub)
        written = await patching.patch_object(self.verbs, target, request, body, wanted)
        value = await self.storage.incoming_one(resource, written.value)
        return self.shaped(request, resource, value, form, 201 if written.created else 200)

    async def _delete(self, request: Request, resource: Resource) -> Response:
        form = _form(request)
        wanted = await codec.delete_options(request)
        target = self.target(request.info, resource, None)
        written = await deletion.delete(self.verbs, target, request.user, wanted, request.warnings)
        if (written.deleted and not resource.returns_deleted) or resource.returns_status:
            return codec.encoded(self._deleted_status(resource, target, written), form)
        cascading = wanted.orphan_dependents is False
        code = 202 if not written.deleted and cascading else 200
        value = await self.storage.incoming_one(resource, written.value)
        return self.shaped(request, resource, value, form, code)

    def _deleted_status(self, resource: Resource, target: Target, written: Written) -> Obj:
        details: Obj = {"name": target.name, "kind": resource.plural}
        if resource.group:
            details["group"] = resource.group
        details["uid"] = self.storage.load(resource, written.value)["metadata"]["uid"]
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    async def _delete_collection(self, request: Request, resource: Resource) -> Response:
        form = _form(request)
        wanted = await codec.delete_options(request)
        info = request.info
        query = reads.list_query(resource, info)
        namespace = info.namespace if resource.namespaced else ""
        items = self.storage.cache(resource).range(self.storage.prefix(resource, namespace))
        revision = self.storage.caches.revision
        metadata = _list_metadata(resource, reads.Listing((), revision), form)
        if query.limit or query.continue_:
            listing = await reads.list_(self.storage, resource, namespace, query)
            metas = [self.storage.load(resource, value)["metadata"] for value in listing.values]
            found = [self.storage.item(resource, meta.get("namespace", ""), meta["name"]) for meta in metas]
            chosen = [item for item in found if item is not None]
            metadata = _list_metadata(resource, listing, form)
        elif query.in_version:
            shown = reads.matching(await self.storage.in_version(resource, items), query.match)
            wanted_keys = {item.key for item in shown}
            chosen = [item for item in items if item.key in wanted_keys]
        else:
            chosen = list(reads.matching(items, query.match))
        target = Target(resource, namespace, "")
        await deletion.delete_collection(self.verbs, target, chosen, request.user, wanted)
        values = await self.storage.incoming(resource, [i.value for i in chosen])
        return self.list_shaped(request, resource, values, metadata, form)

    @staticmethod
    def target(info: RequestInfo, resource: Resource, sub: Subresource | None) -> Target:
        """The object that a request names."""
        return Target(resource, info.namespace if resource.namespaced else "", info.name, sub)

    _verbs: dict[str, Callable[[Dispatcher, Request, Resource], Awaitable[Response]]] = {
        "get": _get,
        "list": _list,
        "watch": _watch,
        "create": _create,
        "update": _update,
        "patch": _patch,
        "delete": _delete,
        "deletecollection": _delete_collection,
    }


_EARLY = re.compile(r"deprecated in v1\.(?:1?\d|20)\+")
"""What was deprecated before v1.21."""
_NOT_ALLOWED = "the server does not allow this method on the requested resource"


def _page_not_found() -> Response:
    """What upstream's router says where it has no handler at all: custom resources get no Status then."""
    return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")


def _list_metadata(resource: Resource, listing: reads.Listing, form: Form) -> dict[str, Any]:
    metadata: dict[str, Any] = {"resourceVersion": str(listing.revision)}
    if resource.custom and not form.as_:
        metadata["continue"] = ""
    if listing.continue_:
        metadata["continue"] = listing.continue_
        if listing.remaining:
            metadata["remainingItemCount"] = listing.remaining
    return metadata


def _form(request: Request) -> Form:
    return negotiate(request.header("accept"))


def _package(resource: Resource) -> str:
    """The Go package of upstream's internal types: the group's first word."""
    return resource.group.partition(".")[0] or "core"


def _go_list(resource: Resource) -> str:
    if resource.custom:
        return "*unstructured.UnstructuredList"
    return f"*{_package(resource)}.{resource.list_kind_name}"


def _streamed(request: Request, resource: Resource, form: Form) -> Form:
    """The form of events for a client that takes protobuf alone. :raises NotAcceptable: there is none of the kind"""
    if request.header("upgrade"):
        return Form(JSON, form.as_, form.version)  # over websockets an event is a frame of text
    if not form.as_ and resource.custom:
        raise not_acceptable(*STREAMED)
    return form


def _encoded(value: Any, form: Form) -> Response:
    return codec.encoded(value, form)


async def _once(chunk: bytes) -> Any:
    yield chunk
