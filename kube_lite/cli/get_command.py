"""Print objects: the server's table by default, or the objects themselves with -o.

kube-lite get pods                                   # of the current namespace
kube-lite get pods -A -o wide                        # of all namespaces, with addresses and nodes
kube-lite get deployments,pods,services              # several kinds; also: all
kube-lite get pod/web-0 -o yaml                      # one object in full
kube-lite get pods -l app=web -w                     # by label, and then every change
kube-lite get pods --field-selector spec.nodeName=n1
kube-lite get nodes -o jsonpath='{.items[*].metadata.name}'
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kube_lite.cli import output, tables
from kube_lite.cli.connection import JSON, Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError, api_error
from kube_lite.cli.names import Kind
from kube_lite.cli.targets import Kinds, Target, in_files, parse

if TYPE_CHECKING:
    from kube_lite.errors import ApiError

HELP = "print objects as a table, or as yaml, json, names, jsonpath"

TABLE = f"application/json;as=Table;v=v1;g=meta.k8s.io,{JSON}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite get``."""
    add = parser.add_argument
    add("what", nargs="*", metavar="TYPE[/NAME]", help="pods, deploy/web, svc,endpoints, all; then names")
    add("-o", "--output", default="", metavar="FORMAT", help=output.FORMATS)
    add("-w", "--watch", action="store_true", help="go on and print every change")
    add("--watch-only", action="store_true", help="print changes only")
    add("--output-watch-events", action="store_true", help="with --watch: say what each change was")
    add("-l", "--selector", default="", metavar="LABELS", help="app=web,tier!=db")
    add("--field-selector", default="", metavar="FIELDS", help="metadata.name=x,status.phase=Running")
    add("-A", "--all-namespaces", action="store_true")
    add("-f", "--filename", action="append", default=[], metavar="FILE", help="the objects named in files")
    add("-R", "--recursive", action="store_true", help="directories of -f with what lies below them")
    add("--raw", default="", metavar="PATH", help="print what the server answers to a path such as /readyz")
    add("-L", "--label-columns", action="append", default=[], metavar="LABEL", help="labels as columns")
    add("--show-labels", action="store_true", help="all labels as the last column")
    add("--show-kind", action="store_true", help="the kind before each name")
    add("--show-managed-fields", action="store_true", help="keep managedFields in yaml and json")
    add("--chunk-size", type=int, default=500, metavar="N", help="objects to ask for at a time; 0 for all")
    add("--no-headers", action="store_true")
    add("--sort-by", default="", metavar="PATH", help="order by a field, such as .metadata.creationTimestamp")
    add("--ignore-not-found", action="store_true", help="a name that does not exist is no error")
    add("--subresource", default="", metavar="NAME", choices=("", "status", "scale"), help="status or scale")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print; 1 when something that was named is missing."""
    output.check(args.output)
    api = open_api(args)
    if args.raw:
        if not args.raw.startswith("/"):
            raise CommandError(f"--raw {args.raw}: want a path such as /readyz or /api/v1/nodes")
        sys.stdout.write(api.text(args.raw).decode(errors="replace"))
        return 0
    kinds = Kinds(api)
    targets = _targets(args, api, kinds)
    if args.watch or args.watch_only:
        from kube_lite.cli.watching import watch

        if len(targets) != 1 or len(targets[0].names) > 1:
            raise CommandError("you may only specify a single resource type, or one object, with --watch")
        return watch(args, api, targets[0])
    return Get(args, api).run(targets)


def _targets(args: argparse.Namespace, api: Api, kinds: Kinds) -> list[Target]:
    if not args.filename:
        targets = parse(args.what, kinds)
        if any(t.names for t in targets) and (args.selector or args.field_selector):
            raise CommandError("name cannot be provided when a selector is specified")
        if any(t.names for t in targets) and args.all_namespaces:
            raise CommandError("a resource cannot be retrieved by name across all namespaces")
        return targets
    return in_files(args, api, kinds, args.recursive)


class Get:
    """One ``get``: what was asked, what was found, and what went wrong meanwhile."""

    def __init__(self, args: argparse.Namespace, api: Api) -> None:
        self._args = args
        self._api = api
        self._namespace = "" if args.all_namespaces else api.namespace
        self._failed = False

    def run(self, targets: list[Target]) -> int:
        """Fetch and print; the exit code."""
        merged = _merged(targets)
        if output.is_table(self._args.output):
            self._tables(merged)
        else:
            self._objects(targets)
        return 1 if self._failed else 0

    def _query(self) -> dict[str, str]:
        query = {"labelSelector": self._args.selector, "fieldSelector": self._args.field_selector}
        return {key: value for key, value in query.items() if value}

    def _fetch(self, target: Target, accept: str, extra: dict[str, str]) -> list[Obj]:
        """The answers for a target: one list, or one answer for each name that exists."""
        answers = []
        names: Sequence[str | None] = target.names or [None]
        namespace = target.within(self._namespace)
        for name in names:
            path = target.kind.path(namespace, name, self._args.subresource)
            try:
                if name:
                    answers.append(self._api.get(path, extra, accept))
                elif self._args.sort_by:
                    answers.append(self._api.get(path, {**self._query(), **extra}, accept))
                else:
                    chunks = {} if self._args.chunk_size < 0 else {"limit": str(self._args.chunk_size)}
                    answers.append(self._api.list_all(path, {**chunks, **self._query(), **extra}, accept))
            except api_error() as error:
                self._refused(error, bool(name))
        return answers

    def _refused(self, error: ApiError, named: bool) -> None:
        from kube_lite.cli.refusals import report

        if error.code != 404 or not named or not self._args.ignore_not_found:
            self._failed = True
            report(error)

    def _tables(self, targets: list[Target]) -> None:
        several = len({target.kind for target in targets}) > 1
        printed = 0
        extra = {"includeObject": "Object"} if self._args.sort_by else {}
        for target in targets:
            answers = self._fetch(target, TABLE, extra)
            table = joined(answers, target.kind)
            if not table["rows"]:
                continue
            if self._args.sort_by:
                _sort(table["rows"], self._args.sort_by)
            if printed:
                print()
            prefix = several or self._args.show_kind
            view_of(self._args, target.kind, f"{target.kind.singular}/" if prefix else "").print(table)
            printed += 1
        if not printed and not self._failed and not self._args.ignore_not_found:
            sys.stdout.flush()
            namespaced = any(target.kind.namespaced for target in targets)
            where = f" in {self._namespace} namespace." if self._namespace and namespaced else ""
            print(f"No resources found{where}", file=sys.stderr)

    def _objects(self, targets: list[Target]) -> None:
        items: list[Obj] = []
        single = len(targets) == 1 and len(targets[0].names) == 1
        for target in targets:
            for answer in self._fetch(target, JSON, {}):
                items += _items(answer, target)
        if self._args.sort_by:
            _sort(items, self._args.sort_by)
        if single and not items:
            return
        output.print_objects(self._args.output, items, not single, self._args.show_managed_fields)


def _merged(targets: list[Target]) -> list[Target]:
    """Targets of the same kind as one, so that they share a table."""
    merged: dict[tuple[Kind, str | None], Target] = {}
    for target in targets:
        key = (target.kind, target.namespace)
        if key in merged and target.names and merged[key].names:
            merged[key].names += target.names
        else:
            merged.setdefault(key, Target(target.kind, target.names, target.namespace))
    return list(merged.values())


def _items(answer: Obj, target: Target) -> list[Obj]:
    """The objects of an answer; those in a list carry no kind of their own, so it is put back."""
    if target.names:
        return [answer]
    found = []
    for item in answer.get("items") or ():
        found.append({"apiVersion": target.kind.api_version, "kind": target.kind.kind, **item})
    return found


def joined(answers: list[Obj], kind: Kind) -> Obj:
    """Several Tables as one; an answer that is no Table becomes names and ages."""
    definitions: list[Any] = []
    rows: list[Any] = []
    for answer in answers:
        table = answer if answer.get("kind") == "Table" else _plain_table(answer)
        definitions = definitions or table.get("columnDefinitions") or []
        rows += table.get("rows") or []
    return {"columnDefinitions": definitions, "rows": rows, "kind": "Table"}


def _plain_table(answer: Obj) -> Obj:
    items = answer.get("items", [answer])
    rows = [{"cells": [i["metadata"]["name"], i["metadata"].get("creationTimestamp")], "object": i} for i in items]
    return {"columnDefinitions": [{"name": "Name", "format": "name"}, {"name": "Created At"}], "rows": rows}


def view_of(args: argparse.Namespace, kind: Kind, prefix: str = "") -> tables.View:
    """How tables of ``kind`` are shown."""
    return tables.View(
        wide=args.output == "wide",
        namespaces=args.all_namespaces and kind.namespaced,
        labels=args.show_labels,
        label_columns=[label for given in args.label_columns for label in given.split(",")],
        headers=not args.no_headers,
        prefix=prefix,
    )


def _sort(rows: list[Obj], path: str) -> None:
    from kube_lite.cli.jsonpath import find

    def key(row: Obj) -> tuple[int, float, str]:
        found = find(path, row.get("object", row) if "cells" in row else row)
        value = found[0] if found else None
        if value is None:
            return 0, 0.0, ""
        if isinstance(value, int | float):
            return 1, float(value), ""
        return 2, 0.0, value if isinstance(value, str) else json.dumps(value)

    rows.sort(key=key)
