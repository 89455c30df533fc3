"""One server that answers for a group and version: where it is, whether it answers, and what it serves."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec

from kube_lite import errors
from kube_lite.api.admission.plugin import Objects
from kube_lite.api.admission.webhook_call import WebhookCaller
from kube_lite.api.aggregation import transport
from kube_lite.api.aggregation.conditions import PASSED, Availability, unreachable
from kube_lite.api.aggregation.documents import aggregated_resources
from kube_lite.api.certs import Pair
from kube_lite.api.http import Request, Response
from kube_lite.resources.meta import Obj

if TYPE_CHECKING:
    import httpx

CHECK_TIMEOUT: Final = 5.0
"""Seconds that a backend has to answer a check (kube-aggregator's)."""
MAX_DOCUMENT: Final = 3 * 1024 * 1024
"""Bytes of a discovery document that are read."""
_NOT_ASKED: Final = Availability(False, "FailedDiscoveryCheck", "not checked yet")


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a version holds, for our discovery; ``fresh`` is False while the backend does not answer."""

    resources: tuple[Mapping[str, Any], ...] = ()
    fresh: bool = False


class Backend:
    """Requests for one APIService."""

    def __init__(self, api_service: Obj, caller: WebhookCaller, objects: Objects, identity: Pair | None) -> None:
        """:param identity: the front proxy's client certificate"""
        self._spec = api_service["spec"]
        self._caller = caller
        self._objects = objects
        self._identity = identity
        self._client: httpx.AsyncClient | None = None
        self.group, self.version = str(self._spec.get("group", "")), str(self._spec["version"])
        self.state = _NOT_ASKED
        self.discovered = Discovered()
        self.openapi_paths: dict[str, Any] = {}
        """Its part of the root of OpenAPI v3."""

    def is_of(self, api_service: Obj) -> bool:
        """Whether this backend is what the object describes now."""
        return bool(api_service["spec"] == self._spec)

    def has(self, plural: str) -> bool:
        """Whether the version holds this resource."""
        return any(resource.get("resource") == plural for resource in self.discovered.resources)

    async def close(self) -> None:
        """Close its connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _connection(self) -> httpx.AsyncClient:
        """:raises ValueError: the CA bundle cannot be read"""
        if self._client is None:
            bundle, insecure = str(self._spec.get("caBundle") or ""), bool(self._spec.get("insecureSkipTLSVerify"))
            self._client = transport.client_for(transport.tls_context(bundle, insecure, self._identity))
        return self._client

    def _host(self) -> str:
        """The name that its certificate must have."""
        service = self._spec["service"]
        return f"{service.get('name')}.{service.get('namespace')}.svc"

    def _address(self) -> str:
        """:raises LookupError: there is none now"""
        service = self._spec["service"]
        port = int(service.get("port") or 443)
        return self._caller.resolve(service.get("namespace", ""), service.get("name", ""), port, self._objects)

    # ---- requests

    async def pass_on(self, request: Request, path: str) -> Response:
        """The backend's answer to a request, or the 503 of one that is not available."""
        if not self.state.available:
            return transport.unavailable()
        try:
            address, client = self._address(), self._connection()
        except (LookupError, ValueError):
            return transport.unavailable()
        raw = request.scope.get("query_string", b"")
        query = f"?{raw.decode('latin-1')}" if raw else ""
        headers = [("host", self._host()), *transport.remote_user(request.user)]
        try:
            url = f"https://{address}{path}{query}"
            return await transport.pass_on(client, request, url, headers=headers, server_name=self._host())
        except errors.ServiceUnavailable as error:
            return transport.unavailable(error.message)

    # ---- checks

    async def check(self, api_service: Obj) -> None:
        """Find out whether it answers, and what it serves now."""
        self.state = unreachable(api_service, self._objects) or await self._ask()
        if not self.state.available:
            self.discovered = Discovered(self.discovered.resources, fresh=False)
            self.openapi_paths = {}

    async def _ask(self) -> Availability:
        path = f"/apis/{self.group}/{self.version}"
        shown = f"https://{self._host()}{path}"
        try:
            shown = f"https://{self._address()}{path}"
            with anyio.fail_after(CHECK_TIMEOUT):
                code, document = await self._read(path)
        except TimeoutError:
            text = f'failing or missing response from {shown}: Get "{shown}": context deadline exceeded'
            return Availability(False, "FailedDiscoveryCheck", text)
        except (LookupError, ValueError, OSError, errors.ServiceUnavailable) as error:
            why = error.args[0] if error.args else type(error).__name__
            text = f'failing or missing response from {shown}: Get "{shown}": {why}'
            return Availability(False, "FailedDiscoveryCheck", text)
        # upstream: a server that wants other credentials for discovery is there all the same
        if not 200 <= code < 300 and code not in (401, 403):
            text = f"failing or missing response from {shown}: bad status from {shown}: {code}"
            return Availability(False, "FailedDiscoveryCheck", text)
        listed = document if isinstance(document, dict) else {}
        found = aggregated_resources(self.group, self.version, listed)
        self.discovered = Discovered(tuple(found), fresh=True)
        self.openapi_paths = await self._openapi()
        return PASSED

    async def _openapi(self) -> dict[str, Any]:
        """Its own documents in the root of OpenAPI v3; a server need not have any."""
        name = f"apis/{self.group}/{self.version}"
        try:
            with anyio.fail_after(CHECK_TIMEOUT):
                _, root = await self._read("/openapi/v3")
        except (TimeoutError, LookupError, ValueError, OSError, errors.ServiceUnavailable):
            return {}
        paths = root.get("paths") if isinstance(root, dict) else None
        found = paths.get(name) if isinstance(paths, dict) else None
        return {name: found} if isinstance(found, dict) else {}

    async def _read(self, path: str) -> tuple[int, Any]:
        """GET a JSON document; None for one that is not JSON.

        :raises LookupError: no address
        :raises ServiceUnavailable: no answer
        """
        import httpx

        raw = b""
        headers = {"Host": self._host(), "Accept": "application/json", "X-Remote-User": "system:kube-aggregator"}
        headers["X-Remote-Group"] = "system:masters"
        try:
            async with self._connection().stream(
                "GET",
                f"https://{self._address()}{path}",
                headers=headers,
                extensions={"sni_hostname": self._host()},
            ) as answer:
                async for chunk in answer.aiter_bytes():
                    raw += chunk
                    if len(raw) > MAX_DOCUMENT:
                        raise ValueError("the answer is too large")
                code = answer.status_code
        except (httpx.HTTPError, ssl.SSLError) as error:
            raise errors.ServiceUnavailable(str(error) or type(error).__name__) from error
        try:
            return code, msgspec.json.decode(raw)
        except (ValueError, RecursionError):
            return code, None
