"""Run one pod.

kube-lite run web --image=nginx --port=80
kube-lite run web --image=nginx --port=80 --expose           # with a Service of the same name
kube-lite run job --image=busybox --restart=Never -- sleep 5   # arguments
kube-lite run job --image=busybox --command -- sh -c 'date'    # another command
kube-lite run web --image=nginx --env=LEVEL=debug --labels=app=web,tier=front
kube-lite run web --image=nginx --dry-run=client -o yaml > pod.yaml
"""

from __future__ import annotations

import argparse

from kube_lite.cli import output
from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.expose_command import number, with_overrides
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.objects import add_result_flags, pairs, query_of
from kube_lite.cli.targets import Kinds

HELP = "run one pod"

TAKES_COMMAND = True
RESTART = ("Always", "OnFailure", "Never")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite run``."""
    add = parser.add_argument
    add("what", nargs="*", metavar="NAME", help="of the pod; what stands behind -- are the container's arguments")
    add("--image", default="", help="of the container")
    add("--image-pull-policy", default="", metavar="POLICY", help="Always, IfNotPresent or Never")
    add("--env", action="append", default=[], metavar="NAME=VALUE", help="an environment variable; may be repeated")
    add("--port", default="", help="port that the container listens on")
    add("-l", "--labels", default="", metavar="KEY=VALUE,...", help="default: run=NAME")
    add("--annotations", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    add("--restart", default="Always", help="Always, OnFailure or Never")
    add("--command", dest="as_command", action="store_true", help="what stands behind -- is the command itself")
    add("--privileged", action="store_true", help="run the container privileged")
    add("--expose", action="store_true", help="make a Service, too; needs --port")
    add("--overrides", default="", metavar="JSON", help="fields to merge into the pod")
    add("--save-config", action="store_true", help="keep the object in the annotation that apply reads")
    add_result_flags(parser, "kubectl-run")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Create the pod, and its Service where it is asked for."""
    output.check(args.output)
    _check(args)
    made = [_pod(args)]
    if args.expose:
        made.insert(0, _service(args, made[0]))
    api = open_api(args)
    kinds = Kinds(api)
    for at, obj in enumerate(made):
        if at and args.output and not output.is_table(args.output) and args.output != "name":
            print("---")
        _create(args, api, kinds, obj)
    return 0


def _check(args: argparse.Namespace) -> None:
    """:raises CommandError: a flag that is needed is missing, or has an impossible value"""
    if not args.image:
        raise CommandError('required flag(s) "image" not set')
    if not args.what:
        raise CommandError("NAME is required for run")
    if " " in args.image or args.image.strip("/:@") != args.image or not args.image.isascii() or "!" in args.image:
        raise CommandError(f'Invalid image name "{args.image}": invalid reference format')
    if args.restart not in RESTART:
        raise CommandError(f"invalid restart policy: {args.restart}; want one of {', '.join(RESTART)}")
    if args.expose and not args.port:
        raise CommandError("--port must be set when exposing a service")


def _pod(args: argparse.Namespace) -> Obj:
    name = args.what[0]
    container: Obj = {"name": name, "image": args.image}
    if words := [*args.what[1:], *args.command]:
        container["command" if args.as_command else "args"] = words
    if args.env:
        container["env"] = [_variable(text) for text in args.env]
    if args.image_pull_policy:
        container["imagePullPolicy"] = args.image_pull_policy
    if args.port:
        container["ports"] = [{"containerPort": number(args.port)}]
    if args.privileged:
        container["securityContext"] = {"privileged": True}
    metadata: Obj = {"name": name, "labels": pairs(args.labels, "label") if args.labels else {"run": name}}
    if args.annotations:
        metadata["annotations"] = pairs(",".join(args.annotations), "annotation")
    spec = {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": args.restart}
    return with_overrides({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, args.overrides)


def _variable(text: str) -> Obj:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise CommandError(f"invalid env: {text}")
    return {"name": name, "value": value}


def _service(args: argparse.Namespace, pod: Obj) -> Obj:
    port = number(args.port)
    spec = {"ports": [{"port": port, "protocol": "TCP", "targetPort": port}], "selector": pod["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": args.what[0]}, "spec": spec}


def _create(args: argparse.Namespace, api: Api, kinds: Kinds, obj: Obj) -> None:
    kind = kinds.of(obj["apiVersion"], obj["kind"])
    if args.save_config:
        from kube_lite.cli.three_way import with_last_applied

        obj = with_last_applied(obj)
    if args.dry_run != "client":
        obj = api.post(kind.path(api.namespace), obj, query_of(args))
    output.print_done(args.output, args.dry_run, obj, "created")
