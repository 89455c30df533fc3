"""Flags that every command towards a server has, named as kubectl's, and the connection that they ask for."""

from __future__ import annotations

import argparse
import os
import sys

from kube_lite.cli.connection import Api
from kube_lite.cli.main import CommandError

WELL_KNOWN = ("/var/lib/kube-lite/admin.kubeconfig", "data/admin.kubeconfig")
"""Where ``server`` and ``up`` leave the administrator's kubeconfig: default and README."""


def add_connection_flags(parser: argparse.ArgumentParser, namespace: bool = True) -> None:
    """``--kubeconfig``, ``--context``, ``-n`` and the like."""
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--kubeconfig",
        metavar="FILE",
        default="",
        help="default: $KUBECONFIG, else ~/.kube/config, else /var/lib/kube-lite/admin.kubeconfig or "
        "./data/admin.kubeconfig, whichever exists",
    )
    group.add_argument("--context", metavar="NAME", default="", help="context of the kubeconfig (default: current)")
    if namespace:
        group.add_argument("-n", "--namespace", metavar="NAME", default="", help="default: the context's namespace")
    group.add_argument(
        "--request-timeout",
        metavar="DURATION",
        default="0",
        help="give up on a request after this time, such as 5s (default: 0, never)",
    )
    group.add_argument("--as", metavar="USER", dest="as_user", default="", help="do it as this user")
    group.add_argument("--as-group", metavar="GROUP", action="append", default=[], help="and as in this group")
    group.add_argument("-v", metavar="LEVEL", dest="verbosity", type=int, default=0, help="6 prints each request")


def seconds(text: str, flag: str = "") -> float:
    """``90``, ``90s``, ``1m30s``, ``500ms``: seconds; negative as kubectl has it. :raises CommandError: not so"""
    import re

    found = re.fullmatch(r"(-?)(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)(s|ms)?)?", text)
    if not text or found is None or found.end() == len(found[1]):
        raise CommandError(f"invalid argument {text!r} for {flag or 'a duration'}: want something like 30s or 1m30s")
    sign, hours, minutes, rest, unit = found.groups()
    value = float(hours or 0) * 3600 + float(minutes or 0) * 60 + float(rest or 0) / (1000 if unit == "ms" else 1)
    return -value if sign else value


def open_api(args: argparse.Namespace) -> Api:
    """The connection that the flags ask for. :raises CommandError: there is no usable kubeconfig"""
    from kube_lite.client import kubeconfig

    paths = kubeconfig.default_paths(args.kubeconfig)
    if not args.kubeconfig and not os.environ.get("KUBECONFIG") and not any(map(os.path.exists, paths)):
        from pathlib import Path

        paths = [Path(known) for known in WELL_KNOWN if os.access(known, os.R_OK)][:1]
        if not paths:
            raise CommandError(
                "no kubeconfig: none in $KUBECONFIG, ~/.kube/config, " + ", ".join(WELL_KNOWN) + "; "
                "start a cluster with `kube-lite up`, or name its DIR/admin.kubeconfig with --kubeconfig"
            )
    try:
        target = kubeconfig.load(paths).connection(args.context)
    except kubeconfig.KubeconfigError as error:
        raise CommandError(str(error)) from error
    timeout = seconds(args.request_timeout, "--request-timeout")
    api = Api(target, timeout or None, args.verbosity)
    if args.as_group and not args.as_user:
        raise CommandError("requesting groups without a user to impersonate: --as-group needs --as")
    if args.as_user:
        api.impersonation = [("Impersonate-User", args.as_user), *(("Impersonate-Group", g) for g in args.as_group)]
    args.closing.callback(api.close)
    api.namespace = getattr(args, "namespace", "") or api.namespace
    return api


def progress(text: str) -> None:
    """A line about what is being waited for: to stderr, so that pipes stay clean, and only for a person."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)
