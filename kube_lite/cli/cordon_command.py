"""Let no new pods onto a node.

kube-lite cordon node-1
kube-lite cordon -l zone=a
"""

from __future__ import annotations

import argparse

from kube_lite.cli.flags import open_api
from kube_lite.cli.nodes import add_node_flags, chosen, set_unschedulable

HELP = "let no new pods onto a node"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite cordon``."""
    add_node_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Do it to every node named."""
    api = open_api(args)
    for node in chosen(args, api, "cordon"):
        set_unschedulable(args, api, node, True)
    return 0
