"""An extension API server of a few lines: metrics.k8s.io/v1beta1 over TLS, behind a front proxy."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kube_lite.api.certs import Authority
from tests.support import echo

GROUP = "metrics.k8s.io"
BASE = f"/apis/{GROUP}/v1beta1"
STAMP = "2099-01-01T00:00:00Z"
"""Measured after every pod began: what is older than a young pod says nothing about it."""
USAGE = {"cpu": "250m", "memory": "64Mi"}


@dataclass
class Extension:
    """The server, and what it was asked."""

    port: int
    ca: bytes
    seen: list[dict[str, Any]] = field(default_factory=list)
    nodes: tuple[str, ...] = ()
    pods: tuple[str, ...] = ("measured",)
    documents: tuple[str, ...] = ("v2", "v3")
    """The versions of OpenAPI that it has."""


def _node(name: str) -> dict[str, Any]:
    return {
        "kind": "NodeMetrics",
        "apiVersion": f"{GROUP}/v1beta1",
        "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "timestamp": STAMP,
        "window": "10s",
        "usage": USAGE,
    }


def _pod(namespace: str, name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"}
    containers = [{"name": "c", "usage": USAGE}]
    return {"metadata": metadata, "timestamp": STAMP, "window": "10s", "containers": containers}


def _document(extension: Extension, path: str) -> Any:
    resources = [
        {"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics", "verbs": ["get", "list"]},
        {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]},
        # kubectl explain takes a name that several groups have for the core group's
        {"name": "gauges", "singularName": "gauge", "namespaced": False, "kind": "Gauge", "verbs": ["get", "list"]},
    ]
    match path.removeprefix(BASE).strip("/").split("/"):
        case [""] if path.startswith(BASE):
            return {"kind": "APIResourceList", "groupVersion": f"{GROUP}/v1beta1", "resources": resources}
        case ["nodes"]:
            items = [_node(name) for name in extension.nodes]
            return {"kind": "NodeMetricsList", "apiVersion": f"{GROUP}/v1beta1", "metadata": {}, "items": items}
        case ["nodes", name]:
            return _node(name)
        case ["namespaces", namespace, "pods"]:
            items = [_pod(namespace, name) for name in extension.pods]
            return {"kind": "PodMetricsList", "apiVersion": f"{GROUP}/v1beta1", "metadata": {}, "items": items}
    if path == "/openapi/v2" and "v2" in extension.documents:
        one = {"get": _operation(V2), "parameters": [{**NAME, "type": "string"}]}
        paths = {f"{BASE}/gauges": {"get": _operation(V2)}, f"{BASE}/gauges/{{name}}": one}
        return {"swagger": "2.0", "info": INFO, "paths": {**paths, "/version/": {}}, "definitions": _schemas(V2)}
    if path == "/openapi/v3" and "v3" in extension.documents:
        return {"paths": {BASE.lstrip("/"): {"serverRelativeURL": f"/openapi/v3{BASE}?hash=1"}}}
    if path == f"/openapi/v3{BASE}" and "v3" in extension.documents:
        one = {"get": _operation(V3), "parameters": [{**NAME, "schema": STRING}]}
        paths = {f"{BASE}/gauges": {"get": _operation(V3)}, f"{BASE}/gauges/{{name}}": one}
        return {"openapi": "3.0.0", "info": INFO, "paths": paths, "components": {"schemas": _schemas(V3)}}
    return None


V2, V3 = "#/definitions/", "#/components/schemas/"
INFO = {"title": "metrics", "version": "v1"}
STRING = {"type": "string"}
NAME = {"name": "name", "in": "path", "required": True}
KIND = {"group": GROUP, "version": "v1beta1", "kind": "Gauge"}
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
GAUGE = "io.k8s.metrics.pkg.apis.metrics.v1beta1.Gauge"


def _operation(prefix: str) -> dict[str, Any]:
    schema = {"$ref": prefix + GAUGE}
    answer = {"schema": schema} if prefix == V2 else {"content": {"application/json": {"schema": schema}}}
    shown = {"operationId": "readGauge", "produces": ["application/json"]} if prefix == V2 else {}
    gvk = {"x-kubernetes-action": "get", "x-kubernetes-group-version-kind": KIND}
    return {**shown, "responses": {"200": {"description": "OK", **answer}}, **gvk}


def _schemas(prefix: str) -> dict[str, Any]:
    """Gauge, and a metadata that is not quite what others call so."""
    fields = {
        "apiVersion": STRING,
        "kind": STRING,
        "metadata": {"$ref": prefix + META},
        "window": {"type": "string", "description": "How long was measured."},
        "usage": {"type": "object", "additionalProperties": STRING, "description": "What the node uses."},
    }
    about = {"description": "Gauge of an extension server.", "x-kubernetes-group-version-kind": [KIND]}
    metadata = {"type": "object", "description": "Short.", "properties": {"name": STRING}}
    return {GAUGE: {"type": "object", "properties": fields, **about}, META: metadata}


def _handler(extension: Extension) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length)
            url = urlsplit(self.path)
            assert isinstance(self.connection, ssl.SSLSocket)
            subject = (self.connection.getpeercert() or {}).get("subject", ())
            extension.seen.append(
                {
                    "method": self.command,
                    "path": self.path,
                    "headers": [(k.lower(), v) for k, v in self.headers.items()],
                    "client": dict(part[0] for part in subject),  # type: ignore[misc]
                    "body": body,
                }
            )
            if "upgrade" in self.headers:
                self.close_connection = True
                echo.switch({k.lower(): v for k, v in self.headers.items()}, self.rfile, self.wfile)  # type: ignore[arg-type]
                return
            if "watch" in parse_qs(url.query):
                self._watch()
                return
            document = _document(extension, url.path)
            code = 200 if document is not None else 404
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            raw = json.dumps(status if document is None else document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.send_header("X-Extension", "here")
            self.end_headers()
            self.wfile.write(raw)

        def _watch(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for name in extension.nodes:
                line = json.dumps({"type": "ADDED", "object": _node(name)}).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    return Handler


@contextmanager
def serving(directory: Path, names: tuple[str, ...], front_proxy_ca: Path, port: int = 0) -> Iterator[Extension]:
    """Run one on loopback.

    :param names: what its certificate is valid for
    :param front_proxy_ca: who signs the certificates of those that it believes
    """
    authority = Authority(directory)
    pair = authority.server_pair(names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.load_verify_locations(front_proxy_ca)
    context.verify_mode = ssl.CERT_REQUIRED
    extension = Extension(0, authority.certificate_pem)
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(extension))
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    extension.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield extension
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
