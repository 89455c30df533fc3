"""List the kinds that the server has.

kube-lite api-resources
kube-lite api-resources --api-group=apps -o wide      # with verbs and categories
kube-lite api-resources --namespaced=false -o name
"""

from __future__ import annotations

import argparse

from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import Kind
from kube_lite.cli.tables import Columns
from kube_lite.cli.targets import Kinds

HELP = "list the kinds that the server has"

HEADER = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite api-resources``."""
    add = parser.add_argument
    add("what", nargs="*", help=argparse.SUPPRESS)
    add("--api-group", metavar="GROUP", help="of this group; empty for the core one")
    add("--namespaced", nargs="?", const="true", choices=("true", "false"), help="only those in namespaces, or not")
    add("--verbs", default="", metavar="VERB,...", help="that know all of these verbs")
    add("--categories", default="", metavar="NAME,...", help="in all of these categories, such as all")
    add("--sort-by", default="", metavar="COLUMN", help="name or kind")
    add("-o", "--output", default="", metavar="FORMAT", help="wide or name")
    add("--no-headers", action="store_true")
    add("--cached", action="store_true", help=argparse.SUPPRESS)
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print them."""
    if args.what:
        raise CommandError(f"unexpected arguments: [{' '.join(args.what)}]")
    if args.output not in ("", "wide", "name"):
        raise CommandError(f"--output {args.output} is not available")
    if args.sort_by not in ("", "name", "kind"):
        raise CommandError("--sort-by accepts only name or kind")
    found = [kind for kind in preferred(Kinds(open_api(args)).served()) if kind.verbs and _asked_for(args, kind)]
    found.sort(key=lambda kind: (kind.group, kind.plural))
    if args.sort_by:
        found.sort(key=lambda kind: kind.plural if args.sort_by == "name" else kind.kind)
    if args.output == "name":
        for kind in found:
            print(kind.qualified)
        return 0
    wide = args.output == "wide"
    rows = [] if args.no_headers else [HEADER + (["VERBS", "CATEGORIES"] if wide else [])]
    for kind in found:
        short = ",".join(kind.short_names)
        row = [kind.plural, short, kind.api_version, "true" if kind.namespaced else "false", kind.kind]
        rows.append(row + ([",".join(kind.verbs), ",".join(kind.categories)] if wide else []))
    print("\n".join(Columns().lines(rows)))
    return 0


def preferred(kinds: list[Kind]) -> list[Kind]:
    """One version of each kind: the first that the server names, which is the one it prefers."""
    found: dict[str, Kind] = {}
    for kind in kinds:
        found.setdefault(kind.qualified, kind)
    return list(found.values())


def _asked_for(args: argparse.Namespace, kind: Kind) -> bool:
    if args.api_group is not None and kind.group != args.api_group:
        return False
    if args.namespaced is not None and kind.namespaced != (args.namespaced == "true"):
        return False
    verbs = {verb for verb in args.verbs.split(",") if verb}
    categories = {name for name in args.categories.split(",") if name}
    return verbs <= set(kind.verbs) and categories <= set(kind.categories)
