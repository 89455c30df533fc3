"""Run a node executor: it joins a server and runs the pods that are bound to it. Needs root.

    kube-lite node --server https://10.0.0.1:6443 --token-file node.token --name n1 --data-dir /var/lib/kube-lite-n1
    kube-lite node --server https://10.0.0.1:6443 --name n1 --data-dir ...     # later: it has joined already

The token file is a copy of the server's DIR/node.token. No port is opened: the node dials out. It prints one
line when it is ready. Ctrl-C stops its containers too; --keep-pods leaves them, and the next start finds them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from kube_lite.cli.main import CommandError
from kube_lite.cli.node_flags import (
    add_node_flags,
    check_address,
    check_name,
    insecure,
    mirrors,
    own_name,
    require_root,
)
from kube_lite.cli.running import Stop, run_until_signal

HELP = "a node executor that joins a server"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite node``."""
    add = parser.add_argument
    add("--server", metavar="URL", required=True, help="the server, such as https://10.0.0.1:6443")
    add("--token-file", metavar="FILE", help="a copy of the server's DIR/node.token; needed the first time")
    add("--name", metavar="NAME", default=own_name(), help="name of the Node (default: %(default)s)")
    add("--data-dir", metavar="DIR", required=True, help="images, containers and the node's key")
    add("--address", metavar="IP", default="", help="the node's address (default: the one on the way to the server)")
    add_node_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Be a node until a signal."""
    require_root()
    if not args.data_dir:
        raise CommandError("--data-dir is empty: want a directory, such as /var/lib/kube-lite-n1")
    started = time.perf_counter()

    async def serve(stop: Stop) -> None:
        from kube_lite.live.node import LiveNodeOptions, live_node
        from kube_lite.node.join import JoinError

        options = LiveNodeOptions(
            server=args.server,
            name=check_name("--name", args.name),
            data_dir=Path(args.data_dir),
            token_file=Path(args.token_file) if args.token_file else None,
            registry_mirrors=mirrors(args.registry_mirror),
            insecure_registries=insecure(args.insecure_registry),
            keep_pods=args.keep_pods,
            address=check_address(args.address),
        )
        try:
            async with live_node(options) as node:
                await node.ready.wait()
                print(f"ready: node {options.name} ({time.perf_counter() - started:.2f} s)", flush=True)
                await stop.wait()
        except JoinError as error:
            raise CommandError(str(error)) from error

    run_until_signal(serve)
