"""Say where the server is, and where the services are that belong to the cluster.

kube-lite cluster-info
"""

from __future__ import annotations

import argparse

from kube_lite.cli.connection import Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import builtin_named

HELP = "say where the server is"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite cluster-info``."""
    parser.add_argument("what", nargs="*", help=argparse.SUPPRESS)
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print."""
    if args.what:
        raise CommandError(f"unexpected arguments: {args.what}; objects in full: kube-lite get all -A -o yaml")
    api = open_api(args)
    services = builtin_named("services")
    assert services is not None
    found = api.list_all(
        services.path(args.namespace or "kube-system"), {"labelSelector": "kubernetes.io/cluster-service=true"}
    )
    print(f"Kubernetes control plane is running at {api.url}")
    for service in found.get("items") or ():
        labels = service["metadata"].get("labels") or {}
        name = labels.get("kubernetes.io/name") or service["metadata"]["name"]
        print(f"{name} is running at {_address(api.url, service)}")
    print("\nTo further debug and diagnose cluster problems, use 'kube-lite get events -A'.")
    return 0


def _address(server: str, service: Obj) -> str:
    """A load balancer's address, else the way through the server."""
    metadata = service["metadata"]
    ports = (service.get("spec") or {}).get("ports") or ()
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    if ingress:
        host = ingress[0].get("ip") or ingress[0].get("hostname")
        return " ".join(f"http://{host}:{port['port']}" for port in ports)
    name = metadata["name"]
    if ports:
        scheme = "https:" if ports[0].get("name") == "https" or ports[0]["port"] == 443 else ""
        name = f"{scheme}{name}:{ports[0].get('name') or ''}" if scheme or ports[0].get("name") else name
    return f"{server}/api/v1/namespaces/{metadata['namespace']}/services/{name}/proxy"
