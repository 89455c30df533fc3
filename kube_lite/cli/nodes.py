"""What cordon, uncordon and drain share: which nodes are meant, and whether pods may come to them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kube_lite.cli.connection import STRATEGIC_PATCH, Api, Obj
from kube_lite.cli.flags import add_connection_flags
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import builtin_named
from kube_lite.cli.objects import query_of

if TYPE_CHECKING:
    from kube_lite.cli.names import Kind


def add_node_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of all three."""
    add = parser.add_argument
    add("what", nargs="*", metavar="NODE", help="names of nodes")
    add("-l", "--selector", default="", metavar="LABELS", help="nodes with these labels")
    add("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))
    add_connection_flags(parser)
    parser.set_defaults(field_manager="kubectl-drain")


def node_kind() -> Kind:
    """The kind."""
    kind = builtin_named("nodes")
    assert kind is not None
    return kind


def chosen(args: argparse.Namespace, api: Api, command: str) -> list[Obj]:
    """The nodes. :raises CommandError: none are named, or both names and labels :raises ApiError: one does not exist"""
    names = [word.rpartition("/")[2] if word.startswith(("node/", "nodes/", "no/")) else word for word in args.what]
    if names and args.selector:
        raise CommandError("cannot specify both a node name and a --selector option")
    if not names and not args.selector:
        raise CommandError(f"USAGE: {command} NODE [flags]")
    kind = node_kind()
    if args.selector:
        return list(api.list_all(kind.path(), {"labelSelector": args.selector}).get("items") or ())
    return [api.get(kind.path("", name)) for name in names]


def set_unschedulable(args: argparse.Namespace, api: Api, node: Obj, wanted: bool) -> None:
    """Cordon or uncordon, and say so. :raises ApiError: the server refuses"""
    done = "cordoned" if wanted else "uncordoned"
    name = node["metadata"]["name"]
    if bool((node.get("spec") or {}).get("unschedulable")) == wanted:
        done = f"already {done}"
    elif args.dry_run != "client":
        patch = {"spec": {"unschedulable": True if wanted else None}}
        api.patch(node_kind().path("", name), patch, STRATEGIC_PATCH, query_of(args))
    print(f"node/{name} {done}{suffix(args)}", flush=True)


def suffix(args: argparse.Namespace) -> str:
    """What a line says of ``--dry-run``."""
    return {"none": "", "server": " (server dry run)"}.get(args.dry_run, " (dry run)")
