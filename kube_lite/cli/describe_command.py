"""Print what is known of objects: their fields in words, what they own, and what happened to them.

kube-lite describe pod web-0
kube-lite describe deploy/web
kube-lite describe nodes                             # all of them
kube-lite describe pods -l app=web
"""

from __future__ import annotations

import argparse
import sys

from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.targets import Kinds, Target, in_files, parse

HELP = "print what is known of an object, with its events"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite describe``."""
    add = parser.add_argument
    add("what", nargs="*", metavar="TYPE[/NAME]", help="pod web-0, deploy/web, nodes")
    add("-l", "--selector", default="", metavar="LABELS", help="those with these labels")
    add("-A", "--all-namespaces", action="store_true")
    add("-f", "--filename", action="append", default=[], metavar="FILE", help="the objects named in files")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Describe everything named; goes on after one that is missing, and is 1 then."""
    from kube_lite.cli.describe import describe
    from kube_lite.cli.refusals import report
    from kube_lite.errors import ApiError

    api = open_api(args)
    kinds = Kinds(api)
    failed, printed = False, 0
    for target in _targets(args, api, kinds):
        namespace = target.within("" if args.all_namespaces else api.namespace)
        try:
            found = _objects(api, target, namespace, args.selector)
        except ApiError as error:
            failed = True
            report(error)
            continue
        for obj in found:
            sys.stdout.write(("\n\n" if printed else "") + describe(api, obj))
            printed += 1
    if not printed and not failed:
        where = "" if args.all_namespaces else f" in {api.namespace} namespace."
        print(f"No resources found{where}", file=sys.stderr)
    return 1 if failed else 0


def _targets(args: argparse.Namespace, api: Api, kinds: Kinds) -> list[Target]:
    if not args.filename:
        # one name at a time, so that one that is missing does not hide the others
        return [
            Target(target.kind, names)
            for target in parse(args.what, kinds)
            for names in ([[name] for name in target.names] or [[]])
        ]
    return in_files(args, api, kinds)


def _objects(api: Api, target: Target, namespace: str, selector: str) -> list[Obj]:
    """The objects of a target. A name that does not exist is taken as a beginning, as kubectl does.

    :raises ApiError: nothing is found under a name
    """
    from kube_lite.errors import NotFound

    kind = target.kind
    query = {"labelSelector": selector} if selector else {}
    named = {"apiVersion": kind.api_version, "kind": kind.kind}
    if not target.names:
        return [{**named, **i} for i in api.list_all(kind.path(namespace), query).get("items") or ()]
    name = target.names[0]
    try:
        return [api.get(kind.path(namespace, name))]
    except NotFound:
        items = api.list_all(kind.path(namespace)).get("items") or ()
        found = [{**named, **item} for item in items if item["metadata"]["name"].startswith(name)]
        if not found:
            raise
        return found
