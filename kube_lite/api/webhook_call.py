"""Calls to webhooks: a POST of JSON to a URL or to a Service, trusted by the CA bundle of its client configuration.

The call is made with the standard library in a worker thread: a webhook is asked rarely, and an HTTP client of its
own would cost more to import than all its calls. A Service is reached at its ClusterIP; the name that the certificate
must bear stays ``name.namespace.svc``.
"""

from __future__ import annotations

import base64
import http.client
import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from kube_lite import clock
from kube_lite.resources.meta import Obj, dig

LARGEST_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of an answer that are read at most."""


class WebhookFailed(Exception):
    """The webhook could not be reached, or did not answer 200."""


FindService = Callable[[str, str], Obj | None]
"""``(namespace, name)``: the Service, None when there is none."""


class _Connection(http.client.HTTPSConnection):
    """HTTPS to an address, under another name."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, port, context=context, timeout=timeout)
        self._address = address
        self._name = host
        self._tls = context

    def connect(self) -> None:
        """Dial the address, and hold the peer to the name."""
        import socket

        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self._name)


async def post(config: Obj, body: bytes, timeout: float, find_service: FindService) -> bytes:
    """The body of the answer to a POST. ``timeout`` is in seconds.

    :param config: ``clientConfig``: url or service, and caBundle
    :raises WebhookFailed: not reached, not trusted, or answered with something else than 200
    """
    return await clock.run_in_thread(_post, config, body, timeout, _target(config, find_service))


def _target(config: Obj, find_service: FindService) -> tuple[str, int, str, str]:
    """Name, port, address and path."""
    url = config.get("url")
    if url:
        parts = urlsplit(url)
        path = parts.path or "/"
        host = parts.hostname or ""
        return host, parts.port or 443, host, f"{path}?{parts.query}" if parts.query else path
    service = config.get("service") or {}
    namespace, name = service.get("namespace", ""), service.get("name", "")
    found = find_service(namespace, name)
    if found is None:
        raise WebhookFailed(f'service "{name}" not found')
    address = dig(found, "spec", "clusterIP", default="")
    if dig(found, "spec", "type") == "ExternalName":
        address = dig(found, "spec", "externalName", default="")
    if not address or address == "None":
        raise WebhookFailed(f'service "{name}" has no cluster IP')
    path = service.get("path") or "/"
    return f"{name}.{namespace}.svc", int(service.get("port") or 443), address, path


def _context(config: Obj) -> ssl.SSLContext:
    bundle = config.get("caBundle")
    if not bundle:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cadata=base64.b64decode(bundle).decode())
    except (ValueError, ssl.SSLError) as error:
        raise WebhookFailed(f"unable to load root certificates: {error}") from error


def _post(config: Obj, body: bytes, timeout: float, target: tuple[str, int, str, str]) -> bytes:
    host, port, address, path = target
    connection = _Connection(host, port, address, _context(config), timeout)
    shown = f"https://{host}:{port}{path}"
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json", "Accept": "application/json"})
        response = connection.getresponse()
        answer = response.read(LARGEST_ANSWER + 1)
    except (OSError, http.client.HTTPException) as error:
        raise WebhookFailed(f'Post "{shown}": {error}') from error
    finally:
        connection.close()
    if response.status != 200:
        raise WebhookFailed(f'Post "{shown}": the server answered {response.status}: {_start(answer)}')
    if len(answer) > LARGEST_ANSWER:
        raise WebhookFailed(f'Post "{shown}": the answer is too large')
    return answer


def _start(answer: bytes) -> Any:
    return answer[:200].decode(errors="replace")
