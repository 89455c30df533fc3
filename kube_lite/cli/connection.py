"""Requests of the command line: JSON over one kept-alive connection.

The interpreter starts for every command, so what is imported here is paid for every time: no httpx, and the
kubeconfig's certificates go to OpenSSL through an anonymous file, since it reads keys from paths only.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from kube_lite.cli.http11 import Connection, Disconnected, Response
from kube_lite.cli.main import CommandError

if TYPE_CHECKING:
    import ssl

    from kube_lite.client.kubeconfig import Connection as Target

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

Obj = dict[str, Any]
Query = Mapping[str, str]


class Unreachable(CommandError):
    """The server does not answer; the text is kubectl's, and stands without a prefix."""

    prefix = ""


class Api:
    """An API server: JSON in, JSON out, refusals as ``errors.ApiError``.

    :param target: where and as whom
    :param timeout: seconds a request may take; None to wait without end
    :param verbosity: above 5 every request is written to stderr, as kubectl's ``-v`` does
    """

    def __init__(self, target: Target, timeout: float | None = None, verbosity: int = 0) -> None:
        self.namespace = target.namespace
        self.impersonation: list[tuple[str, str]] = []
        """Headers that say as whom a request is made."""
        self._target = target
        self.timeout = timeout
        self._verbosity = verbosity
        self._kept = Connection(lambda: self._open(timeout))
        self._warned: set[str] = set()
        try:
            parts = urlsplit(target.server if "://" in target.server else f"https://{target.server}")
            self._secure = parts.scheme == "https"
            self._host = parts.hostname or "localhost"
            self._port = parts.port or (443 if self._secure else 80)
        except ValueError as error:
            wanted = "want a URL such as https://10.0.0.1:6443"
            raise CommandError(f"the kubeconfig's server {target.server}: {wanted} ({error})") from error
        self._prefix = parts.path.rstrip("/")
        self._tls: ssl.SSLContext | None = None

    def close(self) -> None:
        """Close the kept connection."""
        self._kept.close()

    def get(self, path: str, query: Query | None = None, accept: str = JSON) -> Obj:
        """GET, decoded."""
        return self.request("GET", path, query, accept=accept)

    def post(self, path: str, body: Any, query: Query | None = None) -> Obj:
        """POST ``body``."""
        return self.request("POST", path, query, body)

    def patch(self, path: str, body: Any, media_type: str, query: Query | None = None) -> Obj:
        """PATCH with ``body`` in the patch format ``media_type``."""
        return self.request("PATCH", path, query, body, media_type)

    def delete(self, path: str, body: Any = None, query: Query | None = None) -> Obj:
        """DELETE with DeleteOptions."""
        return self.request("DELETE", path, query, body)

    def request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Any = None,
        media_type: str = JSON,
        accept: str = JSON,
    ) -> Obj:
        """One request, its answer decoded.

        :raises ApiError: the server refuses
        :raises Unreachable: it does not answer
        """
        response, raw = self._exchange(method, path, query, body, media_type, accept)
        if response.status >= 400:
            raise _refusal(response, raw)
        try:
            decoded: Obj = json.loads(raw) if raw else {}
        except ValueError as error:
            raise CommandError(f"the server's answer to {method} {path} is not JSON: {error}") from error
        return decoded

    def text(self, path: str, query: Query | None = None) -> bytes:
        """GET of plain text, such as a log."""
        response, raw = self._exchange("GET", path, query, None, JSON, f"{JSON}, */*")
        if response.status >= 400:
            raise _refusal(response, raw)
        return raw

    def stream(self, path: str, query: Query | None = None, accept: str = JSON) -> Iterator[bytes]:
        """The lines of an answer as they arrive, over a connection of its own. Ends when the server ends it."""
        connection = Connection(lambda: self._open(None))
        try:
            response = self._send(connection, "GET", path, query, None, JSON, accept)
            if response.status >= 400:
                raise _refusal(response, response.read())
            yield from response.lines()
        except ConnectionError:
            return  # the server went away in the middle: what came until then counts
        finally:
            connection.close()

    def watch(self, path: str, query: Query, accept: str = JSON, timeout: float | None = None) -> Iterator[Obj]:
        """Watch events from ``query``'s resourceVersion on; ends when the server ends it, or after ``timeout`` seconds.

        :raises ApiError: the server refuses, or sends an ERROR event
        """
        asked = {**query, "watch": "true"}
        if timeout is not None:
            asked["timeoutSeconds"] = str(max(1, int(timeout + 0.999)))
        for line in self.stream(path, asked, accept):
            event: Obj = json.loads(line)
            if event.get("type") == "ERROR":
                from kube_lite.errors import from_status

                raise from_status(event["object"])
            yield event

    def list_all(self, path: str, query: Query | None = None, accept: str = JSON) -> Obj:
        """A list in chunks of 500, as kubectl asks for them, joined."""
        first = self.get(path, {"limit": "500", **(query or {})}, accept)
        rows = "rows" if first.get("kind") == "Table" else "items"
        page = first
        while token := page.get("metadata", {}).get("continue"):
            page = self.get(path, {"limit": "500", **(query or {}), "continue": token}, accept)
            first[rows] = (first.get(rows) or []) + (page.get(rows) or [])
        first["metadata"] = page.get("metadata", {})
        return first

    def _exchange(
        self, method: str, path: str, query: Query | None, body: Any, media_type: str, accept: str
    ) -> tuple[Response, bytes]:
        while True:
            again = self._kept.used
            try:
                response = self._send(self._kept, method, path, query, body, media_type, accept)
            except ConnectionError as error:
                self._kept.close()
                if not again:
                    raise Unreachable(f"The connection to the server {self._where()} was lost: {error}") from error
                continue  # the server closed a kept connection meanwhile: the request did not reach it
            try:
                raw = response.read()
            except OSError as error:  # this request did reach it, and must not be made twice
                self._kept.close()
                why = "no more of the answer came in time" if isinstance(error, TimeoutError) else error
                raise Unreachable(f"The connection to the server {self._where()} was lost: {why}") from error
            if not response.keeps_connection:
                self._kept.close()
            return response, raw

    def _send(
        self,
        connection: Connection,
        method: str,
        path: str,
        query: Query | None,
        body: Any,
        media_type: str,
        accept: str,
    ) -> Response:
        headers = [("Accept", accept), ("User-Agent", "kube-lite"), *self.impersonation]
        if self._target.token:
            headers.append(("Authorization", f"Bearer {self._target.token}"))
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers.append(("Content-Type", media_type))
        url = self._prefix + path + (f"?{urlencode(query)}" if query else "")
        try:
            response = connection.request(method, url, self._where(), headers, data)
        except ConnectionRefusedError as error:
            text = f"The connection to the server {self._where()} was refused"
            raise Unreachable(f"{text} - did you specify the right host or port?") from error
        except TimeoutError as error:
            raise Unreachable(f"Unable to connect to the server: no answer from {self._where()} in time") from error
        except (ConnectionResetError, BrokenPipeError, Disconnected):
            raise
        except OSError as error:  # TLS and name look-up included
            raise Unreachable(f"Unable to connect to the server {self._where()}: {error}") from error
        self._note(method, url, response)
        return response

    def _note(self, method: str, url: str, response: Response) -> None:
        if self._verbosity >= 6:
            print(f"{method} {url} {response.status} {response.reason}", file=sys.stderr)
        for warning in response.headers.get("warning", ()):
            text = warning.partition('"')[2].rpartition('"')[0].replace('\\"', '"').replace("\\\\", "\\")
            if text and text not in self._warned:
                self._warned.add(text)
                print(f"Warning: {text}", file=sys.stderr)

    @property
    def url(self) -> str:
        """Where the server is."""
        return self._target.server.rstrip("/")

    def _where(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._port}" if not self._target.unix_socket else "localhost"

    def _open(self, timeout: float | None) -> socket.socket:
        """A connection to the server, encrypted if it is not local. :raises OSError: it cannot be had"""
        if self._target.unix_socket:
            local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            local.settimeout(timeout)
            local.connect(self._target.unix_socket)
            return local
        # names as bytes: text would be encoded by IDNA, whose tables take 8 ms to import
        name = self._host.encode("ascii" if self._host.isascii() else "idna")
        plain = socket.create_connection((name, self._port), timeout)  # type: ignore[arg-type]  # bytes do
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._secure:
            return plain
        if self._tls is None:
            self._tls = _tls_context(self._target)
        try:
            return self._tls.wrap_socket(plain, server_hostname=self._target.tls_server_name.encode() or name)
        except BaseException:
            plain.close()
            raise


def _tls_context(target: Target) -> ssl.SSLContext:
    """Trust and identity of a kubeconfig. :raises CommandError: OpenSSL refuses the certificates"""
    import ssl

    from kube_lite.client.tls import ssl_context

    try:
        return ssl_context(target)
    except (ssl.SSLError, ValueError) as error:
        raise CommandError(f"the kubeconfig's certificates cannot be used: {error}") from error


def _refusal(response: Response, raw: bytes) -> Exception:
    from kube_lite.errors import from_status

    try:
        status = json.loads(raw)
    except ValueError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        text = raw[:2000].decode(errors="replace").strip()
        if response.headers.get("content-type", [""])[0].startswith(JSON):
            text = ""  # JSON that is no Status, as the paths that a server has, explains nothing
        status = {"message": text or f"the server answered {response.status} {response.reason}"}
    return from_status(status, response.status)
