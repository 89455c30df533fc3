"""Set and remove taints of nodes.

kube-lite taint nodes node-1 dedicated=db:NoSchedule
kube-lite taint nodes node-1 dedicated=web:NoSchedule --overwrite
kube-lite taint nodes node-1 dedicated:NoSchedule-     # with this effect
kube-lite taint nodes node-1 dedicated-                # with any effect
kube-lite taint nodes -l zone=a spot:PreferNoSchedule
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

from kube_lite.cli import output
from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.objects import Named, add_result_flags, change, each, named
from kube_lite.cli.targets import Kinds

HELP = "set and remove taints of nodes"

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


class Taint(NamedTuple):
    """``KEY=VALUE:EFFECT``; to remove, the effect may be empty, for all of them."""

    key: str
    value: str
    effect: str

    def object(self) -> Obj:
        """As the API has it."""
        return {"key": self.key, **({"value": self.value} if self.value else {}), "effect": self.effect}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite taint``."""
    add = parser.add_argument
    add("what", nargs="*", metavar="nodes NAME TAINT", help="then KEY=VALUE:EFFECT, KEY:EFFECT-, or KEY-")
    add("-l", "--selector", default="", metavar="LABELS", help="nodes with these labels")
    add("--all", action="store_true", help="all nodes")
    add("--overwrite", action="store_true", help="change taints that have another value already")
    add("--validate", nargs="?", const="strict", default="strict", help=argparse.SUPPRESS)
    add_result_flags(parser, "kubectl-taint")
    add_connection_flags(parser)
    parser.set_defaults(filename=[])


def run(args: argparse.Namespace) -> int:
    """Taint every node named; goes on after a refusal, and is 1 then."""
    output.check(args.output)
    resources, specs = _split(args.what)
    if not resources:
        raise CommandError("one or more resources must be specified as <resource> <name>")
    if not specs:
        raise CommandError("at least one taint update is required")
    new, removed = parse_taints(specs)
    api = open_api(args)
    kinds = Kinds(api)
    if "/" in resources[0] or kinds.named(resources[0]).kind != "Node":
        raise CommandError(f"invalid resource type {resources[0]}, only node types are supported")
    if args.all and args.selector:
        raise CommandError("setting 'all' parameter with a non empty selector is prohibited")
    return each(named(args, api, kinds, resources), lambda one: _taint(args, api, one, new, removed))


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Type and names, then taints. :raises CommandError: a name after the first taint"""
    at = next((at for at, word in enumerate(words) if "=" in word or ":" in word or word.endswith("-")), len(words))
    for word in words[at:]:
        if not ("=" in word or ":" in word or word.endswith("-")):
            raise CommandError(f"all resources must be specified before taint changes: {word}")
    return words[:at], words[at:]


def parse_taints(specs: list[str]) -> tuple[list[Taint], list[Taint]]:
    """Taints to set, and to remove. :raises CommandError: not of that form, twice the same, or both"""
    from kube_lite.resources.names import label_value, qualified_name

    new: list[Taint] = []
    removed: list[Taint] = []
    for spec in specs:
        text, removes = (spec[:-1], True) if spec.endswith("-") else (spec, False)
        pair, _, effect = text.partition(":")
        key, _, value = pair.partition("=")
        if problems := qualified_name(key) or label_value(value):
            raise CommandError(f"invalid taint spec: {spec}, {'; '.join(map(str, problems))}")
        if not effect and not removes:
            raise CommandError(f"invalid taint spec: {spec}, it has no effect: want KEY=VALUE:EFFECT, such as "
                               f"{spec}:NoSchedule")  # fmt: skip
        if effect and effect not in EFFECTS:
            raise CommandError(f"invalid taint effect: {effect}, unsupported taint effect")
        if not removes and any((known.key, known.effect) == (key, effect) for known in new):
            raise CommandError(f"duplicated taints with the same key and effect: {key}:{effect}")
        (removed if removes else new).append(Taint(key, value, effect))
    for taint in new:
        if any(gone.key == taint.key and gone.effect in ("", taint.effect) for gone in removed):
            both = f"{taint.key}={taint.value}"
            raise CommandError(f"can not both modify and remove the following taint(s) in the same command: {both}")
    return new, removed


def _taint(args: argparse.Namespace, api: Api, one: Named, new: list[Taint], removed: list[Taint]) -> None:
    live = one.live(api)
    before: list[Obj] = (live.get("spec") or {}).get("taints") or []
    after = [dict(taint) for taint in before]
    for gone in removed:
        left = [t for t in after if not (t["key"] == gone.key and gone.effect in ("", t.get("effect")))]
        if len(left) == len(after):
            told = f"{gone.key}:{gone.effect}" if gone.effect else gone.key
            raise CommandError(f'taint "{told}" not found')
        after = left
    known = {(taint["key"], taint.get("effect")): taint for taint in after}
    if not args.overwrite and any((taint.key, taint.effect) in known for taint in new):
        clashes = ",".join(taint.key for taint in new if (taint.key, taint.effect) in known)
        raise CommandError(
            f"node {one.name} already has {clashes} taint(s) with same effect(s) and --overwrite is false"
        )
    kept = [taint for key, taint in known.items() if key not in {(t.key, t.effect) for t in new}]
    after = [*(taint.object() for taint in new), *kept]
    changed = {**live, "spec": {**(live.get("spec") or {}), "taints": after}}
    if not after:
        del changed["spec"]["taints"]
    done = "modified" if new and removed else "untainted" if removed else "modified" if args.overwrite else "tainted"
    output.print_done(args.output, args.dry_run, change(args, api, one, live, changed), done)
