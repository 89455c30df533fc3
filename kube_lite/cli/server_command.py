"""Run the control plane: API server, store, scheduler and controllers.

    kube-lite server --data-dir ./data
    kube-lite server --data-dir ./data --listen 0.0.0.0:6443      # for nodes on other machines
    kube-lite server --data-dir ./data --sim-nodes 100            # with simulated nodes

When it is ready it prints one line with the URL and the kubeconfig. Nodes join with DIR/node.token:

    kube-lite node --server https://HOST:6443 --token-file node.token --name n1 --data-dir /var/lib/kube-lite-n1

SIGINT (Ctrl-C) or SIGTERM stops it: /readyz fails, watches end, requests under way are finished. A second one ends it
at once.
"""

from __future__ import annotations

import argparse
import time

from kube_lite.cli.running import Stop, loading, run_until_signal
from kube_lite.cli.server_flags import add_server_flags, server_settings

HELP = "API server, store, scheduler and controllers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite server``."""
    add_server_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal."""
    started = time.perf_counter()
    settings = server_settings(args)

    async def serve(stop: Stop) -> None:
        with loading():
            from kube_lite.live.server import serve as live

        async with live(settings) as server:
            seconds = time.perf_counter() - started
            print(f"ready: {server.url} kubeconfig: {settings.admin_kubeconfig} ({seconds:.2f} s)", flush=True)
            await stop.wait()

    run_until_signal(serve)
