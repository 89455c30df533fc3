"""Flags that ``node`` and ``up`` share."""

from __future__ import annotations

import argparse

from kube_lite.cli.main import CommandError


def add_node_flags(parser: argparse.ArgumentParser) -> None:
    """Add them to a command."""
    add = parser.add_argument
    add(
        "--registry-mirror",
        metavar="REGISTRY=URL",
        action="append",
        default=[],
        help="fetch images of REGISTRY from URL, such as docker.io=http://127.0.0.1:5000; may be repeated",
    )
    add(
        "--insecure-registry",
        metavar="HOST[:PORT]",
        action="append",
        default=[],
        help="a registry that speaks plain http; may be repeated",
    )
    add("--keep-pods", action="store_true", help="leave the containers running when stopped")


def mirrors(values: list[str]) -> dict[str, str]:
    """``REGISTRY=URL`` pairs. :raises CommandError: one is not of that form"""
    found = {}
    for value in values:
        registry, equals, url = value.partition("=")
        if not equals or not registry or not url.startswith(("http://", "https://")):
            raise CommandError(f"--registry-mirror {value}: want REGISTRY=URL, such as docker.io=http://127.0.0.1:5000")
        found[registry] = url
    return found


def insecure(values: list[str]) -> tuple[str, ...]:
    """Registries to speak http with. :raises CommandError: one is not HOST[:PORT]"""
    for value in values:
        if not value or "/" in value:
            raise CommandError(f"--insecure-registry {value}: want HOST[:PORT], such as registry.local:5000")
    return tuple(values)


def check_name(flag: str, name: str) -> str:
    """A node name. :raises CommandError: not a DNS subdomain, or too long for the label that a node has by its name"""
    import re

    if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name):
        raise CommandError(f"{flag} {name}: a node name has lower-case letters, digits, '-' and '.', such as node-1")
    if len(name) > 63:
        raise CommandError(f"{flag} {name}: a node name has at most 63 characters, not {len(name)}")
    return name


def check_address(address: str) -> str:
    """A node's address, '' to find it. :raises CommandError: not an IP address"""
    import ipaddress

    if address:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise CommandError(f"--address {address}: want an IP address, such as 10.0.0.2") from None
    return address


def own_name() -> str:
    """The name of a node that was not given any: the machine's, in lower case as the kubelet has it."""
    import socket

    return socket.gethostname().lower()


def require_root() -> None:
    """:raises CommandError: this process may not make containers"""
    import os

    if os.geteuid() != 0:
        raise CommandError(
            "a real node needs root, for namespaces, mounts and cgroups; "
            "run it with sudo, or use simulated nodes: kube-lite server --sim-nodes 3"
        )
