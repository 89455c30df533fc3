"""HttpClient: the Client protocol over HTTPS, for node executors and anything else outside the server's process.

One pool of kept-alive HTTP/1.1 connections; a watch holds one of its own. TCP keep-alive finds a dead server
within about 30 seconds even when nothing is sent. A refusal is raised as ``errors.ApiError``, a connection that
fails as :class:`Unreachable` (an OSError). Requests answered 429 are tried again after the time that the server
names, ten times at most; a read is tried once more when a kept-alive connection turned out to be closed.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from kube_lite import __version__, errors
from kube_lite.client.kubeconfig import Connection
from kube_lite.client.protocol import MERGE_PATCH, ObjectList, WatchEvent, delete_options
from kube_lite.client.tls import ssl_context
from kube_lite.resources.registry import Registry, Resource, builtin

if TYPE_CHECKING:
    import httpx

MAX_RETRIES = 10
"""Retries of a request that is answered 429 (client-go)."""

MAX_RETRY_AFTER = 30
"""Seconds waited at most before such a retry, whatever the server says."""

TIMEOUT = 60.0
"""Seconds for one answer (kube-apiserver's own limit for a request)."""

CONNECT_TIMEOUT = 10.0
"""Seconds to connect."""

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one watch event at most; an object is at most 3 MiB, as text in JSON somewhat more."""


class Unreachable(ConnectionError):
    """Raised when there was no answer: refused, reset, timed out, or not to be trusted."""


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


_lists = msgspec.json.Decoder(_List)
_events = msgspec.json.Decoder(_Event)


def _keep_alive() -> list[tuple[int, int, int]]:
    return [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    ]


def split_lines(rest: bytes, chunk: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines in ``rest + chunk``, without blank ones, and what remains. :raises Unreachable: too long"""
    lines = (rest + chunk).split(b"\n")
    remaining = lines.pop()
    if len(remaining) > MAX_LINE:
        raise Unreachable("the server sent an endless line")
    return [line for line in lines if line.strip()], remaining


class HttpClient:
    """A Client of one API server as one identity. An async context manager.

    :param registry: makes the registry of known resources, called when the first name is looked up
    """

    def __init__(
        self, connection: Connection, *, user_agent: str = "", registry: Callable[[], Registry] = builtin
    ) -> None:
        self._connection = connection
        self._make_registry = registry
        self._registry: Registry | None = None
        self._resources: dict[str, Resource] = {}
        self._user_agent = user_agent or f"kube-lite/{__version__}"
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> HttpClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            import httpx

            connection = self._connection
            transport = httpx.AsyncHTTPTransport(
                verify=ssl_context(connection) if connection.server.startswith("https") else False,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=30),
                uds=connection.unix_socket or None,
                socket_options=None if connection.unix_socket else _keep_alive(),
            )
            headers = {"User-Agent": self._user_agent, "Accept": "application/json"}
            if connection.token:
                headers["Authorization"] = f"Bearer {connection.token}"
            self._http = httpx.AsyncClient(
                transport=transport,
                base_url=connection.server,
                headers=headers,
                timeout=httpx.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT),
                trust_env=False,
                event_hooks={"request": [self._expect_name]} if connection.tls_server_name else None,
            )
        return self._http

    async def _expect_name(self, request: httpx.Request) -> None:
        """Ask for, and hold the certificate to, the name that the kubeconfig gives instead of the URL's."""
        request.extensions["sni_hostname"] = self._connection.tls_server_name

    # --- addresses ---

    def _resource(self, name: str) -> Resource:
        found = self._resources.get(name)
        if found is None:
            if self._registry is None:
                self._registry = self._make_registry()
            found = self._registry.named(name)
            if found is None:
                parts = name.split(".", 2)
                if len(parts) < 3:
                    raise errors.NotFound(f'the server doesn\'t have a resource type "{name}"')
                plural, version, group = parts  # a custom resource, named in full
                found = Resource(kind="", plural=plural, version=version, group=group)
            self._resources[name] = found
        return found

    def path(self, resource: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of a collection, object or subresource."""
        found = self._resource(resource)
        parts = [found.path]
        if namespace and found.namespaced:
            parts += ["namespaces", namespace]
        parts.append(found.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)

    # --- requests ---

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> bytes:
        """One request, its answer's body.

        :param body: encoded as JSON unless None
        :raises ApiError: the server refused
        :raises Unreachable: there was no answer
        """
        import httpx

        content = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": content_type} if content is not None else {}
        tries = 0
        while True:
            try:
                answer = await self._client().request(
                    method, path, params=dict(params or {}), content=content, headers=headers
                )
            except httpx.TransportError as error:
                if method == "GET" and not tries and isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
                    tries += 1
                    continue
                raise Unreachable(f"{method} {path}: {error or type(error).__name__}") from error
            if answer.status_code == 429 and tries < MAX_RETRIES and "retry-after" in answer.headers:
                tries += 1
                await anyio.sleep(_retry_after(answer.headers["retry-after"]))
                continue
            if answer.is_success:
                return answer.content
            raise _refusal(answer.status_code, answer.content)

    async def request_stream(
        self, method: str, path: str, content: AsyncIterator[bytes], *, params: Mapping[str, str] | None = None
    ) -> bytes:
        """A request whose body is sent as it comes; its answer's body. No limit of time but the server's.

        :raises ApiError: the server refused
        :raises Unreachable: the connection ended early
        """
        import httpx

        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT)
        headers = {"Content-Type": "application/octet-stream"}
        try:
            answer = await self._client().request(
                method, path, params=dict(params or {}), content=content, headers=headers, timeout=timeout
            )
        except httpx.TransportError as error:
            raise Unreachable(f"{method} {path}: {error or type(error).__name__}") from error
        if not answer.is_success:
            raise _refusal(answer.status_code, answer.content)
        return answer.content

    @asynccontextmanager
    async def lines(
        self, path: str, *, params: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        """GET an answer that goes on: its lines in batches of what was ready; blank ones give an empty batch.

        :raises ApiError: the server refused
        :raises Unreachable: the connection ended early
        """
        import httpx

        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT)
        try:
            async with self._client().stream("GET", path, params=dict(params or {}), timeout=timeout) as answer:
                if not answer.is_success:
                    raise _refusal(answer.status_code, await answer.aread())
                yield _batches(answer)
        except httpx.TransportError as error:
            raise Unreachable(f"GET {path}: {error or type(error).__name__}") from error

    # --- the protocol ---

    async def get(self, resource: str, name: str, namespace: str = "", *, subresource: str = "") -> bytes:
        """See ``Client.get``."""
        return await self.request("GET", self.path(resource, namespace, name, subresource))

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
        """See ``Client.list``."""
        params = _given(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            limit=str(limit) if limit else "",
            resourceVersion=resource_version,
        )
        if continue_:
            params["continue"] = continue_
        found = _lists.decode(await self.request("GET", self.path(resource, namespace), params=params))
        items = [bytes(item) for item in found.items or ()]
        return ObjectList(items, found.metadata.resource_version, found.metadata.continue_)

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
    ) -> AsyncIterator[AsyncIterator[Sequence[WatchEvent]]]:
        """See ``Client.watch``."""
        params = _given(
            watch="true",
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
            timeoutSeconds=str(timeout_seconds) if timeout_seconds else "",
            allowWatchBookmarks="true" if bookmarks else "",
        )
        async with self.lines(self.path(resource, namespace), params=params) as batches:
            yield _decoded(batches)

    async def create(
        self, resource: str, obj: Mapping[str, Any], namespace: str = "", *, name: str = "", subresource: str = ""
    ) -> bytes:
        """See ``Client.create``."""
        return await self.request("POST", self.path(resource, namespace, name, subresource), body=obj)

    async def update(
        self, resource: str, name: str, obj: Mapping[str, Any], namespace: str = "", *, subresource: str = ""
    ) -> bytes:
        """See ``Client.update``."""
        return await self.request("PUT", self.path(resource, namespace, name, subresource), body=obj)

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
        params = _given(fieldManager=field_manager, force="true" if force else "")
        path = self.path(resource, namespace, name, subresource)
        return await self.request("PATCH", path, params=params, body=patch, content_type=content_type)

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
        options = delete_options(grace_period_seconds, propagation_policy, uid, resource_version)
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **options}
        return await self.request("DELETE", self.path(resource, namespace, name), body=body)

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
        params = _given(labelSelector=label_selector, fieldSelector=field_selector)
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **delete_options(propagation_policy=propagation_policy)}
        await self.request("DELETE", self.path(resource, namespace), params=params, body=body)


def _given(**params: str) -> dict[str, str]:
    return {key: value for key, value in params.items() if value}


def _retry_after(text: str) -> float:
    return float(min(int(text), MAX_RETRY_AFTER)) if text.isdigit() else 1.0


def _refusal(code: int, body: bytes) -> errors.ApiError:
    try:
        status = msgspec.json.decode(body)
    except msgspec.DecodeError:
        status = {}
    if not isinstance(status, dict) or status.get("kind") != "Status":
        text = body[:200].decode("utf-8", "replace").strip()
        status = {"message": text or f"the server answered {code}"}
    return errors.from_status(status, code)


async def _batches(answer: httpx.Response) -> AsyncIterator[list[bytes]]:
    rest = b""
    async for chunk in answer.aiter_bytes():
        lines, rest = split_lines(rest, chunk)
        yield lines


async def _decoded(batches: AsyncIterator[list[bytes]]) -> AsyncIterator[Sequence[WatchEvent]]:
    """Watch events; those before an error are handed over first."""
    async for lines in batches:
        events: list[WatchEvent] = []
        for line in lines:
            event = _events.decode(line)
            if event.type == "ERROR":
                if events:
                    yield events
                raise errors.from_status(msgspec.json.decode(event.object))
            events.append(WatchEvent(event.type, bytes(event.object)))
        if events:
            yield events
