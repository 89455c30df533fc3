"""``KEY=VALUE`` sets and ``KEY-`` removes: what label and annotate share.

What others have set is not overwritten without ``--overwrite``: the command refuses before it sends anything.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kube_lite.cli import output
from kube_lite.cli.connection import MERGE_PATCH, Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.objects import Named, add_object_flags, add_result_flags, each, named, query_of
from kube_lite.cli.targets import Kinds


class Words(NamedTuple):
    """What differs between the two commands."""

    field: str
    one: str
    """The singular, for messages."""
    parse: Callable[[Sequence[str]], tuple[dict[str, str], list[str]]]
    refuse_overwrite: Callable[[dict[str, str]], str]
    told: Callable[[bool, bool], str]
    """From whether anything changes, and whether keys are only removed, to the word of the result."""


def add_pair_flags(parser: argparse.ArgumentParser, command: str) -> None:
    """The flags of both."""
    add = parser.add_argument
    add("what", nargs="*", metavar="TYPE/NAME KEY=VALUE", help="pod/web-0 or pods web-0; then KEY=VALUE or KEY-")
    add("--overwrite", action="store_true", help="change keys that have another value already")
    add("--list", action="store_true", help="print what there is afterwards")
    add("--local", action="store_true", help="with -f: change what the file says, ask no server")
    add("--resource-version", default="", metavar="N", help="only if this is its version now")
    add("--field-selector", default="", metavar="FIELDS", help="those with these fields")
    add("-A", "--all-namespaces", action="store_true")
    add_object_flags(parser)
    add_result_flags(parser, f"kubectl-{command}")
    add_connection_flags(parser)


def split(words: Sequence[str], one: str) -> tuple[list[str], list[str]]:
    """Types and names, then pairs. :raises CommandError: a name after the first pair"""
    resources: list[str] = []
    pairs: list[str] = []
    for word in words:
        if ("=" in word and not word.startswith("=")) or (word.endswith("-") and word != "-"):
            pairs.append(word)
        elif pairs:
            raise CommandError(f"all resources must be specified before {one} changes: {word}")
        else:
            resources.append(word)
    return resources, pairs


def run_pairs(args: argparse.Namespace, words: Words) -> int:
    """Change, or list."""
    output.check(args.output)
    resources, pairs = split(args.what, words.one)
    if not resources and not args.filename:
        raise CommandError("one or more resources must be specified as <resource> <name> or <resource>/<name>")
    if args.all and args.selector:
        raise CommandError("cannot set --all and --selector at the same time")
    if not pairs and not args.list:
        raise CommandError(f"at least one {words.one} update is required")
    new, removed = words.parse(pairs)
    if both := [key for key in removed if key in new]:
        text = "a label" if words.one == "label" else "the following annotation(s)"
        keys = "" if words.one == "label" else f": {', '.join(both)}"
        raise CommandError(f"can not both modify and remove {text} in the same command{keys}")
    api = open_api(args)
    objects = named(args, api, Kinds(api), resources)
    if args.resource_version and len(objects) > 1:
        raise CommandError("--resource-version may only be used with a single resource")
    several = len(objects) > 1
    return each(objects, lambda one: _change(args, api, words, one, (new, removed), several))


def _change(
    args: argparse.Namespace,
    api: Api,
    words: Words,
    one: Named,
    asked: tuple[dict[str, str], list[str]],
    several: bool,
) -> None:
    new, removed = asked
    live = one.live(api)
    before: dict[str, str] = live["metadata"].get(words.field) or {}
    clashes = {key: before[key] for key in new if key in before and before[key] != new[key]}
    if clashes and not args.overwrite:
        raise CommandError(words.refuse_overwrite(clashes))
    for key in removed:
        if key not in before and words.one == "label":
            print(f'label "{key}" not found.')
    after = {key: value for key, value in {**before, **new}.items() if key not in removed}
    changed = {**live, "metadata": {**live["metadata"], words.field: after}}
    if args.dry_run != "client" and not args.local and (new or removed):
        metadata: Obj = {words.field: {**new, **{key: None for key in removed if key in before}}}
        if args.resource_version:
            metadata["resourceVersion"] = args.resource_version
        if after != before or args.resource_version:
            changed = api.patch(one.kind.path(one.namespace, one.name), {"metadata": metadata}, MERGE_PATCH,
                                query_of(args))  # fmt: skip
    if args.list:
        _list(words, one, after, several)
    else:
        done = words.told(after != before or not new, not new and any(key in before for key in removed))
        output.print_done(args.output, "none" if args.local else args.dry_run, changed, done)


def _list(words: Words, one: Named, found: dict[str, str], several: bool) -> None:
    if several:
        print(f"Listing {words.field} for {one.kind.kind}.{one.kind.group}/{one.name}:")
    for key in sorted(found):
        print(f"{' ' if several else ''}{key}={found[key]}")


def quoted(text: str) -> str:
    """``text`` as Go's %q writes it."""
    return json.dumps(text, ensure_ascii=False)
