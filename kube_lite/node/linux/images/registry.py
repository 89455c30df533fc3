"""A client of the OCI distribution API (specification 1.1): manifests and blobs, nothing else.

Every document is bounded and its digest verified; every blob is hashed while it streams to disk, never longer than
its descriptor says, and a broken connection is taken up where it ended. Authentication is the registries' usual:
a 401 says where a bearer token is to be had (distribution's token specification) or asks for basic credentials.
Plain HTTP only for loopback and for registries that the operator named insecure; redirects never lead from HTTPS
to HTTP, and credentials never follow to another host.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

from kube_lite import clock
from kube_lite.node.keyring import Credential
from kube_lite.node.linux.images.manifest import ACCEPT, MAX_DOCUMENT_BYTES, Descriptor
from kube_lite.node.linux.images.reference import DEFAULT_REGISTRY, Reference, is_digest

if TYPE_CHECKING:
    import httpx

DOCKER_HUB = "https://registry-1.docker.io"
"""Where docker.io's API is; the name itself is a web site."""

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0
"""How long a registry may send nothing; there is no limit on the whole, as layers may be large."""

_ATTEMPTS = 4
_REDIRECTS = 5
_CHUNK = 1 << 20
_TOKEN_BYTES = 1 << 20
_PARAMETER = re.compile(r'([a-zA-Z]+)="([^"]*)"')


class RegistryError(Exception):
    """A registry that refuses, breaks the protocol or cannot be reached; ``status`` is its HTTP code, 0 for none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def is_loopback(host: str) -> bool:
    """Whether a registry ``host[:port]`` is this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a registry's API is: base URL without a slash at the end, and the credential for it."""

    base: str
    credential: Credential | None = None


def endpoints(
    reference: Reference,
    mirrors: Mapping[str, str],
    insecure: Collection[str],
    find: Callable[[str], Sequence[Credential]],
) -> list[Endpoint]:
    """Where to look for an image, in order: its registry's mirror if one is set, then the registry itself.

    ``find`` gives the credentials for a host; a registry's are never sent to its mirror. Each is an attempt of its
    own, and without any there is one that names nobody.
    """
    registry = reference.registry
    found = []
    mirror = mirrors.get(registry)
    if mirror is not None:
        base = (mirror if "://" in mirror else f"https://{mirror}").rstrip("/").removesuffix("/v2")
        found += [Endpoint(base, credential) for credential in find(urlsplit(base).netloc) or (None,)]
    if registry == DEFAULT_REGISTRY:
        base = DOCKER_HUB
    else:
        base = f"{'http' if registry in insecure or is_loopback(registry) else 'https'}://{registry}"
    found += [Endpoint(base, credential) for credential in find(registry) or (None,)]
    return found


class Registry:
    """One repository at one endpoint. Use as an async context manager."""

    def __init__(self, endpoint: Endpoint, repository: str) -> None:
        self._endpoint = endpoint
        self._repository = repository
        self._authorization: str | None = None
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Registry:
        self._client = await clock.run_in_thread(_new_client)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _url(self, kind: str, name: str) -> str:
        return f"{self._endpoint.base}/v2/{self._repository}/{kind}/{name}"

    async def resolve(self, version: str) -> str | None:
        """The digest of a tag's manifest without fetching it; None when the registry does not say.

        :raises RegistryError: it refuses, or there is no such tag
        """
        async with self._request("HEAD", self._url("manifests", version), {"Accept": ACCEPT}) as response:
            digest = response.headers.get("Docker-Content-Digest", "")
            return digest if is_digest(digest) else None

    async def manifest(self, version: str) -> tuple[str, bytes]:
        """A manifest's digest and bytes. :raises RegistryError: refused, too large, or not what its digest says"""
        async with self._request("GET", self._url("manifests", version), {"Accept": ACCEPT}) as response:
            raw = await _bounded(response, MAX_DOCUMENT_BYTES)
            claimed = response.headers.get("Docker-Content-Digest", "")
        if is_digest(version):
            _verify(raw, version)
            return version, raw
        if is_digest(claimed):
            _verify(raw, claimed)
        return f"sha256:{hashlib.sha256(raw).hexdigest()}", raw

    async def document(self, descriptor: Descriptor) -> bytes:
        """A small blob, such as a configuration. :raises RegistryError: as :meth:`blob`"""
        if descriptor.size > MAX_DOCUMENT_BYTES:
            raise RegistryError(f"{descriptor.digest} is larger than {MAX_DOCUMENT_BYTES} bytes")
        async with self._request("GET", self._url("blobs", descriptor.digest), {}) as response:
            raw = await _bounded(response, descriptor.size)
        if len(raw) != descriptor.size:
            raise RegistryError(f"{descriptor.digest} has {len(raw)} bytes, expected {descriptor.size}")
        _verify(raw, descriptor.digest)
        return raw

    async def blob(self, descriptor: Descriptor, target: Path, progress: Callable[[int], None]) -> None:
        """Fetch a blob into a new file, verified; ``progress`` is told the bytes received so far.

        :raises RegistryError: refused, other size or digest than described, or broken off again and again
        :raises OSError: the disk is full, or refuses
        """
        download = _Download(descriptor, target)
        try:
            for attempt in range(1, _ATTEMPTS + 1):
                before = download.received
                try:
                    await self._continue(download, progress)
                    break
                except RegistryError as error:
                    if attempt == _ATTEMPTS or (error.status and error.status < 500):
                        raise
                await anyio.sleep(0.2 if download.received > before else 0.5 * attempt)
            await clock.run_in_thread(download.finish)
        finally:
            download.close()

    async def _continue(self, download: _Download, progress: Callable[[int], None]) -> None:
        headers = {"Range": f"bytes={download.received}-"} if download.received else {}
        headers["Accept-Encoding"] = "identity"
        async with self._request("GET", self._url("blobs", download.descriptor.digest), headers) as response:
            resumes = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
                f"bytes {download.received}-"
            )
            if not resumes:
                download.restart()
            pending = bytearray()
            async for piece in _pieces(response):
                pending += piece
                if len(pending) >= _CHUNK:
                    await clock.run_in_thread(download.append, bytes(pending))
                    pending.clear()
                    progress(download.received)
            await clock.run_in_thread(download.append, bytes(pending))
            progress(download.received)
        if download.received < download.descriptor.size:
            raise RegistryError(f"{download.descriptor.digest} ended after {download.received} bytes")

    @contextlib.asynccontextmanager
    async def _request(self, method: str, url: str, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """Send a request, follow redirects, authenticate once if asked to; errors are :class:`RegistryError`."""
        import httpx

        if self._client is None:
            raise RegistryError("the client is not open")
        authenticated = False
        try:
            for _ in range(_REDIRECTS + 2):
                own = urlsplit(url).netloc == urlsplit(self._endpoint.base).netloc
                sent = dict(headers)
                if own and self._authorization is not None:
                    sent["Authorization"] = self._authorization
                async with self._client.stream(method, url, headers=sent) as response:
                    if response.status_code == 401 and own and not authenticated:
                        authenticated = True
                        await self._authenticate(response.headers.get_list("WWW-Authenticate"))
                        continue
                    if response.has_redirect_location:
                        url = _redirected(url, response.headers["Location"])
                        continue
                    if response.status_code >= 300:
                        raise await _refusal(response, url)
                    yield response
                    return
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            reason = str(error) or type(error).__name__
            raise RegistryError(f"{method} {url}: {reason}") from error
        raise RegistryError(f"{method} {url}: too many redirects")

    async def _authenticate(self, challenges: list[str]) -> None:
        import httpx

        credential = self._endpoint.credential
        basic = None
        if credential is not None and credential.username:
            basic = httpx.BasicAuth(credential.username, credential.password)
        for challenge in challenges:
            scheme, _, rest = challenge.partition(" ")
            if scheme.lower() == "bearer":
                self._authorization = await self._token(dict(_PARAMETER.findall(rest)), basic)
                return
            if scheme.lower() == "basic" and credential is not None and basic is not None:
                request = next(basic.sync_auth_flow(httpx.Request("GET", self._endpoint.base)))
                self._authorization = request.headers["Authorization"]
                return
        raise RegistryError("authorization failed: no basic auth credentials", 401)

    async def _token(self, challenge: Mapping[str, str], basic: httpx.BasicAuth | None) -> str:
        """Fetch a bearer token from the challenge's realm. :raises RegistryError: it gives none"""
        realm = challenge.get("realm", "")
        if urlsplit(realm).scheme != "https" and not self._endpoint.base.startswith("http://"):
            raise RegistryError(f"authorization failed: the token realm {realm[:200]!r} is not https", 401)
        assert self._client is not None
        credential = self._endpoint.credential
        scope = challenge.get("scope") or f"repository:{self._repository}:pull"
        query = {"scope": scope} | ({"service": challenge["service"]} if "service" in challenge else {})
        if credential is not None and credential.identity_token:
            form = query | {
                "grant_type": "refresh_token",
                "refresh_token": credential.identity_token,
                "client_id": "kube-lite",
            }
            request = self._client.build_request("POST", realm, data=form)
        else:
            request = self._client.build_request("GET", realm, params=query)
        response = await self._client.send(request, auth=basic, stream=True)
        try:
            if response.status_code != 200:
                raise RegistryError(f"failed to authorize: failed to fetch token: {response.status_code}", 401)
            raw = await _bounded(response, _TOKEN_BYTES)
        finally:
            await response.aclose()
        import json

        try:
            document = json.loads(raw)
            token = document.get("token") or document.get("access_token")
        except (ValueError, AttributeError, RecursionError) as error:
            raise RegistryError("failed to authorize: malformed token", 401) from error
        if not isinstance(token, str) or not token.isprintable():
            raise RegistryError("failed to authorize: no token in the answer", 401)
        return f"Bearer {token}"


def _new_client() -> httpx.AsyncClient:
    """In a thread: importing httpx and reading the machine's certificates take 0.2 s."""
    import ssl

    import httpx

    timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
    return httpx.AsyncClient(verify=ssl.create_default_context(), timeout=timeout, follow_redirects=False)


def _redirected(url: str, location: str) -> str:
    import httpx

    target = str(httpx.URL(url).join(location))
    if urlsplit(target).scheme not in ("http", "https"):
        raise RegistryError(f"redirected to {target[:200]!r}")
    if url.startswith("https://") and not target.startswith("https://"):
        raise RegistryError("redirected from https to http")
    return target


async def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body as sent: a blob's digest is that of the bytes on the wire."""
    async for piece in response.aiter_raw():
        yield piece


async def _bounded(response: httpx.Response, limit: int) -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > limit:
            raise RegistryError(f"answer larger than {limit} bytes")
    return bytes(body)


async def _refusal(response: httpx.Response, url: str) -> RegistryError:
    """What the registry says is wrong: its error codes if it gives them."""
    status = response.status_code
    detail = f"unexpected status from {response.request.method} request to {url}: {status} {response.reason_phrase}"
    if status == 404:
        detail = "not found"
    elif status in (401, 403):
        detail = "pull access denied, repository does not exist or may require authorization"
        detail += f": server message: {status} {response.reason_phrase}"
    return RegistryError(detail, status)


def _verify(raw: bytes, digest: str) -> None:
    algorithm, _, wanted = digest.partition(":")
    found = hashlib.new(algorithm, raw).hexdigest()
    if found != wanted:
        raise RegistryError(f"digest mismatch: expected {digest}, got {algorithm}:{found}", 422)


class _Download:
    """A file that grows, with its digest so far; runs in worker threads."""

    def __init__(self, descriptor: Descriptor, target: Path) -> None:
        self.descriptor = descriptor
        self.received = 0
        self._file: IO[bytes] = target.open("xb")
        self._algorithm = descriptor.digest.partition(":")[0]
        self._hash = hashlib.new(self._algorithm)

    def restart(self) -> None:
        """Begin anew: the registry does not resume."""
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.new(self._algorithm)
        self.received = 0

    def append(self, data: bytes) -> None:
        """Add what was received. :raises RegistryError: it is more than was described"""
        self.received += len(data)
        if self.received > self.descriptor.size:
            raise RegistryError(f"{self.descriptor.digest} is larger than its {self.descriptor.size} bytes", 422)
        self._hash.update(data)
        self._file.write(data)

    def finish(self) -> None:
        """Flush and verify. :raises RegistryError: another digest than described"""
        self._file.flush()
        found = f"{self._algorithm}:{self._hash.hexdigest()}"
        if found != self.descriptor.digest:
            raise RegistryError(f"digest mismatch: expected {self.descriptor.digest}, got {found}", 422)

    def close(self) -> None:
        """Close the file; what is in it stays."""
        self._file.close()
