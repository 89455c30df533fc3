"""Create objects, from files or from arguments.

    kube-lite create -f pod.yaml
    kube-lite create namespace team-a
    kube-lite create deployment web --image=nginx --replicas=2 --port=80
    kube-lite create configmap settings --from-literal=level=debug --from-file=app.conf
    kube-lite create secret generic login --from-literal=password=geheim
    kube-lite create token default                       # a token of a service account

With --dry-run=client -o yaml it only prints what it would create: a start for a file of your own.
"""

from __future__ import annotations

import argparse

from kube_lite.cli import output
from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import Kind
from kube_lite.cli.targets import Kinds

HELP = "create objects from files or arguments"

MANAGER = "kubectl-create"
TAKES_COMMAND = True
"""``job x -- date``: what stands behind ``--`` is the container's command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite create``: those of every kind that it can make, as kubectl names them."""
    add = parser.add_argument
    kinds = "namespace, deployment, job, configmap, secret generic|tls|docker-registry, serviceaccount, token, "
    kinds += "service clusterip|nodeport|loadbalancer|externalname"
    add("what", nargs="*", metavar="KIND NAME", help=kinds)
    add("-f", "--filename", action="append", default=[], metavar="FILE", help="file, directory, URL, or -")
    add("-R", "--recursive", action="store_true", help="directories with what lies below them")
    add("-o", "--output", default="", metavar="FORMAT", help="print the object: " + output.FORMATS)
    add("--dry-run", nargs="?", const="unchanged", default="none", choices=("none", "client", "server", "unchanged"))
    add("--save-config", action="store_true", help="keep the object in the annotation that apply reads")
    add("--field-manager", default=MANAGER, metavar="NAME", help="who owns the fields")
    add("--validate", nargs="?", const="strict", default="strict", help="strict, warn or ignore unknown fields")
    more = parser.add_argument_group("for the kinds")
    add = more.add_argument
    add("--image", action="append", default=[], help="deployment, job: image of a container; may be repeated")
    add("-r", "--replicas", type=int, default=1, help="deployment: number of pods")
    add("--port", type=int, default=0, help="deployment: port that the container listens on")
    add("--from-literal", action="append", default=[], metavar="KEY=VALUE", help="configmap, secret")
    add("--from-file", action="append", default=[], metavar="[KEY=]PATH", help="configmap, secret: file or directory")
    add("--from-env-file", action="append", default=[], metavar="PATH", help="configmap, secret: lines of KEY=VALUE")
    add("--type", default="", help="secret: its type")
    add("--cert", default="", metavar="FILE", help="secret tls")
    add("--key", default="", metavar="FILE", help="secret tls")
    add("--docker-server", default="https://index.docker.io/v1/", help="secret docker-registry")
    add("--docker-username", default="", help="secret docker-registry")
    add("--docker-password", default="", help="secret docker-registry")
    add("--docker-email", default="", help="secret docker-registry")
    add("--tcp", action="append", default=[], metavar="PORT[:TARGET]", help="service")
    add("--clusterip", default="", help="service: its address, or None")
    add("--external-name", default="", help="service externalname")
    add("--duration", default="", help="token: how long it is good for, such as 1h")
    add("--audience", action="append", default=[], help="token: who it is meant for")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Create; goes on after a refusal, and is 1 then."""
    output.check(args.output)
    words = args.what
    api = open_api(args)
    if args.filename:
        return _from_files(args, api)
    if words[:1] == ["token"]:
        return _token(args, api, words[1:])
    from kube_lite.cli.create_objects import made

    kinds, obj = Kinds(api), made(words, args.command, args)
    _create(args, api, kinds, kinds.of(obj["apiVersion"], obj["kind"]), obj)
    return 0


def _from_files(args: argparse.Namespace, api: Api) -> int:
    from kube_lite.cli.manifests import read
    from kube_lite.cli.refusals import report
    from kube_lite.errors import ApiError

    kinds = Kinds(api)
    failed = False
    for manifest in read(args.filename, args.recursive):
        try:
            kind = kinds.of_manifest(manifest)
            manifest.namespace(api.namespace, args.namespace)  # of whatever kind, it may not be another than -n
            _create(args, api, kinds, kind, manifest.obj)
        except ApiError as error:
            failed = True
            report(error, f'error when creating "{manifest.source}"')
    return 1 if failed else 0


def _create(args: argparse.Namespace, api: Api, kinds: Kinds, kind: Kind, obj: Obj) -> None:
    from kube_lite.cli.apply_command import validation

    metadata = obj["metadata"]
    if kind.namespaced:
        metadata["namespace"] = args.namespace or metadata.get("namespace") or api.namespace
    if args.save_config:
        from kube_lite.cli.three_way import with_last_applied

        obj = with_last_applied(obj)
    if args.dry_run in ("none", "server"):
        query = {"fieldManager": args.field_manager, "fieldValidation": validation(args.validate)}
        if args.dry_run == "server":
            query["dryRun"] = "All"
        obj = api.post(kind.path(metadata.get("namespace", "")), obj, query)
        if kind.kind == "CustomResourceDefinition":
            kinds.forget()
    output.print_done(args.output, args.dry_run, obj, "created")


def _token(args: argparse.Namespace, api: Api, names: list[str]) -> int:
    from kube_lite.cli.flags import seconds
    from kube_lite.cli.names import builtin_named

    if len(names) != 1:
        raise CommandError("exactly one NAME is required: kube-lite create token SERVICEACCOUNT")
    accounts = builtin_named("serviceaccounts")
    assert accounts is not None
    spec: Obj = {"audiences": args.audience or None}
    if args.duration:
        spec["expirationSeconds"] = int(seconds(args.duration, "--duration"))
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "metadata": {},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }
    answer = api.post(accounts.path(api.namespace, names[0], "token"), body)
    if args.output:
        output.print_objects(args.output, [answer], False)
    else:
        print(answer["status"]["token"])
    return 0
