"""A client of a running server for tests: one call a request, the expected status said with it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def unique(prefix: str) -> str:
    """A name that no other test of this run has."""
    return f"{prefix}-{secrets.token_hex(3)}"


class Caller:
    """Requests as the cluster's administrator, or as somebody whom it impersonates."""

    def __init__(self, http: httpx.Client, headers: Mapping[str, str] = {}) -> None:
        self._http = http
        self._headers = dict(headers)

    def acting_as(self, user: str, *groups: str) -> Caller:
        """The same server, asked as ``user``."""
        caller = Caller(self._http, self._headers | {"Impersonate-User": user})
        if groups:
            caller._headers["Impersonate-Group"] = groups[0]
        return caller

    def send(
        self, verb: str, path: str, body: Any = None, *, kind: str = "application/json", accept: str = "", **query: Any
    ) -> httpx.Response:
        """One request; a body that is not bytes is sent as JSON."""
        headers = self._headers | ({"Accept": accept} if accept else {})
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = kind
        return self._http.request(verb, path, content=content, headers=headers, params=query)

    def _answer(self, response: httpx.Response, expect: int) -> Any:
        assert response.status_code == expect, f"{response.request.method} {response.request.url}: {response.text}"
        return response.json()

    def get(self, path: str, expect: int = 200, **query: Any) -> Any:
        """GET; the decoded answer."""
        return self._answer(self.send("GET", path, **query), expect)

    def create(self, path: str, body: Object, expect: int = 201, **query: Any) -> Any:
        """POST; the decoded answer."""
        return self._answer(self.send("POST", path, body, **query), expect)

    def put(self, path: str, body: Object, expect: int = 200, **query: Any) -> Any:
        """PUT; the decoded answer."""
        return self._answer(self.send("PUT", path, body, **query), expect)

    def patch(self, path: str, body: Any, kind: str = MERGE, expect: int = 200, **query: Any) -> Any:
        """PATCH, by a merge patch unless told otherwise; the decoded answer."""
        return self._answer(self.send("PATCH", path, body, kind=kind, **query), expect)

    def delete(self, path: str, body: Object | None = None, expect: int = 200, **query: Any) -> Any:
        """DELETE; the decoded answer."""
        return self._answer(self.send("DELETE", path, body, **query), expect)

    def watch(self, path: str, seconds: int = 10, **query: Any) -> Iterator[Object]:
        """The events of a watch, until the server ends it after ``seconds``."""
        query |= {"watch": "true", "timeoutSeconds": seconds}
        with self._http.stream("GET", path, headers=self._headers, params=query) as response:
            assert response.status_code == 200, response.read()
            for line in response.iter_lines():
                yield json.loads(line)

    def until(self, path: str, *wanted: str, **query: Any) -> list[Object]:
        """Events of a watch up to and with those of the types ``wanted``, in order. :raises AssertionError: ended"""
        events, missing = [], list(wanted)
        for event in self.watch(path, **query):
            events.append(event)
            if event["type"] == missing[0]:
                missing.pop(0)
            if not missing:
                return events
        raise AssertionError(f"the watch ended without {missing}: {events}")
