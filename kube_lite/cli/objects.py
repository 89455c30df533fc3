"""The objects that a command is to change, one after the other: by name, by selector, all of a type, or from files.

Commands that act on several objects go on after a refusal, as kubectl does, and exit with 1 then (:func:`each`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.main import CommandError, api_error
from kube_lite.cli.names import Kind
from kube_lite.cli.targets import Kinds, in_files, parse

if TYPE_CHECKING:
    from collections.abc import Sequence


class Named(NamedTuple):
    """One object; ``obj`` is what is known of it already: what a list said, or the file itself with ``--local``."""

    kind: Kind
    namespace: str
    name: str
    obj: Obj | None = None

    def live(self, api: Api, local: bool = False) -> Obj:
        """The object, read from the server unless it was read already. :raises ApiError: it cannot be read"""
        if self.obj is not None:
            return self.obj
        return api.get(self.kind.path(self.namespace, self.name))


def add_object_flags(parser: argparse.ArgumentParser) -> None:
    """What says which objects are meant, beside their names."""
    add = parser.add_argument
    add("-f", "--filename", action="append", default=[], metavar="FILE", help="the objects named in files")
    add("-R", "--recursive", action="store_true", help="directories of -f with what lies below them")
    add("-l", "--selector", default="", metavar="LABELS", help="those with these labels")
    add("--all", action="store_true", help="all of the type")


def add_result_flags(parser: argparse.ArgumentParser, manager: str) -> None:
    """What is done with the changed object, and in whose name."""
    from kube_lite.cli import output

    add = parser.add_argument
    add("-o", "--output", default="", metavar="FORMAT", help="print the object: " + output.FORMATS)
    add("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))
    add("--field-manager", default=manager, metavar="NAME", help="who owns the fields")


def named(args: argparse.Namespace, api: Api, kinds: Kinds, words: Sequence[str] | None = None) -> list[Named]:
    """What ``-f`` or the words of the command mean, with ``--all``, ``-l``, ``--field-selector`` and ``-A``.

    :param words: the types and names among the command's words; all of them when None
    :raises CommandError: nothing is named, or contradictory
    """
    words = args.what if words is None else words
    if getattr(args, "local", False):
        return _local(args, api, kinds, words)
    if args.filename:
        asked = argparse.Namespace(**{**vars(args), "what": words})
        targets = in_files(asked, api, kinds, getattr(args, "recursive", False))
        return [Named(target.kind, target.namespace or "", target.names[0]) for target in targets]
    found: list[Named] = []
    for target in parse(words, kinds):
        everywhere = getattr(args, "all_namespaces", False)
        namespace = api.namespace if target.kind.namespaced and not everywhere else ""
        found += _of_target(args, api, target.kind, namespace, target.names)
    return found


def _of_target(args: argparse.Namespace, api: Api, kind: Kind, namespace: str, names: Sequence[str]) -> Iterable[Named]:
    query = {"labelSelector": args.selector, "fieldSelector": getattr(args, "field_selector", "")}
    query = {key: text for key, text in query.items() if text}
    if names:
        if query or args.all:
            raise CommandError("name cannot be provided when a selector is specified")
        return [Named(kind, namespace, name) for name in names]
    if not query and not args.all:
        raise CommandError("resource(s) were provided, but no name was specified")
    known = {"apiVersion": kind.api_version, "kind": kind.kind}  # the items of a list do not say so themselves
    return [
        Named(kind, item["metadata"].get("namespace") or "", item["metadata"]["name"], {**known, **item})
        for item in api.list_all(kind.path(namespace), query).get("items") or ()
    ]


def _local(args: argparse.Namespace, api: Api, kinds: Kinds, words: Sequence[str]) -> list[Named]:
    """The files' objects as they are there: nothing is asked of the server."""
    from kube_lite.cli.manifests import read, without_arguments

    without_arguments(words)
    found = []
    for manifest in read(args.filename, args.recursive):
        target = kinds.target(manifest, "", args.namespace)
        found.append(Named(target.kind, target.namespace or "", manifest.name, manifest.obj))
    return found


def each(objects: Iterable[Named], act: Callable[[Named], None]) -> int:
    """``act`` on all of them, whatever happens to one; the exit code."""
    from kube_lite.cli.refusals import report

    failed = False
    for one in objects:
        try:
            act(one)
        except api_error() as error:
            failed = True
            report(error)
    return 1 if failed else 0


def query_of(args: argparse.Namespace) -> dict[str, str]:
    """Query of a request that changes something: who does it, and whether in earnest."""
    query = {"fieldManager": args.field_manager}
    if args.dry_run == "server":
        query["dryRun"] = "All"
    return query


def change(args: argparse.Namespace, api: Api, one: Named, live: Obj, changed: Obj) -> Obj:
    """Make the server's object of ``live`` what ``changed`` is, by a patch of the difference alone.

    Nothing is sent when they agree, with ``--dry-run=client``, and with ``--local``.
    """
    from kube_lite.cli.three_way import difference

    patch, media_type = difference(one.kind, live, changed, live)
    if not patch or args.dry_run == "client" or getattr(args, "local", False):
        return changed
    return api.patch(one.kind.path(one.namespace, one.name), patch, media_type, query_of(args))


def pairs(text: str, what: str) -> dict[str, str]:
    """``a=b,c=d`` as a mapping. :raises CommandError: not of that form"""
    found = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise CommandError(f"unexpected {what} spec: {part}")
        found[key] = value
    return found
