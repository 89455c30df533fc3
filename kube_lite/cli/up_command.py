"""Run a whole cluster: the server and one real node, in one command. Needs root.

    kube-lite up --data-dir ./data
    kube-lite up --data-dir ./data --registry-mirror docker.io=http://127.0.0.1:5000
    kube-lite up --data-dir ./data --no-node --sim-nodes 100     # no root needed

When it is ready it prints one line with the URL and the kubeconfig. Ctrl-C stops everything, containers too;
--keep-pods leaves them running, and the next "up" on the same directory finds them. A second Ctrl-C ends the server at
once.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kube_lite.cli.main import CommandError
from kube_lite.cli.node_flags import add_node_flags, check_name, insecure, mirrors, own_name, require_root
from kube_lite.cli.running import Stop, loading, run_until_signal
from kube_lite.cli.server_flags import add_server_flags, server_settings

if TYPE_CHECKING:
    from anyio.abc import Process

HELP = "server and one real node in one command"
NODE_PAUSE = 2.0
"""Seconds before a node executor that ended by itself is started again; its containers run on meanwhile."""
NODE_STOP = 60.0
"""Seconds that the node gets to end its containers: longer than the usual grace period of 30."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite up``."""
    add_server_flags(parser)
    add_node_flags(parser)
    parser.add_argument(
        "--node-name", metavar="NAME", default=own_name(), help="name of the node (default: %(default)s)"
    )
    parser.add_argument("--no-node", action="store_true", help="start no real node")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal."""
    started = time.perf_counter()
    if not args.no_node:
        require_root()
        check_name("--node-name", args.node_name)
    mirrors(args.registry_mirror)
    insecure(args.insecure_registry)
    settings = server_settings(args)

    async def serve(stop: Stop) -> None:
        with loading():
            from kube_lite.live.server import serve as live

        async with live(settings) as server:
            if args.no_node:
                _print_ready(server.url, settings.admin_kubeconfig, started)
                await stop.wait()
                return
            node = await _start_node(args, server.url, settings.data_dir, settings.node_token)
            try:
                await _wait_ready(node)
                _print_ready(server.url, settings.admin_kubeconfig, started)
                while (code := await _until_stop(node, stop)) is not None:
                    print(f"the node executor ended with code {code}; it is started again", file=sys.stderr)
                    if await _stopped_within(stop, NODE_PAUSE):
                        break
                    node = await _start_node(args, server.url, settings.data_dir, settings.node_token)
                server.begin_stop()
            finally:
                await _stop_node(node)

    run_until_signal(serve)


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


async def _until_stop(node: Process, stop: Stop) -> int | None:
    """None when the command should end; the node's exit code when that ends before."""
    import anyio

    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            await stop.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        code = await node.wait()
        tasks.cancel_scope.cancel()
        return code
    return None


async def _stopped_within(stop: Stop, seconds: float) -> bool:
    import anyio

    with anyio.move_on_after(seconds):
        await stop.wait()
        return True
    return False


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
