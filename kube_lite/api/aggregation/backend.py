"""One server that answers for a group and version: where it is, whether it answers, and what it serves."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import anyio
import msgspec

from kube_lite import clock, errors
from kube_lite.api import openapi, openapi_v2
from kube_lite.api.admission.plugin import Objects
from kube_lite.api.admission.webhook_call import WebhookCaller
from kube_lite.api.aggregation import transport
from kube_lite.api.aggregation.conditions import PASSED, Availability, unreachable
from kube_lite.api.aggregation.documents import aggregated_resources
from kube_lite.api.answers import ACCEPTED_ENCODINGS, BadAnswer, of_type, parsed, whole
from kube_lite.api.certs import Pair
from kube_lite.api.flow import LONG_SUBRESOURCES
from kube_lite.api.http import Request, Response
from kube_lite.api.large import beside
from kube_lite.api.swagger import Part, part_of, v3_document
from kube_lite.resources.meta import Obj
from kube_lite.resources.schema import META, type_of

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

CHECK_TIMEOUT: Final = 5.0
"""Seconds that a backend has to answer a check (kube-aggregator's)."""
ANSWER_TIMEOUT: Final = 60.0
"""Seconds in which an answer must begin (upstream's ``--request-timeout``)."""
MAX_TAG: Final = 256
"""Characters of an ETag that are kept."""
MAX_DOCUMENT: Final = 3 * 1024 * 1024
"""Bytes of a discovery document that are read."""
_NOT_ASKED: Final = Availability(False, "FailedDiscoveryCheck", "not checked yet")


class Discovered(msgspec.Struct, frozen=True):
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
        self.swagger: Part | None = None
        """Its part of OpenAPI v2."""
        self._swagger_tag = ""
        self.converted = b""
        """Its document of OpenAPI v3, made from its v2 where it has none."""

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
            with anyio.fail_after(ANSWER_TIMEOUT if _is_short(request) else None):
                return await transport.pass_on(client, request, url, headers=headers, server_name=self._host())
        except TimeoutError:
            raise errors.Timeout("Timeout: request did not complete within the allotted timeout") from None
        except errors.ServiceUnavailable as error:
            return transport.unavailable(error.message)

    # ---- checks

    async def check(self, api_service: Obj) -> None:
        """Find out whether it answers, and what it serves now."""
        self.state = unreachable(api_service, self._objects) or await self._ask()
        if not self.state.available:
            self.discovered = Discovered(self.discovered.resources, fresh=False)
            self.openapi_paths = {}  # v2 is kept: upstream's too outlasts a backend that is gone for a while

    async def _ask(self) -> Availability:
        path = f"/apis/{self.group}/{self.version}"
        shown = f"https://{self._host()}{path}"
        try:
            shown = f"https://{self._address()}{path}"
            with anyio.fail_after(CHECK_TIMEOUT):
                code, document, _ = await self._read(path)
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
        listed = _resource_list(document)
        found = aggregated_resources(self.group, self.version, listed)
        self.discovered = Discovered(tuple(found), fresh=bool(listed))
        self.openapi_paths = await self._openapi()
        await self._look_at_swagger()
        return PASSED

    async def _openapi(self) -> dict[str, Any]:
        """Its own documents in the root of OpenAPI v3; a server need not have any."""
        name = f"apis/{self.group}/{self.version}"
        try:
            with anyio.fail_after(CHECK_TIMEOUT):
                _, root, _ = await self._read("/openapi/v3")
        except (TimeoutError, LookupError, ValueError, OSError, errors.ServiceUnavailable):
            return {}
        paths = root.get("paths") if isinstance(root, dict) else None
        found = paths.get(name) if isinstance(paths, dict) else None
        told = found.get("serverRelativeURL") if isinstance(found, dict) else None
        if not isinstance(told, str):
            return {}
        _, marked, tag = told.partition("?hash=")  # the rest of the URL is ours to say
        return {
            name: {"serverRelativeURL": f"/openapi/v3/{name}" + (f"?hash={quote(tag)[:MAX_TAG]}" if marked else "")}
        }

    async def _look_at_swagger(self) -> None:
        """Read its OpenAPI v2 if that has changed, and make a document of v3 from it where it has none."""
        try:
            with anyio.fail_after(CHECK_TIMEOUT):
                code, document, tag = await self._read("/openapi/v2", tag=self._swagger_tag)
        except (TimeoutError, LookupError, ValueError, OSError, errors.ServiceUnavailable):
            return
        if code != 304:
            self.swagger = await clock.run_in_thread(_usable_part, document, self.group, self.version)
            self._swagger_tag = tag
            self.converted = b""
        name = f"apis/{self.group}/{self.version}"
        if name in self.openapi_paths or self.swagger is None:
            self.converted = b""
            return
        if not self.converted:
            self.converted = await clock.run_in_thread(_converted, self.swagger)
        self.openapi_paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={self.swagger.digest.upper()}"}

    async def _read(self, path: str, tag: str = "") -> tuple[int, Any, str]:
        """GET a JSON document, None for one that is not JSON, and its tag.

        :param tag: of the version that is known: if that is the newest, the answer is 304

        :raises LookupError: no address
        :raises ServiceUnavailable: no answer
        """
        import httpx

        headers = {"Host": self._host(), "Accept": "application/json", "X-Remote-User": "system:kube-aggregator"}
        headers |= {"X-Remote-Group": "system:masters", "Accept-Encoding": ACCEPTED_ENCODINGS}
        if tag:
            headers["If-None-Match"] = tag
        try:
            async with self._connection().stream(
                "GET",
                f"https://{self._address()}{path}",
                headers=headers,
                extensions={"sni_hostname": self._host()},
            ) as answer:
                raw = await whole(answer, MAX_DOCUMENT)
                code, found = answer.status_code, answer.headers.get("etag", "")[:MAX_TAG]
        except (httpx.HTTPError, ssl.SSLError) as error:
            raise errors.ServiceUnavailable(str(error) or type(error).__name__) from error
        try:
            return code, await beside(len(raw), parsed, raw), found
        except BadAnswer:
            return code, None, ""


def _is_short(request: Request) -> bool:
    """Whether the answer is one that ends by itself."""
    info = request.info
    return info.verb != "watch" and info.subresource not in LONG_SUBRESOURCES and not transport.upgrading(request)


def _converted(part: Part) -> bytes:
    return msgspec.json.encode(v3_document(part, openapi.INFO))


def _resource_list(document: Any) -> Obj:
    """The APIResourceList that a document is; an empty object where it is none."""
    try:
        return of_type(type_of(META + "APIResourceList"), document)
    except BadAnswer:
        return {}


def _usable_part(document: Any, group: str, version: str) -> Part | None:
    """What counts of a v2 document; nothing of one that cannot be written again: it would spoil everybody's."""
    try:
        part = part_of(document, group, version)
        if part is not None:
            openapi_v2.protobuf(openapi.INFO, (), {}, openapi.SECURITY, [part])
            v3_document(part, openapi.INFO)
    except (TypeError, ValueError, AttributeError, KeyError, RecursionError) as error:
        logger.warning("OpenAPI v2 of %s/%s makes no sense: %r", group, version, error)
        return None
    return part
