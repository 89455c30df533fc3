"""The ``proxy`` subresources of Services, pods and nodes: requests passed on to what runs in the cluster.

Nodes are asked over their control channels, the others by their addresses. ``NAME`` in the path may be
``[scheme:]name[:port]``. The server itself must reach the pods' network; it trusts any certificate there, as upstream
does. Paths in answers that begin at the root are put below the proxy's own path again.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from kube_lite import errors
from kube_lite.api import kubelets
from kube_lite.api.aggregation import transport
from kube_lite.api.http import Request, Response
from kube_lite.api.nodes import NodeEndpoints
from kube_lite.api.plane import Plane
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.registry import Resource

if TYPE_CHECKING:
    import httpx

MAX_PAGE: Final = 8 * 1024 * 1024
"""Bytes of an HTML page that are held to put its links right."""
KUBELET_PORT: Final = 10250
"""The port of a kubelet that does not say which it has; kube-lite's nodes have none, and mean their channel."""
_LINK: Final = re.compile(
    rb"""(\s(?:action|background|cite|classid|codebase|data|formaction|href|icon|longdesc|manifest|poster|profile"""
    rb"""|src|usemap)\s*=\s*["']?)(/(?!/)[^"'\s>]*)""",
    re.IGNORECASE,
)
"""Attributes that hold a URL, with one that begins at the root (apimachinery ``atomsToAttrs``)."""


class Name(msgspec.Struct, frozen=True):
    """What ``NAME`` in the path stands for."""

    scheme: str
    name: str
    port: str


def parse_name(text: str, kind: str) -> Name:
    """Split ``[scheme:]name[:port]``. :raises BadRequest: it is not of that form"""
    parts = text.split(":")
    if len(parts) == 1:
        return Name("", parts[0], "")
    if len(parts) == 2 and parts[0]:
        return Name("", parts[0], parts[1])
    if len(parts) == 3 and parts[0] in ("http", "https") and parts[1]:
        return Name(parts[0], parts[1], parts[2])
    raise errors.BadRequest(f'invalid {kind} request "{text}"')


class Proxying:
    """The handlers, put into a plane."""

    def __init__(self, plane: Plane, nodes: NodeEndpoints | None = None) -> None:
        """:param nodes: reaches the nodes that are connected"""
        self._plane = plane
        self._nodes = nodes
        self._client: httpx.AsyncClient | None = None
        for kind, handler in (("services", self.service), ("pods", self.pod), ("nodes", self.node)):
            plane.dispatcher.subresources[f"{kind}/proxy"] = handler

    async def close(self) -> None:
        """Close the connections that are kept."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def service(self, request: Request, resource: Resource) -> Response:
        """``services/NAME/proxy``: one of the endpoints. :raises ServiceUnavailable: there is none"""
        wanted = parse_name(request.info.name, "service")
        service = self._plane.storage.lookup("services", request.info.namespace, wanted.name)
        if service is None:
            raise errors.not_found("services", "", wanted.name)
        ports = dig(service, "spec", "ports", default=[])
        if wanted.port:
            chosen = next((p for p in ports if wanted.port in (p.get("name"), str(p.get("port")))), None)
        else:
            chosen = ports[0] if len(ports) == 1 else None
        if chosen is None:
            raise errors.ServiceUnavailable(f'no service port "{wanted.port}" found for service "{wanted.name}"')
        try:
            if dig(service, "spec", "type") == "ExternalName":  # whoever may write a Service could name any host
                raise LookupError
            objects, port = self._plane.verbs.objects, int(chosen["port"])
            address = self._plane.webhook_caller.resolve(request.info.namespace, wanted.name, port, objects)
        except LookupError as error:
            raise errors.ServiceUnavailable(f'no endpoints available for service "{wanted.name}"') from error
        return await self._pass_on(request, wanted.scheme, address)

    async def pod(self, request: Request, resource: Resource) -> Response:
        """``pods/NAME/proxy``. :raises BadRequest: the pod has no address yet"""
        wanted = parse_name(request.info.name, "pod")
        pod = self._plane.storage.lookup("pods", request.info.namespace, wanted.name)
        if pod is None:
            raise errors.not_found("pods", "", wanted.name)
        address = str(dig(pod, "status", "podIP", default=""))
        if not address:
            raise errors.BadRequest("address not allowed")
        port = wanted.port or _first_port(pod)
        return await self._pass_on(
            request, wanted.scheme, f"[{address}]:{port}" if ":" in address else address + f":{port}"
        )

    async def node(self, request: Request, resource: Resource) -> Response:
        """``nodes/NAME/proxy``: the node's kubelet, or with a port in ``NAME`` whatever listens there.

        :raises Unspecified: the node cannot be reached
        """
        wanted = parse_name(request.info.name, "node")
        node = self._plane.storage.lookup("nodes", "", wanted.name)
        if node is None:
            raise errors.not_found("nodes", "", wanted.name)
        own = str(dig(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port", default=0) or KUBELET_PORT)
        if wanted.port and wanted.port != own:
            return await self._pass_on(request, wanted.scheme, kubelets.address(node, wanted.port))
        root, slash, rest = _split(request)
        if not slash and request.info.method in ("GET", "HEAD"):
            return _to_slash(request, root)
        answer = await self._nodes.kubelet(wanted.name, request, "/" + rest) if self._nodes is not None else None
        return await _below(answer, root) if answer is not None else await kubelets.refuse_proxy(node)

    async def _pass_on(self, request: Request, scheme: str, address: str) -> Response:
        address = await _checked(address)
        root, slash, rest = _split(request)
        raw = request.scope.get("query_string", b"")
        query = f"?{raw.decode('latin-1')}" if raw else ""
        if not slash and request.info.method in ("GET", "HEAD") and not transport.upgrading(request):
            return _to_slash(request, root)
        if self._client is None:
            self._client = transport.client_for(None)
        forwarded = [("x-forwarded-uri", root + slash + rest), ("x-forwarded-host", request.header("host"))]
        url = f"{scheme or 'http'}://{address}/{rest}{query}"
        answer = await transport.pass_on(self._client, request, url, headers=forwarded)
        return await _below(answer, root)


def _to_slash(request: Request, root: str) -> Response:
    """Where pages with relative links are."""
    raw = request.scope.get("query_string", b"").decode("latin-1")
    return Response(301, b"", transport.PLAIN, {"Location": f"{root}/{'?' if raw else ''}{raw}"})


def _first_port(pod: Obj) -> str:
    ports = (p for c in dig(pod, "spec", "containers", default=[]) for p in c.get("ports") or ())
    return str(next((p["containerPort"] for p in ports), 80))


async def _checked(address: str) -> str:
    """Host and port with the host's address in place of its name: the API server is no way into its own host.

    :raises BadRequest: it would be
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        found = [ipaddress.ip_address(host)]
    except ValueError:
        try:
            known = await anyio.getaddrinfo(host.rstrip("."), port)
        except OSError as error:
            raise errors.ServiceUnavailable(f"error trying to reach service: {error}") from error
        found = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in known]
    for one in found:
        plain = getattr(one, "ipv4_mapped", None) or one
        if plain.is_loopback or plain.is_link_local or plain.is_unspecified or plain.is_multicast:
            raise errors.BadRequest("address not allowed")
    return f"[{found[0]}]:{port}" if found[0].version == 6 else f"{found[0]}:{port}"


def _split(request: Request) -> tuple[str, str, str]:
    """The path up to ``/proxy``, the slash after it, and the rest as it came."""
    segments = 8 if request.info.namespace else 6
    parts = request.info.path.split("/", segments)
    root = "/".join(parts[:segments])
    return root, "/" if len(parts) > segments else "", parts[segments] if len(parts) > segments else ""


async def _below(answer: Response, root: str) -> Response:
    """Put an answer's absolute paths below the proxy's own."""
    for name, value in answer.headers.items():
        if name.lower() == "location" and value.startswith("/") and not value.startswith("//"):
            answer.headers[name] = root + value
    if answer.code == 101:
        return answer
    encoded = any(name.lower() == "content-encoding" for name in answer.headers)
    if answer.stream is None or encoded or not answer.content_type.startswith("text/html"):
        return answer
    answer.headers.pop("content-length", None)
    page, stream = b"", answer.stream
    async for chunk in stream:
        page += chunk
        if len(page) > MAX_PAGE:
            answer.stream = _followed_by(page, stream)
            return answer
    answer.stream = None
    answer.body = _LINK.sub(lambda found: found[1] + root.encode() + found[2], page)
    return answer


async def _followed_by(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk
