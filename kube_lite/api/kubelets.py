"""Kubelets that cannot be asked: what the API answers where a node keeps no control channel to it.

Nodes of kube-lite dial in (see ``nodes.py``). A Node object may also stand for something else, with a kubelet's
address in its status, or with none. Such a kubelet is not spoken to, but the refusals are those of a server that
does: no address to go to, or nobody who listens there.
"""

from __future__ import annotations

import os
from typing import NoReturn

import anyio

from kube_lite import errors
from kube_lite.api.http import Request
from kube_lite.resources.meta import Obj, dig

PREFERRED = ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP")
"""Types of addresses, best first (upstream: ``--kubelet-preferred-address-types``)."""
DIAL_TIMEOUT = 3.0
"""Seconds that a kubelet has to accept a connection."""
UPGRADED = ("attach", "exec", "portforward")
"""Subresources of pods that are connections, not requests."""


def _host(node: Obj) -> str:
    """The best of a node's addresses. :raises Unspecified: nobody has reported any"""
    addresses = dig(node, "status", "addresses", default=[]) or []
    by_type = {address.get("type"): str(address.get("address", "")) for address in reversed(addresses)}
    host = next((by_type[kind] for kind in PREFERRED if by_type.get(kind)), "")
    if not host:
        raise errors.Unspecified("no preferred addresses found; known addresses: []")
    return host


def endpoint(node: Obj) -> tuple[str, int] | None:
    """Where the kubelet of a Node says that it listens; None for one that listens nowhere.

    :raises Unspecified: nobody has reported any address for the node
    """
    port = dig(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port", default=0)
    host = _host(node)
    return (host, int(port)) if port else None


def address(node: Obj, port: str) -> str:
    """``HOST:PORT`` of something on a node. :raises Unspecified: nobody has reported any address for it"""
    host = _host(node)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def dial(host: str, port: int) -> str:
    """Why nobody can be reached there, in Go's words; '' when somebody can."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        with anyio.fail_after(DIAL_TIMEOUT):
            stream = await anyio.connect_tcp(host, port)
            await stream.aclose()
    except TimeoutError:
        return f"dial tcp {where}: i/o timeout"
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        text = os.strerror(cause.errno).lower() if cause.errno is not None and cause.errno > 0 else str(cause)
        return f"dial tcp {where}: connect: {text}"
    return ""


async def refuse_log(node: Obj, request: Request, container: str) -> None:
    """Say why the log of a container on a node without a channel cannot be had, if it is the kubelet's fault.

    :raises Unspecified: its kubelet has no address, or does not listen there
    """
    at = endpoint(node)
    if at is not None and (problem := await dial(*at)):
        info = request.info
        asked = ((name, values) for name, values in sorted(info.query.items()) if name not in _NOT_THE_KUBELETS)
        query = "&".join(f"{name}={value}" for name, values in asked for value in values)
        path = f"/containerLogs/{info.namespace}/{info.name}/{container}" + (f"?{query}" if query else "")
        raise errors.Unspecified(f'Get "https://{at[0]}:{at[1]}{path}": {problem}')


_NOT_THE_KUBELETS = ("container", "insecureSkipTLSVerifyBackend")
"""Options of a log that are the API server's own to follow."""


async def refuse_proxy(node: Obj) -> NoReturn:
    """Say that a node cannot be reached through the API.

    :raises Unspecified: always
    """
    at = endpoint(node)
    problem = await dial(*at) if at is not None else ""
    name = node["metadata"]["name"]
    raise errors.Unspecified(f"error trying to reach service: {problem or f'node {name} accepts no connections'}")
