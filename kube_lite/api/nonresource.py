"""Paths that are not about objects: discovery, version, health, OpenAPI, metrics."""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable, Mapping

from kube_lite import KUBERNETES_VERSION, errors
from kube_lite.api import codec
from kube_lite.api.discovery import AGGREGATED, Discovery
from kube_lite.api.health import READY_ONLY, Check
from kube_lite.api.http import Request, Response, decode_json
from kube_lite.api.negotiate import JSON, clauses, negotiate

PLAIN_TEXT = "text/plain; charset=utf-8"
_NOT_ALLOWED = "the server does not allow this method on the requested resource"
HEALTH_PATHS = ("healthz", "livez", "readyz")

_ONLY_READ = ("version", ".well-known")
"""First segments of pages that know one method."""
Page = Callable[[Request], Awaitable[Response | None]]


class NonResource:
    """Answers everything under /api, /apis, /version, the health paths and the pages handed over."""

    def __init__(self, discovery: Discovery, checks: Mapping[str, Check]) -> None:
        """:param checks: health checks by name"""
        self.discovery = discovery
        self._checks = dict(checks)
        self.pages: dict[str, Page] = {}
        """By first path segment: OpenAPI, metrics and the like."""
        self.version = KUBERNETES_VERSION

    async def handle(self, request: Request, *, fallback: bool) -> Response | None:
        """The answer, or None to leave the path to the ``fallback`` application. :raises NotFound:"""
        info = request.info
        parts = [p for p in info.path.split("/") if p]
        if info.path.startswith("//"):
            return codec.encoded({"paths": self._paths()}, negotiate(""), 404)
        first = parts[0] if parts else ""
        if first in HEALTH_PATHS:
            return self._health(request, first, parts[1:])
        if first in _ONLY_READ and info.method != "GET":
            raise errors.MethodNotAllowed(_NOT_ALLOWED, {})
        if first == "version" and len(parts) == 1:
            return codec.encoded(self.version_document(), negotiate(""))
        if first in ("api", "apis"):
            return self._discovery(request, first, parts[1:])
        page = self.pages.get(first)
        if page is not None:
            response = await page(request)
            if response is not None:
                return response
        if not parts or parts == ["index.html"]:
            return codec.encoded({"paths": self._paths()}, negotiate(""))
        if fallback and first in FASTAPI_PATHS:
            return None
        return codec.encoded({"paths": self._paths()}, negotiate(""), 404)

    def version_document(self) -> dict[str, str]:
        """``/version``."""
        major, minor, _ = self.version.lstrip("v").split(".", 2)
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        return {
            "major": major,
            "minor": minor,
            "gitVersion": self.version,
            "gitCommit": "0000000000000000000000000000000000000000",
            "gitTreeState": "clean",
            "buildDate": "2026-04-22T00:00:00Z",
            "goVersion": "go1.26.1",
            "compiler": "gc",
            "platform": f"linux/{machine}",
        }

    def _paths(self) -> list[str]:
        paths = ["/api", "/api/v1", "/apis", "/apis/"]
        for group, versions in self.discovery.groups().items():
            if group:
                paths += [f"/apis/{group}", *(f"/apis/{group}/{v}" for v in versions)]
        for health in HEALTH_PATHS:
            paths += [f"/{health}", *(f"/{health}/{name}" for name in self._checks)]
        return sorted([*paths, *(f"/{p}" for p in self.pages), "/version"])

    # ---- health

    def _health(self, request: Request, which: str, rest: list[str]) -> Response:
        names = [n for n in self._checks if which == "readyz" or n not in READY_ONLY]
        if rest:
            name = "/".join(rest)
            if name not in names:
                return Response(404, b"404 page not found\n", PLAIN_TEXT)
            wrong = self._checks[name]()
            return Response(
                500 if wrong else 200, f"internal server error: {wrong}".encode() if wrong else b"ok", PLAIN_TEXT
            )
        excluded = set(request.info.query.get("exclude") or ())
        lines, failed = [], False
        for name in names:
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok")
                continue
            wrong = self._checks[name]()
            failed = failed or bool(wrong)
            # anybody may ask this; why it failed is told by the path of the check alone
            lines.append(f"[-]{name} failed: reason withheld" if wrong else f"[+]{name} ok")
        unknown = sorted(excluded - set(names))
        if unknown:
            listed = ", ".join(f'"{n}"' for n in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {listed}")
        if failed:
            return Response(500, ("\n".join(lines) + f"\n{which} check failed\n").encode(), PLAIN_TEXT)
        if "verbose" in request.info.query:
            return Response(200, ("\n".join(lines) + f"\n{which} check passed\n").encode(), PLAIN_TEXT)
        return Response(200, b"ok", PLAIN_TEXT)

    # ---- discovery

    def _discovery(self, request: Request, root: str, parts: list[str]) -> Response:
        reads = request.info.method == "GET"
        if not parts:
            if root == "api" and not reads:
                raise errors.MethodNotAllowed(_NOT_ALLOWED, {})
            return self._root(request, root)
        if root == "api":
            found = self.discovery.resources("", parts[0]) if len(parts) == 1 else None
            if found is None:
                raise errors.no_such_path()
            if not reads:
                raise errors.MethodNotAllowed(_NOT_ALLOWED, {})
            return self._answer(request, *found)
        group = parts[0]
        if group not in self.discovery.groups() or not group:
            return Response(404, b"404 page not found\n", PLAIN_TEXT)
        found = self.discovery.group(group) if len(parts) == 1 else None
        if len(parts) == 2:
            found = self.discovery.resources(group, parts[1])
            if found is None and self.discovery.is_custom(group):
                return Response(404, b"404 page not found\n", PLAIN_TEXT)
        if found is None:
            raise errors.no_such_path()
        if len(parts) == 2 and not reads:  # lists of groups are given whatever is asked, as upstream does
            raise errors.MethodNotAllowed(_NOT_ALLOWED, {})
        return self._answer(request, *found)

    def _root(self, request: Request, root: str) -> Response:
        for media, params in clauses(request.header("accept")):
            aggregated = params.get("g") == AGGREGATED and params.get("as") == "APIGroupDiscoveryList"
            if media == JSON and aggregated and params.get("v") in ("v2", "v2beta1"):
                version = params["v"]
                body, etag = self.discovery.aggregated(root == "api", version)
                media_type = f"{JSON};g={AGGREGATED};v={version};as=APIGroupDiscoveryList"
                return _tagged(request, Response(200, body, media_type), etag)
            if media in (JSON, "*/*") and not params.get("as"):
                break
        return self._answer(request, *(self.discovery.api_versions() if root == "api" else self.discovery.group_list()))

    @staticmethod
    def _answer(request: Request, body: bytes, etag: str) -> Response:
        form = negotiate(request.header("accept"), table=False)
        if form.media == JSON:
            return _tagged(request, Response(200, body), etag)
        return codec.encoded(decode_json(body), form)


FASTAPI_PATHS = ("docs", "redoc", "openapi.json", "kube-lite")
"""First segments of the paths that FastAPI answers."""


def _tagged(request: Request, response: Response, etag: str) -> Response:
    response.headers["ETag"] = etag
    response.headers["Vary"] = "Accept"
    if request.header("if-none-match") == etag:
        return Response(304, b"", response.content_type, response.headers)
    return response
