"""Print the versions of client and server.

kube-lite version
kube-lite version --client          # without asking a server
kube-lite version -o json
"""

from __future__ import annotations

import argparse

from kube_lite import KUBERNETES_VERSION, __version__
from kube_lite.cli import output
from kube_lite.cli.flags import add_connection_flags, open_api

HELP = "versions of client and server"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite version``."""
    parser.add_argument("--client", action="store_true", help="only of the client; no server is asked")
    parser.add_argument("-o", "--output", default="", choices=("", "json", "yaml"))
    add_connection_flags(parser, namespace=False)


def run(args: argparse.Namespace) -> int:
    """Print them."""
    client = {"gitVersion": KUBERNETES_VERSION, "kubeLiteVersion": __version__}
    versions = {"clientVersion": client}
    if not args.client:
        versions["serverVersion"] = open_api(args).get("/version")
    if args.output == "json":
        print(output.to_json(versions))
    elif args.output == "yaml":
        print(output.to_yaml(versions), end="")
    else:
        print(f"kube-lite {__version__}")
        print(f"Client Version: {KUBERNETES_VERSION}")
        if "serverVersion" in versions:
            print(f"Server Version: {versions['serverVersion']['gitVersion']}")
    return 0
