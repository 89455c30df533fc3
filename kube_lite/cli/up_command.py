"""Run a whole cluster: the server and one real node, in one command. Needs root.

    kube-lite up --data-dir ./data
    kube-lite up --data-dir ./data --registry-mirror docker.io=http://127.0.0.1:5000
    kube-lite up --data-dir ./data --no-node --sim-nodes 100     # no root needed

When it is ready it prints one line with the URL and the kubeconfig. Ctrl-C stops everything, containers too;
--keep-pods leaves them running, and the next "up" on the same directory finds them.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kube_lite.cli.main import CommandError
from kube_lite.cli.node_flags import add_node_flags, mirrors, require_root
from kube_lite.cli.running import run_until_signal
from kube_lite.cli.server_flags import add_server_flags, server_settings

if TYPE_CHECKING:
    from anyio.abc import Process

HELP = "server and one real node in one command"
NODE_PAUSE = 5.0
"""Seconds between two starts of a node executor that ended by itself."""
NODE_STOP = 60.0
"""Seconds that the node gets to end its containers: longer than the usual grace period of 30."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite up``."""
    add_server_flags(parser)
    add_node_flags(parser)
    parser.add_argument(
        "--node-name", metavar="NAME", default=socket.gethostname(), help="name of the node (default: %(default)s)"
    )
    parser.add_argument("--no-node", action="store_true", help="start no real node")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal."""
    started = time.perf_counter()
    if not args.no_node:
        require_root()
    mirrors(args.registry_mirror)
    settings = server_settings(args)

    async def serve() -> None:
        import anyio

        from kube_lite.live.server import serve as live

        async with live(settings) as server:
            if args.no_node:
                _print_ready(server.url, settings.admin_kubeconfig, started)
                await anyio.sleep_forever()
            again = False
            while True:
                node = await _start_node(args, server.url, settings.data_dir, settings.node_token)
                try:
                    began = time.perf_counter()
                    await _wait_ready(node)
                    if not again:
                        _print_ready(server.url, settings.admin_kubeconfig, started)
                    again = True
                    code = await node.wait()
                except CommandError as error:
                    if not again:
                        raise
                    print(f"error: {error}", file=sys.stderr)
                else:
                    print(f"the node executor ended with code {code}; it is started again", file=sys.stderr)
                finally:
                    await _stop_node(node)
                # its containers run on meanwhile; one that cannot start is not asked all the time
                await anyio.sleep(max(0.0, NODE_PAUSE - (time.perf_counter() - began)))

    return run_until_signal(serve)


def _print_ready(url: str, kubeconfig: Path, started: float) -> None:
    print(f"ready: {url} kubeconfig: {kubeconfig} ({time.perf_counter() - started:.2f} s)", flush=True)


async def _start_node(args: argparse.Namespace, url: str, data_dir: Path, token: Path) -> Process:
    import anyio

    command = [sys.executable, "-m", "kube_lite", "node", "--server", url, "--token-file", str(token)]
    command += ["--name", args.node_name, "--data-dir", str(data_dir / "node")]
    for mirror in args.registry_mirror:
        command += ["--registry-mirror", mirror]
    for registry in args.insecure_registry:
        command += ["--insecure-registry", registry]
    if args.keep_pods:
        command.append("--keep-pods")
    # in a session of its own: Ctrl-C reaches only us, and the server outlives the node's last writes
    return await anyio.open_process(command, stdout=subprocess.PIPE, stderr=None, start_new_session=True)


async def _wait_ready(node: Process) -> None:
    assert node.stdout is not None
    async for chunk in node.stdout:
        if b"ready:" in chunk:
            return
    code = await node.wait()
    raise CommandError(f"the node executor did not start (code {code}); what it said is above")


async def _stop_node(node: Process) -> None:
    import anyio

    if node.returncode is not None:
        return
    with anyio.CancelScope(shield=True):
        os.kill(node.pid, signal.SIGTERM)
        with anyio.move_on_after(NODE_STOP):
            await node.wait()
        if node.returncode is None:
            node.kill()
            await node.wait()
