"""A webhook: a real HTTPS server with a CA of its own, in a thread, answering as it is told and noting what it saw."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Json = dict[str, Any]
Handler = Callable[[Json], Json]


class Webhook:
    """What a test knows of its webhook."""

    def __init__(self, port: int, bundle: str) -> None:
        self.port = port
        self.bundle = bundle
        self.seen: list[Json] = []
        self.respond: Handler = lambda request: {"allowed": True}
        self.answers: dict[str, Handler] = {}
        """What it answers at some paths instead."""
        self.paths: list[str] = []
        """Where it was asked."""
        self.code = 200
        self.location = ""
        self.raw: Callable[[str], bytes] | None = None
        """What it sends instead of any HTTP, given the review's uid."""

    def config(self, path: str = "/") -> Json:
        """Its clientConfig."""
        return {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": self.bundle}


@lru_cache(maxsize=1)
def _authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    return _signed(None, "webhook-ca", [])


def _signed(
    issuer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None, name: str, hosts: list[x509.GeneralName]
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[1].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    return key, builder.sign(key if issuer is None else issuer[0], hashes.SHA256())


def bundle() -> str:
    """The CA, as ``caBundle`` holds it."""
    return base64.b64encode(_authority()[1].public_bytes(serialization.Encoding.PEM)).decode()


@contextmanager
def webhook(directory: Path, host: str = "127.0.0.1") -> Iterator[Webhook]:
    """A running webhook, whose certificate is for ``host``."""
    import ipaddress

    name: x509.GeneralName = x509.DNSName(host)
    if host[0].isdigit():
        name = x509.IPAddress(ipaddress.ip_address(host))
    key, certificate = _signed(_authority(), host, [name])
    path = directory / f"{host}.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )

    class Serve(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            path = self.path.partition("?")[0]
            hook.seen.append(review["request"])
            hook.paths.append(path)
            if hook.raw is not None:
                self.wfile.write(hook.raw(review["request"]["uid"]))
                return
            answer = {**review, "request": None, "response": {"uid": review["request"]["uid"]}}
            if hook.code == 200:
                answer["response"] |= hook.answers.get(path, hook.respond)(review["request"])
            body = json.dumps(answer).encode()
            self.send_response(hook.code)
            if hook.location:
                self.send_header("Location", hook.location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A caller that hangs up is no news."""

    server = Quiet(("127.0.0.1", 0), Serve)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    hook = Webhook(server.server_address[1], bundle())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def json_patch(*operations: Json) -> Json:
    """An answer that changes the object."""
    encoded = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": encoded}
