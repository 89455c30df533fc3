"""Set the number of replicas.

kube-lite scale deployment web --replicas=4
kube-lite scale deploy/web rs/old --replicas=0
kube-lite scale deploy/web --replicas=3 --current-replicas=2    # only if there are 2 now
kube-lite scale deploy --all --replicas=1
"""

from __future__ import annotations

import argparse

from kube_lite.cli import output
from kube_lite.cli.connection import MERGE_PATCH, Api
from kube_lite.cli.flags import add_connection_flags, open_api, seconds
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import Kind
from kube_lite.cli.objects import add_object_flags, each, named
from kube_lite.cli.targets import Kinds

HELP = "set the number of replicas"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite scale``."""
    add = parser.add_argument
    add("what", nargs="*", metavar="TYPE/NAME", help="deploy/web, rs web-1")
    add("--replicas", type=int, required=True, help="how many there shall be")
    add("--current-replicas", type=int, default=-1, metavar="N", help="only if there are so many now")
    add("--resource-version", default="", metavar="N", help="only if this is its version now")
    add("--timeout", default="0s", metavar="DURATION", help="wait until so many exist, at most for this long")
    add_object_flags(parser)
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Scale everything named; goes on after a refusal, and is 1 then."""
    if args.replicas < 0:
        raise CommandError("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    api = open_api(args)
    objects = named(args, api, Kinds(api))
    if not objects:
        raise CommandError("no objects passed to scale")
    return each(objects, lambda one: _scale(args, api, one.kind, one.namespace, one.name))


def _scale(args: argparse.Namespace, api: Api, kind: Kind, namespace: str, name: str) -> None:
    path = kind.path(namespace, name, "scale")
    if args.current_replicas >= 0 or args.resource_version:
        scale = api.get(path)
        now = (scale.get("spec") or {}).get("replicas", 0)
        if args.current_replicas >= 0 and now != args.current_replicas:
            raise CommandError(f"Expected replicas to be {args.current_replicas}, was {now}")
        version = scale["metadata"].get("resourceVersion", "")
        if args.resource_version and version != args.resource_version:
            raise CommandError(f"Expected resource version to be {args.resource_version}, was {version}")
        scale.setdefault("spec", {})["replicas"] = args.replicas
        api.request("PUT", path, None, scale)
    else:
        api.patch(path, {"spec": {"replicas": args.replicas}}, MERGE_PATCH)
    if timeout := seconds(args.timeout, "--timeout"):
        _wait(api, kind, namespace, name, args.replicas, timeout)
    print(f"{output.named(kind, name)} scaled", flush=True)


def _wait(api: Api, kind: Kind, namespace: str, name: str, replicas: int, timeout: float) -> None:
    from kube_lite.cli.flags import progress
    from kube_lite.cli.waiting import Deadline, states

    for obj in states(api, kind, namespace, name, Deadline(timeout)):
        if obj is None:
            raise CommandError(f"{output.named(kind, name)} is gone")
        status = obj.get("status") or {}
        observed = status.get("observedGeneration", 0) >= obj["metadata"].get("generation", 0)
        if observed and status.get("replicas", 0) == replicas:
            return
        progress(f"{output.named(kind, name)}: {status.get('replicas', 0)} of {replicas} replicas")
    raise CommandError(f"timed out waiting for {output.named(kind, name)} to be scaled")
