"""What happened in a namespace, or to one object, oldest first.

kube-lite events
kube-lite events --for pod/web-0
kube-lite events -A --types=Warning
kube-lite events -w                                   # and then every new one
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kube_lite.cli import output
from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import builtin_named
from kube_lite.cli.tables import Columns
from kube_lite.cli.targets import Kinds

HELP = "what happened, in order"

TYPES = ("Normal", "Warning")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite events``."""
    add = parser.add_argument
    add("what", nargs="*", help=argparse.SUPPRESS)
    add("--for", dest="about", default="", metavar="TYPE/NAME", help="of this object")
    add("--types", default="", metavar="TYPE,...", help="Normal, Warning")
    add("-w", "--watch", action="store_true", help="go on and print every new one")
    add("-A", "--all-namespaces", action="store_true")
    add("--no-headers", action="store_true")
    add("--chunk-size", type=int, default=500, metavar="N", help="events to ask for at a time; 0 for all")
    add("-o", "--output", default="", metavar="FORMAT", help=output.FORMATS)
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print them."""
    output.check(args.output)
    if args.what:
        raise CommandError(f"unexpected arguments: {' '.join(args.what)}; events of one object: --for TYPE/NAME")
    types = [word.strip().lower() for word in args.types.split(",") if word]
    if any(word not in ("normal", "warning") for word in types):
        raise CommandError("valid --types are Normal or Warning")
    api = open_api(args)
    kind = builtin_named("events")
    assert kind is not None
    query = {}
    if fields := _about(args, api):
        query["fieldSelector"] = fields
    path = kind.path("" if args.all_namespaces else api.namespace)
    listed = api.list_all(path, {**query, "limit": str(args.chunk_size)})
    known = {"apiVersion": kind.api_version, "kind": kind.kind}
    found = [{**known, **event} for event in listed.get("items") or () if _wanted(event, types)]
    found.sort(key=_last)
    shown = _Shown(args)
    if found or (args.output and not output.is_table(args.output) and not args.watch):
        shown.print(found)
    elif not args.watch:
        where = "" if args.all_namespaces else f" in {api.namespace} namespace"
        import sys

        print(f"No events found{where}.", file=sys.stderr)
    if args.watch:
        following = {**query, "resourceVersion": listed["metadata"]["resourceVersion"]}
        for event in api.watch(path, following, timeout=api.timeout):
            if event["type"] in ("ADDED", "MODIFIED") and _wanted(event["object"], types):
                shown.print([event["object"]])
    return 0


def _about(args: argparse.Namespace, api: Api) -> str:
    """The field selector for ``--for``. :raises CommandError: it is not of the form TYPE/NAME"""
    if not args.about:
        return ""
    word, slash, name = args.about.partition("/")
    if not slash or not word or not name:
        raise CommandError("--for must be in resource/name form")
    kind = Kinds(api).named(word)
    return f"involvedObject.kind={kind.kind},involvedObject.apiVersion={kind.api_version},involvedObject.name={name}"


def _wanted(event: Obj, types: Sequence[str]) -> bool:
    return not types or str(event.get("type")).lower() in types


def _last(event: Obj) -> str:
    series = event.get("series") or {}
    found = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or ""
    return str(found).rstrip("Z")  # with and without fractions of a second


class _Shown:
    """Events as columns, under one header."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._columns = Columns()
        self._header = not args.no_headers

    def print(self, events: list[Obj]) -> None:
        """The rows of ``events``."""
        if not output.is_table(self._args.output):
            output.print_objects(self._args.output, events, not self._args.watch)
            return
        rows = []
        if self._header:
            rows.append(["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"])
            if self._args.all_namespaces:
                rows[0].insert(0, "NAMESPACE")
            self._header = False
        for event in events:
            rows.append(self._row(event))
        print("\n".join(self._columns.lines(rows)), flush=True)

    def _row(self, event: Obj) -> list[str]:
        from kube_lite.cli.describe.text import event_age

        about = event.get("involvedObject") or {}
        row = [event_age(event), event.get("type") or "", event.get("reason") or "",
               f"{about.get('kind', '')}/{about.get('name', '')}", (event.get("message") or "").strip()]  # fmt: skip
        if self._args.all_namespaces:
            row.insert(0, event["metadata"].get("namespace") or "")
        return row
