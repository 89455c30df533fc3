"""The objects that ``create KIND NAME`` makes of its flags; the same ones that kubectl makes."""

from __future__ import annotations

import argparse
import base64
import json
import os
from collections.abc import Callable, Iterator

from kube_lite.cli.connection import Obj
from kube_lite.cli.main import CommandError

SECRETS = ("generic", "tls", "docker-registry")
SERVICES = {"clusterip": "ClusterIP", "nodeport": "NodePort", "loadbalancer": "LoadBalancer"}
SERVICES["externalname"] = "ExternalName"


def made(words: list[str], command: list[str], args: argparse.Namespace) -> Obj:
    """The object for ``KIND [TYPE] NAME``.

    :param command: what stood behind ``--``
    :raises CommandError: no such kind, a flag is missing, or a file cannot be read
    """
    if not words:
        raise CommandError("want -f FILE, or a kind and a name: kube-lite create namespace team-a")
    kind, rest = words[0], words[1:]
    subtype = ""
    if kind in ("secret", "service", "svc"):
        if not rest:
            raise CommandError(f"create {kind}: want one of {', '.join(SECRETS if kind == 'secret' else SERVICES)}")
        subtype, rest = rest[0], rest[1:]
    maker = MAKERS.get(kind)
    if maker is None:
        kinds = ", ".join(sorted({"token", *MAKERS} - set(ALIASES)))
        raise CommandError(f'unknown kind "{kind}" for create; it makes {kinds}; everything else with -f FILE')
    if len(rest) != 1:
        raise CommandError(f"exactly one NAME is required, got {len(rest)}")
    return maker(rest[0], subtype, command, args)


def _object(api_version: str, kind: str, name: str, **fields: object) -> Obj:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


def _namespace(name: str, subtype: str, command: list[str], args: argparse.Namespace) -> Obj:
    return _object("v1", "Namespace", name)


def _service_account(name: str, subtype: str, command: list[str], args: argparse.Namespace) -> Obj:
    return _object("v1", "ServiceAccount", name)


def _containers(args: argparse.Namespace, command: list[str], name: str = "") -> list[Obj]:
    if not args.image:
        raise CommandError('required flag(s) "image" not set')
    containers = []
    for image in args.image:
        # the last part of the image's name, without tag and digest, as kubectl names containers
        own = image.rpartition("/")[2].partition("@")[0].partition(":")[0].replace("_", "-")
        container: Obj = {"name": name or own, "image": image}
        if command:
            container["command"] = command
        containers.append(container)
    return containers


def _deployment(name: str, subtype: str, command: list[str], args: argparse.Namespace) -> Obj:
    containers = _containers(args, command)
    if command and len(containers) > 1:
        raise CommandError("cannot specify multiple --image options and command")
    if args.port:
        for container in containers:
            container["ports"] = [{"containerPort": args.port}]
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": args.replicas, "selector": {"matchLabels": labels}, "template": template}
    made = _object("apps/v1", "Deployment", name, spec=spec)
    made["metadata"]["labels"] = labels
    return made


def _job(name: str, subtype: str, command: list[str], args: argparse.Namespace) -> Obj:
    pod = {"containers": _containers(args, command, name)[:1], "restartPolicy": "Never"}
    return _object("batch/v1", "Job", name, spec={"template": {"spec": pod}})


def _configmap(name: str, subtype: str, command: list[str], args: argparse.Namespace) -> Obj:
    text: dict[str, str] = {}
    binary: dict[str, str] = {}
    for key, data in _entries(args):
        if key in text or key in binary:
            raise CommandError(f'cannot add key "{key}", another key by that name already exists in Data')
        try:
            text[key] = data.decode()
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(data).decode()
    made = _object("v1", "ConfigMap", name)
    if text:
        made["data"] = text
    if binary:
        made["binaryData"] = binary
    return made


def _secret(name: str, subtype: str, command: list[str], args: argparse.Namespace) -> Obj:
    kind = args.type
    if subtype == "generic":
        data = dict(_entries(args))
    elif subtype == "tls":
        if not args.cert or not args.key:
            raise CommandError("key and cert must be specified: --cert=FILE --key=FILE")
        data, kind = {"tls.crt": _read(args.cert), "tls.key": _read(args.key)}, "kubernetes.io/tls"
    elif subtype == "docker-registry":
        data, kind = {".dockerconfigjson": _docker_config(args)}, "kubernetes.io/dockerconfigjson"
    else:
        raise CommandError(f'unknown type "{subtype}" of secret; want one of {", ".join(SECRETS)}')
    made = _object("v1", "Secret", name)
    if data:
        made["data"] = {key: base64.b64encode(value).decode() for key, value in data.items()}
    if kind:
        made["type"] = kind
    return made


def _docker_config(args: argparse.Namespace) -> bytes:
    if not args.docker_username or not args.docker_password:
        raise CommandError("--docker-username and --docker-password are required")
    login: Obj = {"username": args.docker_username, "password": args.docker_password}
    if args.docker_email:
        login["email"] = args.docker_email
    login["auth"] = base64.b64encode(f"{args.docker_username}:{args.docker_password}".encode()).decode()
    return json.dumps({"auths": {args.docker_server: login}}, separators=(",", ":")).encode()


def _service(name: str, subtype: str, command: list[str], args: argparse.Namespace) -> Obj:
    if subtype not in SERVICES:
        raise CommandError(f'unknown type "{subtype}" of service; want one of {", ".join(SERVICES)}')
    labels = {"app": name}
    spec: Obj = {"type": SERVICES[subtype], "selector": labels}
    ports = [_port(text) for text in args.tcp]
    if ports:
        spec["ports"] = ports
    elif subtype != "externalname" and args.clusterip != "None":
        raise CommandError("at least one tcp port specifier must be provided: --tcp=PORT[:TARGET]")
    if args.clusterip:
        spec["clusterIP"] = args.clusterip
    if subtype == "externalname":
        if not args.external_name:
            raise CommandError('required flag(s) "external-name" not set')
        spec["externalName"] = args.external_name
    made = _object("v1", "Service", name, spec=spec)
    made["metadata"]["labels"] = labels
    return made


def _port(text: str) -> Obj:
    port, _, target = text.partition(":")
    if not port.isdigit():
        raise CommandError(f"invalid port {text!r}: want PORT or PORT:TARGET")
    where = target or port
    name = text.replace(":", "-")
    return {"name": name, "port": int(port), "protocol": "TCP", "targetPort": int(where) if where.isdigit() else where}


def _entries(args: argparse.Namespace) -> Iterator[tuple[str, bytes]]:
    """Keys and values of ``--from-literal``, ``--from-file`` and ``--from-env-file``."""
    for literal in args.from_literal:
        key, equals, value = literal.partition("=")
        if not equals or not key:
            raise CommandError(f"invalid literal source {literal}, expected key=value")
        yield key, value.strip("'\"").encode() if value[:1] == value[-1:] and value[:1] in "'\"" else value.encode()
    for source in args.from_file:
        key, equals, path = source.rpartition("=")
        if not equals and os.path.isdir(path):
            for name in sorted(os.listdir(path)):
                if os.path.isfile(os.path.join(path, name)):
                    yield name, _read(os.path.join(path, name))
        else:
            yield key or os.path.basename(path), _read(path)
    for path in args.from_env_file:
        for line in _read(path).decode().splitlines():
            text = line.lstrip()
            if text and not text.startswith("#"):
                key, equals, value = text.partition("=")
                yield key, (value if equals else os.environ.get(key, "")).encode()


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise CommandError(f"error reading {path}: {error.strerror}") from error


Maker = Callable[[str, str, list[str], argparse.Namespace], Obj]
ALIASES = {"ns": "namespace", "deploy": "deployment", "cm": "configmap", "sa": "serviceaccount", "svc": "service"}
MAKERS: dict[str, Maker] = {
    "namespace": _namespace,
    "deployment": _deployment,
    "job": _job,
    "configmap": _configmap,
    "secret": _secret,
    "service": _service,
    "serviceaccount": _service_account,
}
MAKERS.update({alias: MAKERS[kind] for alias, kind in ALIASES.items()})
