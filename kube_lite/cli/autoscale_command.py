"""Make a HorizontalPodAutoscaler for a Deployment, ReplicaSet, StatefulSet or ReplicationController.

kube-lite autoscale deploy/web --max=5                       # at 80 % of the requested cpu
kube-lite autoscale deploy web --min=2 --max=10 --cpu-percent=60
"""

from __future__ import annotations

import argparse

from kube_lite.cli import output
from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.objects import Named, add_result_flags, each, named, query_of
from kube_lite.cli.targets import Kinds

HELP = "make a HorizontalPodAutoscaler"

SCALED = ("Deployment", "ReplicaSet", "StatefulSet", "ReplicationController")
CPU_PERCENT = 80
"""Of the requested cpu, where nothing else is said: autoscaling/v1's default."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite autoscale``."""
    add = parser.add_argument
    add("what", nargs="*", metavar="TYPE/NAME", help="deploy/web")
    add("-f", "--filename", action="append", default=[], metavar="FILE", help="the objects named in files")
    add("--max", type=int, metavar="N", help="most pods (required)")
    add("--min", type=int, default=-1, metavar="N", help="fewest pods (default: 1)")
    add("--cpu-percent", type=int, default=-1, metavar="N", help=f"of the requested cpu (default: {CPU_PERCENT})")
    add("--name", default="", help="of the autoscaler (default: the object's)")
    add_result_flags(parser, "kubectl-autoscale")
    add_connection_flags(parser)
    parser.set_defaults(selector="", all=False)


def run(args: argparse.Namespace) -> int:
    """Autoscale everything named; goes on after a refusal, and is 1 then."""
    output.check(args.output)
    if args.max is None:
        raise CommandError('required flag(s) "max" not set')
    if args.max < 1:
        raise CommandError(f"--max=MAXPODS is required and must be at least 1, max: {args.max}")
    if args.max < args.min:
        least = f"max: {args.max}, min: {args.min}"
        raise CommandError(f"--max=MAXPODS must be larger or equal to --min=MINPODS, {least}")
    api = open_api(args)
    kinds = Kinds(api)
    return each(named(args, api, kinds), lambda one: _autoscale(args, api, kinds, one))


def _autoscale(args: argparse.Namespace, api: Api, kinds: Kinds, one: Named) -> None:
    if one.kind.kind not in SCALED:
        raise CommandError(f"cannot autoscale a {one.kind.kind}: it has no scale subresource")
    one.live(api)  # it must exist
    target = {"apiVersion": one.kind.api_version, "kind": one.kind.kind, "name": one.name}
    percent = args.cpu_percent if args.cpu_percent > 0 else CPU_PERCENT
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}
    spec: Obj = {"maxReplicas": args.max, "scaleTargetRef": target, "metrics": [{"type": "Resource", "resource": cpu}]}
    if args.min > 0:
        spec["minReplicas"] = args.min
    made: Obj = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    made |= {"metadata": {"name": args.name or one.name}, "spec": spec}
    if args.dry_run != "client":
        kind = kinds.of(made["apiVersion"], made["kind"])
        made = api.post(kind.path(one.namespace), made, query_of(args))
    output.print_done(args.output, args.dry_run, made, "autoscaled")
