"""What a request is about, read once from method, path and query, and never changed afterwards.

The verbs are those of authorization (get, list, watch, create, update, patch, delete, deletecollection), so
that every stage of the pipeline speaks of a request in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import parse_qs, unquote

import msgspec

Query = Mapping[str, Sequence[str]]

_COLLECTION_VERBS = {
    "GET": "list",
    "HEAD": "list",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "deletecollection",
}
_OBJECT_VERBS = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")
CACHED_BELOW = 256
"""Characters of path and query up to which a request info is remembered: clients ask for the same again."""
_FALSE = ("", "0", "false")


class RequestInfo(msgspec.Struct, frozen=True):
    """A request in the words of the API; ``is_resource`` is False for paths such as ``/healthz``."""

    method: str
    path: str
    verb: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    rest: str = ""
    """What follows the subresource, as in ``/proxy/some/path``."""
    query: Query = msgspec.field(default_factory=dict)

    def param(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else default

    def flag(self, name: str) -> bool:
        """A boolean query parameter: present and neither ``0`` nor ``false``, as upstream reads it."""
        values = self.query.get(name)
        return bool(values) and (values or [""])[0].lower() not in _FALSE


def parse(method: str, path: str, query_string: str = "") -> RequestInfo:
    """The request info of a method and a URL path (percent-encoding not yet removed)."""
    if len(path) + len(query_string) < CACHED_BELOW:
        return _cached(method, path, query_string)
    return _parsed(method, path, query_string)


def _parsed(method: str, path: str, query_string: str) -> RequestInfo:
    query = _query(query_string) if query_string else {}
    parts = [unquote(p) if "%" in p else p for p in path.split("/") if p]
    if path.startswith("//"):  # upstream's router compares from the first byte on, and has nothing that begins so
        return RequestInfo(method=method, path=path, verb=method.lower(), query=query)
    if "//" in path:  # a part that is missing stays missing: no group, resource or namespace is called ""
        parts = [unquote(p) for p in path.removesuffix("/")[1:].split("/")]
    if len(parts) >= 3 and parts[0] == "api":
        return _resource(method, path, query, "", parts[1], parts[2:])
    if len(parts) >= 4 and parts[0] == "apis":
        return _resource(method, path, query, parts[1], parts[2], parts[3:])
    return RequestInfo(method=method, path=path, verb=method.lower(), query=query)


_MALFORMED = re.compile(r";|%(?![0-9a-fA-F]{2})")


def _query(text: str) -> Query:
    """The parameters of a query; as in Go, a pair with a semicolon or half an escape is passed over."""
    if _MALFORMED.search(text):
        text = "&".join(pair for pair in text.split("&") if not _MALFORMED.search(pair))
    return parse_qs(text, keep_blank_values=True)


_cached = lru_cache(maxsize=1024)(_parsed)


def _resource(method: str, path: str, query: Query, group: str, version: str, parts: list[str]) -> RequestInfo:
    namespace = ""
    legacy_watch = parts[0] == "watch" and len(parts) > 1
    if legacy_watch:
        parts = parts[1:]
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        # /namespaces/x and /namespaces/x/status are about the namespace itself
        if len(parts) > 2 and not (len(parts) == 3 and parts[2] in _NAMESPACE_SUBRESOURCES):
            parts = parts[2:]
    name = parts[1] if len(parts) > 1 else ""
    verb = (_OBJECT_VERBS if name else _COLLECTION_VERBS).get(method, method.lower())
    # one object is only got, whatever the query says; the older path watches it
    if legacy_watch or (verb == "list" and _wants_watch(query)):
        verb = "watch"
    return RequestInfo(
        method=method,
        path=path,
        verb=verb,
        is_resource=True,
        group=group,
        version=version,
        namespace=namespace,
        resource=parts[0],
        name=name,
        subresource=parts[2] if len(parts) > 2 else "",
        rest="/".join(parts[3:]),
        query=query,
    )


def _wants_watch(query: Query) -> bool:
    values = query.get("watch")
    if not values:
        return False
    return values[0].lower() not in ("0", "false")
