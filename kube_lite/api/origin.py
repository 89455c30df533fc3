"""What browsers may ask: nothing on behalf of other sites.

A page of any site can make a browser send requests here, with the user's client certificate if there is one (CSRF),
and a name that its owner points at this address makes them look like the page's own (DNS rebinding). Browsers say
who made them ask: ``Origin``, and ``Sec-Fetch-Site``, which no script can set. Requests with neither are not from
browsers and pass; so do those with a bearer token, which are judged by it alone, whatever else the browser has: no
other site knows it. (Consoles pass on what their pages ask, with the user's token and the browser's headers.) There is
no CORS: what is refused is refused for every method, OPTIONS too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from kube_lite.api import websocket
from kube_lite.api.http import Request
from kube_lite.errors import Forbidden


def check(request: Request, hosts: Collection[str]) -> None:
    """Refuse what another site's page asks for.

    :param hosts: names of this server; addresses and ``localhost`` need not be among them
    :raises Forbidden: it comes from elsewhere, or was sent to a name that is not ours
    """
    headers = request.headers
    if b"origin" not in headers and b"sec-fetch-site" not in headers:
        return
    if _brings_token(request):
        return
    host, site = request.header("host"), request.header("sec-fetch-site")
    if not (_ours(_name(f"//{host}"), hosts) and _site_allowed(request, site)):
        raise _refusal()
    origin = request.header("origin")
    if not origin:
        return
    name = _name(origin)
    same = bool(name) and origin.lower().partition("://")[2] == host.lower()
    # kubectl proxy, and Go's websocket clients, send an origin that is not the host they ask
    if not (same or _loopback(name) or (site == "same-origin" and _ours(name, hosts))):
        raise _refusal()


def _brings_token(request: Request) -> bool:
    """Whether authentication will look at a bearer token and at nothing else."""
    authorization = request.header("authorization")
    if authorization:
        return authorization.partition(" ")[0].lower() == "bearer"
    return bool(request.header("sec-websocket-protocol") and websocket.bearer_token(request))


def _refusal() -> Forbidden:
    return Forbidden("the request was made by a web page of another origin")


def _site_allowed(request: Request, site: str) -> bool:
    if site in ("", "same-origin", "none"):
        return True
    # a link to a page of ours, followed: nobody but the user sees what it shows
    followed = request.header("sec-fetch-mode") == "navigate" and request.header("sec-fetch-dest") == "document"
    return followed and request.info.method == "GET"


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _loopback(name: str) -> bool:
    address = _address(name)
    return name == "localhost" or (address is not None and address.is_loopback)


def _ours(name: str, hosts: Collection[str]) -> bool:
    """Whether a name cannot be somebody else's that was pointed here; an address never is."""
    return name == "localhost" or name in hosts or _address(name) is not None
