"""List the API groups and versions that the server serves.

kube-lite api-versions
"""

from __future__ import annotations

import argparse

from kube_lite.cli.flags import add_connection_flags, open_api

HELP = "list the API groups and versions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite api-versions``."""
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print them, in order."""
    api = open_api(args)
    found = set(api.get("/api").get("versions") or ())
    for group in api.get("/apis").get("groups") or ():
        found |= {version["groupVersion"] for version in group.get("versions") or ()}
    print("\n".join(sorted(found)))
    return 0
