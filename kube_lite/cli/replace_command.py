"""Put what files say in the place of objects, whole: fields that the file does not have are gone afterwards.

kube-lite replace -f web.yaml
kube-lite get cm settings -o yaml | sed 's/debug/info/' | kube-lite replace -f -
kube-lite replace --force -f web.yaml                 # delete, then create: for fields that cannot be changed
"""

from __future__ import annotations

import argparse

from kube_lite.cli import output
from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.delete_command import POLICIES, Doomed, delete, delete_options, wait_until_gone
from kube_lite.cli.flags import add_connection_flags, open_api, seconds
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import Kind, check_object_name
from kube_lite.cli.objects import add_result_flags, query_of
from kube_lite.cli.targets import Kinds

HELP = "put files in the place of objects"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite replace``."""
    add = parser.add_argument
    add("what", nargs="*", help=argparse.SUPPRESS)
    add("-f", "--filename", action="append", default=[], metavar="FILE", help="file, directory, URL, or -")
    add("-R", "--recursive", action="store_true", help="directories with what lies below them")
    add("--force", action="store_true", help="delete the objects, then create them")
    add("--grace-period", type=int, default=-1, metavar="SECONDS", help="with --force: between SIGTERM and SIGKILL")
    add("--timeout", default="0s", metavar="DURATION", help="with --force: how long to wait for the deletion")
    add("--cascade", nargs="?", const="background", default="background", choices=sorted(POLICIES))
    add("--subresource", default="", metavar="NAME", help="such as status or scale")
    add("--save-config", action="store_true", help="keep the object in the annotation that apply reads")
    add("--validate", nargs="?", const="strict", default="strict", help="strict, warn or ignore unknown fields")
    add_result_flags(parser, "kubectl-replace")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Replace every object; goes on after a refusal, and is 1 then."""
    from kube_lite.cli.manifests import read, without_arguments
    from kube_lite.cli.refusals import report
    from kube_lite.errors import ApiError

    _check(args)
    without_arguments(args.what)
    api = open_api(args)
    kinds = Kinds(api)
    failed = False
    for manifest in read(args.filename, args.recursive):
        kind = kinds.of_manifest(manifest)
        check_object_name(manifest.name)
        namespace = manifest.namespace(api.namespace, args.namespace)
        if kind.namespaced:
            manifest.obj["metadata"]["namespace"] = namespace
        try:
            _replace(args, api, kind, manifest.obj)
        except ApiError as error:
            failed = True
            report(error, f'error when {"creating" if args.force else "replacing"} "{manifest.source}"')
    return 1 if failed else 0


def _check(args: argparse.Namespace) -> None:
    """:raises CommandError: flags that contradict each other"""
    output.check(args.output)
    if not args.filename:
        raise CommandError("must specify --filename (-f): replace takes whole objects; to change fields there is patch")
    if args.force:
        if args.dry_run != "none":
            raise CommandError("--dry-run can not be used when --force is set")
    elif args.grace_period >= 0:
        raise CommandError("--grace-period must have --force specified")
    elif seconds(args.timeout, "--timeout"):
        raise CommandError("--timeout must have --force specified")


def _replace(args: argparse.Namespace, api: Api, kind: Kind, obj: Obj) -> None:
    from kube_lite.cli.apply_command import validation

    metadata = obj["metadata"]
    namespace, name = metadata.get("namespace", "") if kind.namespaced else "", metadata["name"]
    if args.save_config:
        from kube_lite.cli.three_way import with_last_applied

        obj = with_last_applied(obj)
    query = {**query_of(args), "fieldValidation": validation(args.validate)}
    if args.force:
        _remove(args, api, kind, namespace, name)
        obj["metadata"].pop("resourceVersion", None)  # of the object that is gone
        obj = api.post(kind.path(namespace), obj, query)
    elif args.dry_run != "client":
        path = kind.path(namespace, name, args.subresource)
        if not metadata.get("resourceVersion"):  # the file says nothing of a version: whatever is there now
            version = api.get(path)["metadata"].get("resourceVersion")
            obj["metadata"]["resourceVersion"] = version
        obj = api.request("PUT", path, query, obj)
    output.print_done(args.output, args.dry_run, obj, "replaced")


def _remove(args: argparse.Namespace, api: Api, kind: Kind, namespace: str, name: str) -> None:
    """Delete the object if there is one, and wait until it is gone."""
    from kube_lite.errors import NotFound

    one = Doomed(kind, namespace, name)
    asked = argparse.Namespace(**{**vars(args), "now": False, "force": args.grace_period == 0, "output": ""})
    try:
        delete(api, one, asked, delete_options(asked))
    except NotFound:
        return
    wait_until_gone(api, [one], seconds(args.timeout, "--timeout"))
