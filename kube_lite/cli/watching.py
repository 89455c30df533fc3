"""``get -w``: the list, then a row or a document for every change."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from kube_lite.cli import output
from kube_lite.cli.connection import JSON, Api, Obj
from kube_lite.cli.get_command import TABLE, view_of
from kube_lite.cli.targets import Target
from kube_lite.cli.waiting import Deadline
from kube_lite.errors import Expired, Gone


def watch(args: argparse.Namespace, api: Api, target: Target) -> int:
    """Print ``target`` and then its changes, until interrupted or the server is gone."""
    kind = target.kind
    tabular = output.is_table(args.output)
    accept = TABLE if tabular else JSON
    namespace = target.within("" if args.all_namespaces else api.namespace)
    path = kind.path(namespace)
    query = {"labelSelector": args.selector, "fieldSelector": args.field_selector}
    if target.names:
        api.get(kind.path(namespace, target.names[0]))  # a name that does not exist is an error, now
        query["fieldSelector"] = f"metadata.name={target.names[0]}"
    query = {key: text for key, text in query.items() if text}
    view = view_of(args, kind, f"{kind.singular}/" if args.show_kind else "")

    def show(event: str, obj: Obj) -> None:
        if tabular:
            rows = obj.get("rows") or []
            view.print(obj, [event] * len(rows) if args.output_watch_events else ())
        elif args.output_watch_events:
            output.print_objects(args.output, [{"type": event, "object": output.without_managed_fields(obj)}], False)
        else:
            output.print_objects(args.output, [obj], False, args.show_managed_fields)
        sys.stdout.flush()

    for event, obj in _changes(api, path, query, accept, args.watch_only):
        show(event, obj)
    return 0


def _changes(api: Api, path: str, query: dict[str, str], accept: str, only: bool) -> Iterator[tuple[str, Obj]]:
    """The list as ADDED, then every event, until the time that a request may take is over.

    A watch that the server ends goes on from where it was.
    """
    listed = api.list_all(path, query, accept)
    revision = listed["metadata"]["resourceVersion"]
    if not only:
        if listed.get("kind") == "Table":
            yield "ADDED", listed
        else:
            for item in listed.get("items") or ():
                yield "ADDED", {"apiVersion": listed["apiVersion"], "kind": listed["kind"][: -len("List")], **item}
    deadline = Deadline(api.timeout)
    while not deadline.passed:
        try:
            for event in api.watch(path, {**query, "resourceVersion": revision}, accept, deadline.left):
                obj = event["object"]
                revision = _revision(obj) or revision
                if event["type"] != "BOOKMARK":
                    yield event["type"], obj
        except (Gone, Expired):
            revision = api.list_all(path, {**query, "limit": "1"}, accept)["metadata"]["resourceVersion"]


def _revision(obj: Obj) -> str:
    own = str((obj.get("metadata") or {}).get("resourceVersion") or "")
    last: Obj = ((obj.get("rows") or [{}])[-1].get("object") or {}).get("metadata") or {}
    return own or str(last.get("resourceVersion") or "")
