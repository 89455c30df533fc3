"""Joining a cluster: from the node token to a client certificate of the node's own.

The token names the SHA-256 of the server's CA and a secret (``K10<hash>::node:<secret>``). The CA is fetched
without trust, checked against the hash, and only then is the secret sent, together with a request for a
certificate whose key never leaves this machine. What comes back is kept, so a second start needs no token.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from kube_lite.client.kubeconfig import Connection

KEPT = "membership.json"
"""The file by which a data directory is known to be a node's."""
_TOKEN = re.compile(r"K10([0-9a-f]{64})::node:(\S+)")
TIMEOUT = 10.0
"""Seconds for each of the two requests."""


class JoinError(Exception):
    """Raised when the node cannot join; says what to do."""


class Membership(msgspec.Struct, frozen=True):
    """What a node knows of its cluster."""

    connection: Connection
    cluster_cidr: str
    service_cidr: str


def read_token(path: Path) -> tuple[str, str]:
    """The CA's hash and the secret in a token file. :raises JoinError: not such a file"""
    try:
        text = path.read_text(errors="replace").strip()
    except OSError as error:
        raise JoinError(
            f"cannot read the node token {path}: {error.strerror}; the server writes DIR/node.token"
        ) from error
    found = _TOKEN.fullmatch(text)
    if found is None:
        raise JoinError(f"{path} holds no node token (K10<hash>::node:<secret>); copy the server's DIR/node.token")
    return found.group(1), found.group(2)


def join(server: str, name: str, directory: Path, token_file: Path | None) -> Membership:
    """Join as ``name``, or take up what an earlier join left in ``directory``. Blocks; run it in a thread.

    :raises JoinError: the server cannot be reached, is not the one of the token, or refuses
    """
    _address(server)
    kept = _read_kept(directory)
    if kept is not None and (other := kept.get("name", name)) != name:
        raise JoinError(f"{directory} is node {other}'s: start it as --name {other}, or choose another data directory")
    if kept is not None and (token_file is None or _same_cluster(directory, token_file)):
        return _membership(directory, server, kept)
    if token_file is None:
        raise JoinError("this node has not joined yet: give --token-file, a copy of the server's DIR/node.token")
    fingerprint, secret = read_token(token_file)
    ca = _authority(server, fingerprint)
    key, request = _signing_request(name)
    answer = _ask(server, ca, secret, name, request)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(directory / "ca.crt", ca)
    _write(directory / "node.key", key)
    _write(directory / "node.crt", str(answer["certificate"]).encode())
    known = {"name": name, **{k: str(answer[k]) for k in ("clusterCIDR", "serviceCIDR")}}
    _write(directory / KEPT, json.dumps(known).encode())
    return _membership(directory, server, known)


def _address(server: str) -> tuple[str, int]:
    """Host and port. :raises JoinError: not the URL of a server"""
    try:
        parts = urlsplit(server)
        if parts.scheme == "https" and parts.hostname:
            return parts.hostname, parts.port or 443
    except ValueError:  # the port is no number, or a bracket is open
        pass
    raise JoinError(f"--server {server}: want a URL such as https://10.0.0.1:6443")


def _read_kept(directory: Path) -> dict[str, str] | None:
    """What an earlier join left; None when there was none. :raises JoinError: it is damaged"""
    path = directory / KEPT
    if not path.exists():
        return None
    try:
        found: dict[str, str] = json.loads(path.read_bytes())
        if {"clusterCIDR", "serviceCIDR"} <= found.keys():
            return found
    except (ValueError, AttributeError):  # cut short, or no object
        pass
    raise JoinError(f"{path} is damaged: remove it, and join again with --token-file")


def _same_cluster(directory: Path, token_file: Path) -> bool:
    fingerprint, _ = read_token(token_file)
    return hashlib.sha256((directory / "ca.crt").read_bytes()).hexdigest() == fingerprint


def _membership(directory: Path, server: str, known: Mapping[str, str]) -> Membership:
    connection = Connection(
        server=server,
        ca=(directory / "ca.crt").read_bytes(),
        client_certificate=(directory / "node.crt").read_bytes(),
        client_key=(directory / "node.key").read_bytes(),
    )
    return Membership(connection, known["clusterCIDR"], known["serviceCIDR"])


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _authority(server: str, fingerprint: str) -> bytes:
    # the answer is worthless until its hash is checked, so nothing secret goes over this connection
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, ca = _request(server, context, "GET", "/kube-lite/cacerts", b"", {})
    if hashlib.sha256(ca).hexdigest() != fingerprint:
        raise JoinError(f"{server} is not the server of this token: its CA has another hash")
    return ca


def _signing_request(name: str) -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{name}")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, request.public_bytes(pem)


def _ask(server: str, ca: bytes, secret: str, name: str, request: bytes) -> dict[str, object]:
    context = ssl.create_default_context(cadata=ca.decode())
    body = json.dumps({"request": request.decode()}).encode()
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    path = f"/apis/node.kube-lite.io/v1/nodes/{name}/join"
    code, answer = _request(server, context, "POST", path, body, headers)
    try:
        decoded: dict[str, object] = json.loads(answer)
    except ValueError as error:
        raise JoinError(f"{server} answered the join with something that is not JSON ({code})") from error
    if code == 401:
        raise JoinError(
            f"{server} refused the join: Unauthorized: its node token is another one; copy its DIR/node.token again"
        )
    if code != 201:
        raise JoinError(f"{server} refused the join: {decoded.get('message', code)}")
    return decoded


def _request(
    server: str, context: ssl.SSLContext, method: str, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection(*_address(server), timeout=TIMEOUT, context=context)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except ssl.SSLError as error:
        raise JoinError(f"{server}: TLS failed: {error.reason}; is its certificate valid for this address?") from error
    except (OSError, http.client.HTTPException) as error:
        raise JoinError(f"cannot reach {server}: {error}; is the server running?") from error
    finally:
        connection.close()
