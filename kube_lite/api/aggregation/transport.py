"""HTTP requests passed on to other servers: which headers go along, whom to trust, and the answer as it streams.

The bodies of answers are not read here but handed on in chunks, compressed or not, so watches stream and memory stays
bounded. Connections to one server are kept while its client is. A request to switch to another protocol (websocket,
SPDY) goes along too, and a connection that was switched is spliced with the client's.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from kube_lite import errors
from kube_lite.api import websocket
from kube_lite.api.certs import Pair
from kube_lite.api.exchange import EXCHANGE, Exchange
from kube_lite.api.http import BrokenOff, Request, Response
from kube_lite.api.splice import CHUNK, Spliced
from kube_lite.api.user import User

if TYPE_CHECKING:
    import httpx

PLAIN: Final = "text/plain; charset=utf-8"
CONNECT_TIMEOUT: Final = 5.0
"""Seconds for a connection to a backend."""
WHOLE: Final = 64 * 1024
"""Bytes of a request's body that are held; a longer one is passed on in pieces."""
_REPEATABLE: Final = ("GET", "HEAD", "OPTIONS")
KEPT: Final = 20
"""Idle connections that are kept for each client."""
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110, 7.6.1: of this connection, not of the message."""
_NOT_SENT: Final = _HOP_BY_HOP | {"host", "content-length", "content-encoding", "authorization"}
_NOT_SENT_PREFIXES: Final = ("x-remote-", "impersonate-")
"""Only the aggregator may say who the user is."""
_AS_IT_CAME: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "#")
"""Characters of a path and query that are handed on as they are; Go's proxy, too, escapes the one that is left out."""
_NOT_RETURNED: Final = _HOP_BY_HOP | {"content-type", "date", "audit-id", "cache-control"}


def unavailable(text: str = "service unavailable") -> Response:
    """The plain 503 of upstream's proxy."""
    return Response(503, f"{text}\n".encode(), PLAIN)


def tls_context(bundle: str, insecure: bool, identity: Pair | None) -> ssl.SSLContext:
    """Trust in a backend.

    :param bundle: base64 of PEM certificates, '' for the system's
    :raises ValueError: the bundle or the identity cannot be read
    """
    context = (
        ssl.create_default_context(cadata=base64.b64decode(bundle).decode("ascii"))
        if bundle
        else ssl.create_default_context()
    )
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # a CA without the key usage extension is fine with Go servers, and often made by hand
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if identity is not None:
        context.load_cert_chain(identity.certificate, identity.key)
    return context


def remote_user(user: User) -> list[tuple[str, str]]:
    """The headers by which a front proxy tells who is calling."""
    told = [("X-Remote-User", user.name)]
    if user.uid:
        told.append(("X-Remote-Uid", user.uid))
    told += [("X-Remote-Group", group) for group in user.groups]
    told += [(f"X-Remote-Extra-{_escaped(key)}", value) for key, values in user.extra.items() for value in values]
    return told


def _escaped(key: str) -> str:
    """A key of ``extra`` as part of a header's name: what is no token character, percent-encoded."""
    token = "!#$&'*+-.^_`|~"
    return "".join(c if c.isascii() and (c.isalnum() or c in token) else f"%{ord(c):02X}" for c in key)


def upgrading(request: Request) -> bool:
    """Whether the client wants another protocol, over a connection that can be handed over."""
    exchange: Exchange | None = request.scope.get(EXCHANGE)
    return exchange is not None and exchange.upgrade and bool(request.header("upgrade"))


def sent_headers(request: Request) -> list[tuple[str, str]]:
    """The request's own headers that go along."""
    kept = []
    for raw, value in request.headers.items():
        name = raw.decode("latin-1").lower()
        if name not in _NOT_SENT and not name.startswith(_NOT_SENT_PREFIXES):
            kept.append((name, value.decode("latin-1")))
    if upgrading(request):
        kept = [(name, value) for name, value in kept if name != websocket.PROTOCOLS]
        kept += [("connection", "Upgrade"), ("upgrade", request.header("upgrade"))]
        if protocols := websocket.offered(request):
            kept.append((websocket.PROTOCOLS, ", ".join(protocols)))
    if "accept-encoding" not in dict(kept):
        kept.append(("accept-encoding", "identity"))  # httpx would ask for what our client cannot read
    return kept


def client_for(context: ssl.SSLContext | None) -> httpx.AsyncClient:
    """A client that keeps its connections; close it with ``aclose``.

    There may be as many as there are requests, whose number flow control and the clients' connections bound: watches
    and what was switched hold theirs for long, and others must not wait for them.
    """
    import httpx

    timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT)
    verify = context if context is not None else False
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=KEPT)
    return httpx.AsyncClient(verify=verify, trust_env=False, follow_redirects=False, timeout=timeout, limits=limits)


async def pass_on(
    client: httpx.AsyncClient,
    request: Request,
    url: str,
    *,
    headers: Sequence[tuple[str, str]] = (),
    server_name: str = "",
) -> Response:
    """Send a request to another server and hand its answer back.

    :param url: where to, with the query
    :param headers: sent besides the request's own
    :param server_name: what its certificate must be valid for, where that is not the URL's host
    :raises ServiceUnavailable: it cannot be reached
    """
    import httpx

    # httpx would take away what "." and ".." stand for, and with that what the request was authorized for
    path = url.partition("://")[2].partition("/")[2]
    extensions: dict[str, Any] = {"target": quote(f"/{path}".encode("latin-1"), safe=_AS_IT_CAME).encode()}
    if server_name:
        extensions["sni_hostname"] = server_name
    content, about = await _content(request)
    whole = client.build_request(
        request.info.method,
        url,
        content=content,
        headers=[*sent_headers(request), *about, *headers],
        extensions=extensions,
    )
    try:
        try:
            answer = await client.send(whole, stream=True)
        except httpx.RemoteProtocolError:
            # a kept connection that the other server closed just now; upstream asks again too
            if content or request.info.method not in _REPEATABLE:
                raise
            answer = await client.send(whole, stream=True)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise errors.ServiceUnavailable(f"error trying to reach service: {error or type(error).__name__}") from error
    code, told = answer.status_code, _headers(answer)
    if code > 599 or (code == 101 and not upgrading(request)):
        await answer.aclose()
        raise errors.ServiceUnavailable(f"error trying to reach service: unexpected status code {code}")
    if code == 101:
        kept = {k: v for k, v in told.items() if k not in ("date", "audit-id")}
        return Response(101, b"", "", kept, Spliced(_Switched(answer)))
    returned = {k: v for k, v in told.items() if k not in _NOT_RETURNED}
    media = told.get("content-type", PLAIN)
    if answer.status_code in (204, 304) or request.info.method == "HEAD":
        await answer.aclose()
        if request.info.method != "HEAD":
            returned.pop("content-length", None)
        return Response(answer.status_code, b"", media, returned)
    return Response(answer.status_code, b"", media, returned, _chunks(answer))


def _headers(answer: httpx.Response) -> dict[str, str]:
    """The headers of an answer, byte for byte (httpx would take them for UTF-8 where it can)."""
    found: dict[str, str] = {}
    for raw, value in answer.headers.raw:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


async def _content(request: Request) -> tuple[bytes | AsyncIterator[bytes] | None, list[tuple[str, str]]]:
    """A request's body, and headers about it. One that is long, or of unknown length, goes along as it comes.

    :raises BadRequest: it did not arrive
    """
    length, exchange = request.header("content-length"), request.scope.get(EXCHANGE)
    chunked = "chunked" in request.header("transfer-encoding").lower()
    short = not chunked and (not length.isdigit() or int(length) <= WHOLE)
    if upgrading(request):
        return None, []
    if short or request.stream_body is None or exchange is None:
        return await request.body(), []
    names = ("content-length", "content-encoding")
    return _arriving(request.stream_body(), exchange), [(n, request.header(n)) for n in names if request.header(n)]


async def _arriving(body: AsyncIterator[bytes], exchange: Exchange) -> AsyncIterator[bytes]:
    async for chunk in body:
        yield chunk
    if exchange.disconnected:  # what the other server has must not look like all of it
        raise ConnectionAbortedError("the client went before its request was complete")


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    import httpx

    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    except httpx.HTTPError as error:
        raise BrokenOff(str(error) or type(error).__name__) from error
    finally:
        await answer.aclose()


class _Switched:
    """The connection below an answer 101, see ``splice.FarEnd``."""

    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer
        self._stream = answer.extensions["network_stream"]

    async def read(self) -> bytes:
        import httpcore

        try:
            data: bytes = await self._stream.read(CHUNK)
        except (httpcore.NetworkError, OSError):
            return b""
        return data

    async def write(self, data: bytes) -> None:
        import httpcore

        try:
            await self._stream.write(data)
        except httpcore.NetworkError as error:
            raise BrokenPipeError(str(error)) from error

    async def aclose(self) -> None:
        await self._answer.aclose()
