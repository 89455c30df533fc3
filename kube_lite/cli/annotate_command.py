"""Set and remove annotations.

kube-lite annotate pod web-0 description='the first'
kube-lite annotate pods web-0 description=other --overwrite
kube-lite annotate pod/web-0 description-             # remove it
kube-lite annotate pods --all owner=team-a
kube-lite annotate pods web-0 --list
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kube_lite.cli.main import CommandError
from kube_lite.cli.pairs import Words, add_pair_flags, run_pairs

HELP = "set and remove annotations"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite annotate``."""
    add_pair_flags(parser, "annotate")


def run(args: argparse.Namespace) -> int:
    """Annotate everything named; goes on after a refusal, and is 1 then."""
    return run_pairs(args, Words("annotations", "annotation", _parsed, _refusal, lambda changes, removes: "annotated"))


def _parsed(pairs: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    new: dict[str, str] = {}
    removed: list[str] = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if equals:
            new[key] = value
        elif len(pair) < 2:
            raise CommandError(f"invalid annotation format: {pair}")
        else:
            removed.append(pair[:-1])
    return new, removed


def _refusal(clashes: dict[str, str]) -> str:
    told = "; ".join(f"'{key}' already has a value ({value})" for key, value in clashes.items())
    return f"--overwrite is false but found the following declared annotation(s): {told}"
