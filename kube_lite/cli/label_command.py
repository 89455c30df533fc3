"""Set and remove labels.

kube-lite label pod web-0 tier=front
kube-lite label pods web-0 tier=back --overwrite      # it had another value
kube-lite label pod/web-0 tier-                       # remove it
kube-lite label nodes --all zone=a
kube-lite label -f web.yaml app=web --dry-run=server
kube-lite label pods web-0 --list
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kube_lite.cli.main import CommandError
from kube_lite.cli.pairs import Words, add_pair_flags, quoted, run_pairs

HELP = "set and remove labels"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite label``."""
    add_pair_flags(parser, "label")


def run(args: argparse.Namespace) -> int:
    """Label everything named; goes on after a refusal, and is 1 then."""
    return run_pairs(args, Words("labels", "label", parse_labels, _refusal, _told))


def parse_labels(pairs: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Labels to set, and keys to remove. :raises CommandError: a value that no label can have"""
    from kube_lite.resources.names import label_value

    new: dict[str, str] = {}
    removed: list[str] = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            removed.append(pair[:-1])
            continue
        if "=" in value:
            raise CommandError(f"invalid label spec: {pair}")
        if problems := label_value(value):
            raise CommandError(f"invalid label value: {quoted(pair)}: {';'.join(map(str, problems))}")
        new[key] = value
    return new, removed


def _refusal(clashes: dict[str, str]) -> str:
    key, value = next(iter(clashes.items()))
    return f"'{key}' already has a value ({value}), and --overwrite is false"


def _told(changes: bool, removes: bool) -> str:
    if removes:
        return "unlabeled"
    return "labeled" if changes else "not labeled"
