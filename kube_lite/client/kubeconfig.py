"""Kubeconfig files: read (several merged, as kubectl does), pick a context, write.

Nothing here opens a connection. Paths inside a file are relative to that file; inline ``*-data`` wins over
paths. The file holds keys, so it is written with mode 0600, and all at once.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kube_lite.client import plain_yaml


class KubeconfigError(ValueError):
    """Raised when there is no usable configuration; says what is wrong with which file or entry."""


class Connection(NamedTuple):
    """How to reach an API server, and as whom. PEM data as bytes.

    :param unix_socket: path of a socket to use instead of the host in ``server``
    :param ca: certificates to trust; empty means the system's
    """

    server: str
    ca: bytes = b""
    client_certificate: bytes = b""
    client_key: bytes = b""
    token: str = ""
    unix_socket: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    namespace: str = "default"

    def __repr__(self) -> str:
        """Without key and token: this may end in a log."""
        return f"Connection(server={self.server!r}, namespace={self.namespace!r}, unix_socket={self.unix_socket!r})"


class Kubeconfig(NamedTuple):
    """The merged content of kubeconfig files; entries as decoded, each with the directory it came from."""

    current_context: str
    clusters: Mapping[str, tuple[Mapping[str, Any], Path]]
    users: Mapping[str, tuple[Mapping[str, Any], Path]]
    contexts: Mapping[str, Mapping[str, Any]]

    def connection(self, context: str = "") -> Connection:
        """The connection of ``context``, or of the current one. :raises KubeconfigError:"""
        name = context or self.current_context
        if not name:
            raise KubeconfigError("no context chosen and no current-context set")
        if name not in self.contexts:
            raise KubeconfigError(f'context "{name}" does not exist')
        chosen = self.contexts[name]
        cluster_name, user_name = str(chosen.get("cluster") or ""), str(chosen.get("user") or "")
        if cluster_name not in self.clusters:
            raise KubeconfigError(f'context "{name}": cluster "{cluster_name}" does not exist')
        cluster, base = self.clusters[cluster_name]
        user, user_base = self.users.get(user_name, ({}, base))
        for unsupported in ("exec", "auth-provider"):
            if user.get(unsupported):
                raise KubeconfigError(f'user "{user_name}": {unsupported} is not supported, use a token or certificate')
        token = str(user.get("token") or "")
        if not token and user.get("tokenFile"):
            token = _read(user_base / str(user["tokenFile"])).decode().strip()
        return Connection(
            server=str(cluster.get("server") or ""),
            ca=_pem(cluster, "certificate-authority", base),
            client_certificate=_pem(user, "client-certificate", user_base),
            client_key=_pem(user, "client-key", user_base),
            token=token,
            insecure=bool(cluster.get("insecure-skip-tls-verify")),
            tls_server_name=str(cluster.get("tls-server-name") or ""),
            namespace=str(chosen.get("namespace") or "default"),
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KubeconfigError(f"unable to read {path}: {error.strerror}") from error


def _pem(entry: Mapping[str, Any], name: str, base: Path) -> bytes:
    if data := entry.get(f"{name}-data"):
        try:
            return base64.b64decode(str(data), validate=True)
        except binascii.Error as error:
            raise KubeconfigError(f"{name}-data is not base64: {error}") from error
    return _read(base / str(entry[name])) if entry.get(name) else b""


def default_paths(explicit: str = "", environment: Mapping[str, str] | None = None) -> list[Path]:
    """Where kubectl looks: ``explicit``, else the files of $KUBECONFIG, else ~/.kube/config."""
    env = os.environ if environment is None else environment
    if explicit:
        return [Path(explicit)]
    if env.get("KUBECONFIG"):
        return [Path(p) for p in env["KUBECONFIG"].split(os.pathsep) if p]
    return [Path(env.get("HOME", "/root")) / ".kube" / "config"]


def load(paths: Sequence[Path]) -> Kubeconfig:
    """Read and merge files; the first one to name something wins. Missing files are skipped unless all are.

    :raises KubeconfigError: none exists, or one cannot be read
    """
    current = ""
    clusters: dict[str, tuple[Mapping[str, Any], Path]] = {}
    users: dict[str, tuple[Mapping[str, Any], Path]] = {}
    contexts: dict[str, Mapping[str, Any]] = {}
    present = [path for path in paths if _exists(path)]
    if not present:
        raise KubeconfigError(f"no kubeconfig at {', '.join(map(str, paths))}")
    for path in present:
        content = _decode(path) or {}
        if not isinstance(content, dict):
            raise KubeconfigError(f"{path}: not a kubeconfig")
        current = current or str(content.get("current-context") or "")
        for kind, into in (("clusters", clusters), ("users", users)):
            for name, entry in _entries(content, kind, path):
                into.setdefault(name, (entry, path.parent))
        for name, entry in _entries(content, "contexts", path):
            contexts.setdefault(name, entry)
    return Kubeconfig(current, clusters, users, contexts)


def _entries(content: Mapping[str, Any], kind: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The named entries of one list. :raises KubeconfigError: it is of another form"""
    entries = content.get(kind) or ()
    for item in entries if isinstance(entries, Sequence) else (entries,):
        entry = (item.get(kind[:-1]) or {}) if isinstance(item, dict) else None
        if not isinstance(entry, dict):
            raise KubeconfigError(f"{path}: not a kubeconfig: {kind} is no list of named entries")
        yield str(item.get("name")), entry


def _exists(path: Path) -> bool:
    """Whether there is a file. :raises KubeconfigError: we may not look"""
    try:
        return path.exists()
    except OSError as error:
        raise KubeconfigError(f"cannot read {path}: {error.strerror}") from error


def _decode(path: Path) -> Any:
    try:
        text = _read(path).decode()
    except UnicodeDecodeError as error:
        raise KubeconfigError(f"{path}: not a kubeconfig") from error
    content = plain_yaml.decode(text)
    if content is not None:
        return content
    import yaml

    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise KubeconfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error


def render(connection: Connection, name: str = "kube-lite", user: str = "admin") -> str:
    """A self-contained kubeconfig of one cluster, user and context, as YAML."""
    import yaml

    def data(value: bytes) -> str:
        return base64.b64encode(value).decode()

    cluster: dict[str, Any] = {"server": connection.server}
    if connection.ca:
        cluster["certificate-authority-data"] = data(connection.ca)
    if connection.insecure:
        cluster["insecure-skip-tls-verify"] = True
    if connection.tls_server_name:
        cluster["tls-server-name"] = connection.tls_server_name
    identity: dict[str, Any] = {}
    if connection.client_certificate:
        identity["client-certificate-data"] = data(connection.client_certificate)
        identity["client-key-data"] = data(connection.client_key)
    if connection.token:
        identity["token"] = connection.token
    context = {"cluster": name, "user": user, "namespace": connection.namespace}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": user, "user": identity}],
        "contexts": [{"name": name, "context": context}],
        "current-context": name,
    }
    return str(yaml.safe_dump(content, sort_keys=False))


def write(path: Path, text: str) -> None:
    """Put ``text`` at ``path``, readable by its owner only; a reader sees the old file or the new one."""
    import tempfile

    if path.is_file() and path.read_text(encoding="utf-8") == text and not path.stat().st_mode & 0o077:
        return  # needs no room on a disk that may be full
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, staged = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staged, path)
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise
