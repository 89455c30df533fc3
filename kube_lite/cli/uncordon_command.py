"""Let pods onto a node again.

kube-lite uncordon node-1
kube-lite uncordon -l zone=a
"""

from __future__ import annotations

import argparse

from kube_lite.cli.flags import open_api
from kube_lite.cli.nodes import add_node_flags, chosen, set_unschedulable

HELP = "let pods onto a node again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite uncordon``."""
    add_node_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Do it to every node named."""
    api = open_api(args)
    for node in chosen(args, api, "uncordon"):
        set_unschedulable(args, api, node, False)
    return 0
