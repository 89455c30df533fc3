"""The one place that calls webhooks: where they are, whom to trust, and what can go wrong on the way.

A webhook lies at a URL or behind a Service; a Service is reached through one of its endpoints (the server may
stand outside the Service network), or through its ClusterIP. Redirects are not followed, proxies of the
environment not used, answers are bounded, and the server does not call itself.
"""

from __future__ import annotations

import base64
import ipaddress
import math
import random
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import anyio
import msgspec

from kube_lite import __version__
from kube_lite.api.admission.plugin import Objects
from kube_lite.api.answers import ACCEPTED_ENCODINGS, BadAnswer, of_type, parsed, whole
from kube_lite.api.large import beside
from kube_lite.resources.meta import Obj
from kube_lite.resources.schema import Type

MAX_ANSWER = 3 * 1024 * 1024
"""Bytes of an answer at most (upstream: the request limit, 3 MiB)."""
SLICES = "endpointslices.discovery.k8s.io"


class CallFailed(Exception):
    """Raised when there is no usable answer; its text ends ``failed calling webhook "x": ``."""


@lru_cache(maxsize=64)
def _trust(bundle: str) -> ssl.SSLContext:
    if not bundle:
        return ssl.create_default_context()
    context = ssl.create_default_context(cadata=base64.b64decode(bundle).decode("ascii"))
    # a CA without the key usage extension is fine with Go clients, and often made by hand
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context


class WebhookCaller:
    """POSTs JSON to webhooks.

    :param own_port: the port that this API server listens on, to which no webhook may point back
    :param own_hosts: the hosts under which it does
    """

    def __init__(self, rng: random.Random, own_hosts: frozenset[str] = frozenset(), own_port: int = 0) -> None:
        self._rng = rng
        self._own_hosts = own_hosts | {"localhost", "kubernetes.default.svc"}
        self._own_port = own_port

    async def post(self, config: Mapping[str, Any], body: Obj, timeout: float, objects: Objects, type_: Type) -> Obj:
        """The answer, of the type ``type_``. :raises CallFailed: there is none within ``timeout`` seconds"""
        try:
            url, address, name = self._where(config, timeout, objects)
            self._refuse_self(address)
        except ValueError as error:  # no port, or no host
            raise CallFailed(f"failed to call webhook: {error}") from error
        try:
            with anyio.fail_after(timeout):
                code, raw = await self._send(url, address, name, str(config.get("caBundle") or ""), body)
        except TimeoutError as error:
            raise CallFailed(f'failed to call webhook: Post "{url}": context deadline exceeded') from error
        if not 200 <= code <= 206:  # upstream's client takes all of these
            raise CallFailed(f"failed to call webhook: {_status(code, raw)}")
        if not raw:
            raise CallFailed(f"failed to call webhook: 0-length response with status code: {code} and content type: ")
        try:
            return await beside(len(raw), _decoded, raw, type_)
        except BadAnswer as error:
            raise CallFailed(f"failed to call webhook: {error}") from error

    def _where(self, config: Mapping[str, Any], timeout: float, objects: Objects) -> tuple[str, str, str]:
        """The URL as shown, the URL to connect to, and the name that the certificate must have."""
        query = f"timeout={math.ceil(timeout)}s"
        url = config.get("url")
        if url:
            shown = urlunsplit(urlsplit(str(url))._replace(query=query))
            return shown, shown, urlsplit(shown).hostname or ""
        service = config.get("service") or {}
        namespace, name, port = service.get("namespace", ""), service.get("name", ""), service.get("port") or 443
        host = f"{name}.{namespace}.svc"
        path = service.get("path") or "/"
        shown = f"https://{host}:{port}{path}?{query}"
        try:
            target = self.resolve(namespace, name, int(port), objects)
        except LookupError as error:
            raise CallFailed(f'failed to call webhook: Post "{shown}": {error.args[0]}') from error
        return shown, f"https://{target}{path}?{query}", host

    def resolve(self, namespace: str, name: str, port: int, objects: Objects) -> str:
        """Host and port behind a Service's port. :raises LookupError: there is none"""
        service = objects.lookup("services", namespace, name)
        if service is None:
            raise LookupError(f'service "{name}" not found')
        spec = service.get("spec") or {}
        if spec.get("type") == "ExternalName":
            return f"{spec.get('externalName')}:{port}"
        found = next((p for p in spec.get("ports") or () if p.get("port") == port), None)
        if found is None:
            raise LookupError(f'service "{name}" has no port {port}')
        ready = self._endpoints(namespace, name, found.get("name") or "", objects)
        if ready:
            return self._rng.choice(ready)
        cluster_ip = spec.get("clusterIP") or "None"
        if spec.get("selector") or cluster_ip == "None":
            raise LookupError(f'no endpoints available for service "{name}"')
        return f"{_bracketed(cluster_ip)}:{port}"

    @staticmethod
    def _endpoints(namespace: str, service: str, port: str, objects: Objects) -> list[str]:
        ready = []
        for piece in objects.select(SLICES, namespace):
            if (piece["metadata"].get("labels") or {}).get("kubernetes.io/service-name") != service:
                continue
            numbers = [p["port"] for p in piece.get("ports") or () if (p.get("name") or "") == port and p.get("port")]
            for endpoint in piece.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    ready += [f"{_bracketed(a)}:{n}" for a in endpoint.get("addresses") or () for n in numbers]
        return ready

    def _refuse_self(self, address: str) -> None:
        parts = urlsplit(address)
        host = (parts.hostname or "").lower()
        if (parts.port or 443) != self._own_port:
            return
        try:
            found = ipaddress.ip_address(host)
            plain = getattr(found, "ipv4_mapped", None) or found
            own = plain.is_loopback or plain.is_unspecified
        except ValueError:
            own = False
        if own or host in self._own_hosts:
            raise CallFailed("failed to call webhook: it points back to this API server")

    async def _send(self, url: str, address: str, name: str, bundle: str, body: Obj) -> tuple[int, bytes]:
        import httpx

        headers = {
            "Host": urlsplit(url).netloc,
            "Content-Type": "application/json",
            "Accept": "application/json, */*",
            "Accept-Encoding": ACCEPTED_ENCODINGS,
            "User-Agent": f"kube-apiserver-admission/{__version__}",
        }
        try:
            context = _trust(bundle)
        except (ValueError, ssl.SSLError) as error:
            raise CallFailed(f"unable to load root certificates: {error}") from error
        try:
            async with (
                httpx.AsyncClient(verify=context, trust_env=False, follow_redirects=False, timeout=None) as client,
                client.stream(
                    "POST",
                    address,
                    content=msgspec.json.encode(body),
                    headers=headers,
                    extensions={"sni_hostname": name},
                ) as answer,
            ):
                return answer.status_code, await whole(answer, MAX_ANSWER)
        except BadAnswer as error:
            raise CallFailed(f"failed to call webhook: {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            raise CallFailed(f'failed to call webhook: Post "{url}": {_cause(error, address)}') from error


def _decoded(raw: bytes, type_: Type) -> Obj:
    return of_type(type_, parsed(raw))


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _cause(error: Exception, address: str) -> str:
    """What Go's client says of the usual failures."""
    text = str(error) or type(error).__name__
    parts = urlsplit(address)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"tls: failed to verify certificate: x509: {text.rpartition(': ')[2]}"
    if "All connection attempts failed" in text or "refused" in text:
        return f"dial tcp {_bracketed(parts.hostname or '')}:{parts.port or 443}: connect: connection refused"
    return text


def _status(code: int, raw: bytes) -> str:
    if 300 <= code < 400:
        return f"the server responded with the status code {code} but did not return more information"
    if code == 404:
        return "the server could not find the requested resource"
    if code >= 500:
        text = raw[:2048].decode("utf-8", "replace").strip() or "unknown"
        return f'an error on the server ("{text}") has prevented the request from succeeding'
    return "the server rejected our request for an unknown reason"
