"""Flags that ``server`` and ``up`` share, named as upstream's components name them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kube_lite.cli.main import CommandError

if TYPE_CHECKING:
    from kube_lite.settings import ServerSettings

DEFAULT_DATA_DIR = "/var/lib/kube-lite"
DEFAULT_LISTEN = "127.0.0.1:6443"


def add_server_flags(parser: argparse.ArgumentParser) -> None:
    """Add them to a command."""
    add = parser.add_argument
    add("--data-dir", metavar="DIR", default=DEFAULT_DATA_DIR, help="where all state lies (default: %(default)s)")
    add("--listen", metavar="HOST:PORT", default=DEFAULT_LISTEN, help="address of the API (default: %(default)s)")
    add("--sim-nodes", metavar="N", type=int, default=0, help="add N simulated nodes")
    add("--seed", metavar="N", type=int, help="seed of every random choice, so that runs repeat")
    add("--token-auth-file", metavar="FILE", help='static tokens: lines of token,user,uid,"group1,group2"')
    add(
        "--controllers",
        metavar="LIST",
        default="*",
        help='controllers to run: "*", names, "-name" to leave one out, "" for none (default: all)',
    )
    add("--disable-admission-plugins", metavar="LIST", default="", help="admission plugins to leave out, by name")
    add(
        "--legacy-service-account-tokens",
        action="store_true",
        help="give every ServiceAccount a token Secret, which clients of Kubernetes 1.23 and older wait for",
    )
    add(
        "--service-cluster-ip-range",
        metavar="CIDR",
        default="10.96.0.0/12",
        help="addresses of Services (default: %(default)s)",
    )
    add("--cluster-cidr", metavar="CIDR", default="10.244.0.0/16", help="addresses of pods (default: %(default)s)")
    add(
        "--node-monitor-grace-period",
        metavar="SECONDS",
        type=_seconds,
        default=50.0,
        help="silence after which a node counts as gone (default: 50s)",
    )
    add(
        "--shutdown-delay-duration",
        metavar="SECONDS",
        type=_seconds,
        default=0.0,
        help="go on serving for so long after a signal to stop, with /readyz failing (default: 0s)",
    )
    add("--no-scheduler", action="store_true", help="do not bind pods to nodes")


def _seconds(text: str) -> float:
    """``50``, ``50s``, ``1m30s``: seconds."""
    import re

    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", text)
    if not text or found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 50s or 1m30s")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def split_listen(text: str) -> tuple[str, int]:
    """``HOST:PORT`` taken apart. :raises CommandError: not of that form"""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise CommandError(f"--listen {text}: want HOST:PORT, such as {DEFAULT_LISTEN}")
    return host.strip("[]") or "0.0.0.0", int(port)


def server_settings(args: argparse.Namespace) -> ServerSettings:
    """The settings that the flags ask for. :raises CommandError: a flag has an impossible value"""
    from kube_lite.settings import ServerSettings

    host, port = split_listen(args.listen)
    if not args.data_dir:
        raise CommandError(f"--data-dir is empty: want a directory, such as {DEFAULT_DATA_DIR}")
    values: dict[str, Any] = {
        "data_dir": Path(args.data_dir).resolve(),
        "listen_host": host,
        "listen_port": port,
        "token_auth_file": Path(args.token_auth_file) if args.token_auth_file else None,
        "controllers": tuple(n for n in args.controllers.split(",") if n),
        "scheduler": not args.no_scheduler,
        "disabled_admission_plugins": tuple(n for n in args.disable_admission_plugins.split(",") if n),
        "legacy_service_account_tokens": args.legacy_service_account_tokens,
        "service_cluster_ip_range": args.service_cluster_ip_range,
        "cluster_cidr": args.cluster_cidr,
        "sim_nodes": args.sim_nodes,
        "seed": args.seed,
        "shutdown_delay": args.shutdown_delay_duration,
        "node_monitor_grace_period": args.node_monitor_grace_period,
    }
    try:
        return ServerSettings(**values)
    except ValueError as error:
        raise CommandError(str(error)) from error
