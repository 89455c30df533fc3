"""Node executors' side doors: joining, the control channel, and streams that answer through it.

A node opens no port. It joins with the node token and gets a client certificate of its own; then it keeps one
long GET open (``tunnel``), over which it is asked for logs and the like, and answers each with a POST of its own
(``streams/ID``), whose body is piped to whoever asked. All under the group ``node.kube-lite.io``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from kube_lite import clock, errors
from kube_lite.api import certs, kubelets
from kube_lite.api.eviction import SUCCESS
from kube_lite.api.http import Request, Response, encode_json, json_response
from kube_lite.api.plane import Plane
from kube_lite.api.user import EXECUTORS, NODES, User
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.registry import Resource

GROUP = "node.kube-lite.io"
KEEP_ALIVE = 15.0
"""Seconds between blank lines on a quiet control channel, so that both sides notice a dead connection."""
ANSWER_TIMEOUT = 10.0
"""Seconds that a node has to begin an answer."""
WAITING = 64
"""Requests to one node that may wait on its channel; more are refused."""
CHUNKS = 32
"""Chunks of an answer held for a slow reader before the node is held back."""
JOINERS = "system:bootstrappers"

_LOG_INTEGERS = ("tailLines", "sinceSeconds", "limitBytes")


class NodeEndpoints:
    """The node paths, put into a plane."""

    def __init__(self, plane: Plane, authority: certs.Authority, secret: str, cluster_cidr: str) -> None:
        self._plane = plane
        self._authority = authority
        self._cluster_cidr = cluster_cidr
        self._channels: dict[str, MemoryObjectSendStream[bytes]] = {}
        self._answers: dict[str, MemoryObjectSendStream[bytes | None]] = {}
        self._asked: dict[str, str] = {}
        self._count = 0
        plane.dispatcher.groups[GROUP] = self.handle
        plane.dispatcher.subresources["pods/log"] = self.log
        plane.nonresource.pages["kube-lite"] = self._page
        plane.authenticator.add_token(secret, User("system:node-joiner", groups=(JOINERS,), how="token"))

    async def _page(self, request: Request) -> Response | None:
        if request.info.path == "/kube-lite/cacerts":
            return Response(200, self._authority.certificate_pem, "application/x-pem-file")
        return None

    async def handle(self, request: Request) -> Response:
        """Requests under ``/apis/node.kube-lite.io/v1/nodes/NAME``. :raises NotFound: no such path"""
        info = request.info
        if info.resource == "nodes" and info.name:
            if info.subresource == "join" and info.method == "POST":
                return await self._join(request)
            if info.subresource == "tunnel" and info.method == "GET":
                return self._tunnel(request)
            if info.subresource == "streams" and info.method == "POST":
                return await self._stream(request)
        raise errors.no_such_path()

    # ---- joining

    async def _join(self, request: Request) -> Response:
        """Sign the certificate of a node that shows the node token. Body: ``{"request": PEM}``.

        :raises Conflict: a node of this name is connected
        """
        try:
            body = json.loads(await request.body())
            pem = str(body["request"]).encode()
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise errors.BadRequest('the body must be {"request": "<PEM certificate request>"}') from error
        name = request.info.name
        if name in self._channels:
            # it would take over the pods of the one that runs, and each would undo what the other does
            message = f'a node named "{name}" is connected: choose another name (--name), or stop that one first'
            raise errors.Conflict(message, {"name": name, "kind": "nodes"})
        try:
            certificate = self._authority.sign_request(pem, f"system:node:{name}", [NODES, EXECUTORS])
        except ValueError as error:
            raise errors.BadRequest(f"the certificate request cannot be signed: {error}") from error
        answer = {
            "certificate": certificate.decode(),
            "clusterCIDR": self._cluster_cidr,
            "serviceCIDR": self._plane.options.service_cluster_ip_range,
        }
        return json_response(answer, 201)

    # ---- control channel

    def _tunnel(self, request: Request) -> Response:
        name = request.info.name
        send, receive = anyio.create_memory_object_stream[bytes](WAITING)
        older = self._channels.get(name)
        if older is not None:
            older.close()  # the node came back before we noticed that it was gone
        self._channels[name] = send
        return Response(stream=self._channel(name, send, receive))

    async def _channel(
        self, name: str, send: MemoryObjectSendStream[bytes], receive: MemoryObjectReceiveStream[bytes]
    ) -> AsyncIterator[bytes]:
        try:
            with receive:
                while True:
                    line = b"\n"
                    with anyio.move_on_after(KEEP_ALIVE):
                        try:
                            line = await receive.receive()
                        except anyio.EndOfStream:
                            return
                    yield line
        finally:
            if self._channels.get(name) is send:
                del self._channels[name]
            send.close()

    async def _stream(self, request: Request) -> Response:
        """The node's answer to one request: its body goes to whoever waits for it."""
        identity = request.info.rest
        answer = self._answers.get(identity)
        if answer is None or self._asked.get(identity) != request.info.name or request.stream_body is None:
            raise errors.NotFound("nobody waits for this stream any more", {})
        try:
            async with answer:
                async for chunk in request.stream_body():
                    await answer.send(chunk)
                await answer.send(None)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise errors.NotFound("the reader has gone", {}) from error
        return json_response(SUCCESS)

    async def ask(self, node: str, operation: str, params: dict[str, Any]) -> tuple[Obj, AsyncIterator[bytes]]:
        """Ask a node for something: the header it answers with, and the bytes after it.

        :raises InternalError: the node is not connected
        :raises ServiceUnavailable: it does not answer
        :raises ApiError: it answers with a refusal
        """
        channel = self._channels.get(node)
        if channel is None:
            raise errors.InternalError(f'node "{node}" is not connected to the API server: its executor is not running')
        self._count += 1
        identity = f"{self._count}-{self._plane.verbs.names.suffix()}"
        send, receive = anyio.create_memory_object_stream[bytes | None](CHUNKS)
        self._answers[identity], self._asked[identity] = send, node
        try:
            channel.send_nowait(encode_json({"id": identity, "op": operation, "params": params}) + b"\n")
            with anyio.fail_after(ANSWER_TIMEOUT):
                header, rest = await _first_line(receive)
            status = int(header.get("status") or 500)
            if status != 200:
                raise errors.from_status(header, status)
        except (TimeoutError, anyio.WouldBlock, anyio.EndOfStream, anyio.BrokenResourceError) as error:
            self._forget(identity)
            receive.close()
            raise errors.ServiceUnavailable(f'node "{node}" did not answer within {ANSWER_TIMEOUT:.0f} s') from error
        except BaseException:
            self._forget(identity)
            receive.close()
            raise
        return header, _Answer(rest, receive, lambda: self._forget(identity))

    def _forget(self, identity: str) -> None:
        answer = self._answers.pop(identity, None)
        if answer is not None:
            answer.close()
        self._asked.pop(identity, None)

    # ---- the node's own paths

    async def kubelet(self, node: str, request: Request, path: str) -> Response | None:
        """The answer to a request of the node's kubelet; None when no such node is connected.

        :param path: of the kubelet, as it came
        :raises ServiceUnavailable: it does not answer
        """
        if node not in self._channels:
            return None
        if request.info.method not in ("GET", "HEAD"):
            return Response(405, b"Method Not Allowed\n", "text/plain; charset=utf-8", {"Allow": "GET, HEAD"})
        query = request.scope.get("query_string", b"").decode("latin-1")
        told, body = await self.ask(node, "kubelet", {"path": path, "query": query})
        headers = {str(name).title(): str(value) for name, value in (told.get("headers") or {}).items()}
        media = str(told.get("contentType") or "text/plain")
        return Response(int(told.get("code") or 200), b"", media, headers, body)

    # ---- logs

    async def log(self, request: Request, resource: Resource) -> Response:
        """GET of ``pods/NAME/log``: asked of the node that runs the pod."""
        info = request.info
        item = self._plane.storage.item(resource, info.namespace, info.name)
        if item is None:
            raise errors.not_found("pods", "", info.name)
        pod = self._plane.storage.load(resource, item.value)
        container = choose_container(pod, info.param("container"))
        node = dig(pod, "spec", "nodeName", default="")
        if not node:
            return Response(204, content_type="")  # a pod on no node has said nothing
        params: dict[str, Any] = {
            "namespace": info.namespace,
            "pod": info.name,
            "uid": pod["metadata"]["uid"],
            "container": container,
            "follow": info.flag("follow"),
            "previous": info.flag("previous"),
            "timestamps": info.flag("timestamps"),
        }
        params |= _log_options(request)
        if node not in self._channels:
            await self._refuse(request, node, container)
        _, body = await self.ask(node, "logs", params)
        return Response(content_type="text/plain", stream=body)

    async def _refuse(self, request: Request, name: str, container: str) -> None:
        """Say what is wrong with a node that is not connected, if its object tells more than that.

        :raises NotFound: there is no such node
        :raises Unspecified: its kubelet cannot be reached
        """
        node = self._plane.storage.lookup("nodes", "", name)
        if node is None:
            raise errors.not_found("nodes", "", name)
        await kubelets.refuse_log(node, request, container)


class _Answer(AsyncIterator[bytes]):
    """What a node sends after its header. Whoever has it closes it, also when nothing was read (a HEAD)."""

    def __init__(
        self, first: bytes, receive: MemoryObjectReceiveStream[bytes | None], closed: Callable[[], None]
    ) -> None:
        self._first = first
        self._receive = receive
        self._closed = closed

    async def __anext__(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        try:
            chunk = await self._receive.receive()
        except anyio.EndOfStream:
            chunk = None
        except BaseException:
            await self.aclose()
            raise
        if chunk is None:
            await self.aclose()
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Take no more."""
        self._receive.close()
        self._closed()


async def _first_line(receive: MemoryObjectReceiveStream[bytes | None]) -> tuple[Obj, bytes]:
    buffered = b""
    while b"\n" not in buffered:
        chunk = await receive.receive()
        if chunk is None:
            raise anyio.EndOfStream
        buffered += chunk
    line, _, rest = buffered.partition(b"\n")
    header: Obj = json.loads(line)
    return header, rest


def choose_container(pod: Obj, wanted: str) -> str:
    """The container whose log is meant. :raises BadRequest: none of that name, or several and none named"""
    name = pod["metadata"]["name"]
    groups = ("initContainers", "containers", "ephemeralContainers")
    names = {group: [c["name"] for c in dig(pod, "spec", group, default=[])] for group in groups}
    if wanted:
        if not any(wanted in found for found in names.values()):
            raise errors.BadRequest(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(names["containers"]) == 1:
        only: str = names["containers"][0]
        return only
    chosen = dig(pod, "metadata", "annotations", "kubectl.kubernetes.io/default-container", default="")
    if chosen in names["containers"]:
        return str(chosen)
    text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(names['containers'])}]"
    if names["initContainers"]:
        text += f" or one of the init containers: [{' '.join(names['initContainers'])}]"
    raise errors.BadRequest(text)


def _log_options(request: Request) -> dict[str, Any]:
    from kube_lite.resources import field

    info, found, wrong = request.info, {}, []
    for name in _LOG_INTEGERS:
        text = info.param(name)
        if not text:
            continue
        try:
            found[name] = int(text)
        except ValueError as error:
            raise errors.BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error
    minimum = {"tailLines": 0, "sinceSeconds": 1, "limitBytes": 1}
    for name, value in found.items():
        if value < minimum[name]:
            detail = "must be greater than or equal to 0" if name == "tailLines" else "must be greater than 0"
            wrong.append(field.invalid(name, value, detail))
    since = info.param("sinceTime")
    if since and "sinceSeconds" in found:
        wrong.append(field.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    if wrong:
        raise errors.invalid("PodLogOptions", "", info.name, wrong)
    options: dict[str, Any] = dict(found)
    if since:
        try:
            clock.parse_timestamp(since)
        except ValueError as error:
            raise errors.BadRequest(f'sinceTime: cannot parse "{since}" as an RFC 3339 time') from error
        options["sinceTime"] = since
    return options
