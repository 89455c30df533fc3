"""Change fields of objects by a patch: strategic merge (the default), JSON merge, or JSON patch.

kube-lite patch deploy web -p '{"spec":{"replicas":3}}'
kube-lite patch deploy/web --type=merge --patch-file=change.yaml
kube-lite patch pod web-0 --type=json -p '[{"op":"remove","path":"/metadata/labels/tier"}]'
kube-lite patch deploy web --subresource=scale --type=merge -p '{"spec":{"replicas":3}}'
"""

from __future__ import annotations

import argparse
from typing import Any

from kube_lite.cli import output
from kube_lite.cli.connection import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Api
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.objects import Named, add_result_flags, each, named
from kube_lite.cli.targets import Kinds

HELP = "change fields by a patch"

TYPES = {"json": JSON_PATCH, "merge": MERGE_PATCH, "strategic": STRATEGIC_PATCH}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite patch``."""
    add = parser.add_argument
    add("what", nargs="*", metavar="TYPE/NAME", help="deploy/web, pods web-0")
    add("-p", "--patch", default="", metavar="PATCH", help="the patch, in JSON or YAML")
    add("--patch-file", default="", metavar="FILE", help="a file with the patch")
    add("--type", default="strategic", metavar="TYPE", help="strategic (default), merge or json")
    add("--subresource", default="", metavar="NAME", help="such as status or scale")
    add("-f", "--filename", action="append", default=[], metavar="FILE", help="the objects named in files")
    add("-R", "--recursive", action="store_true", help="directories of -f with what lies below them")
    add_result_flags(parser, "kubectl-patch")
    add_connection_flags(parser)
    parser.set_defaults(selector="", all=False)


def run(args: argparse.Namespace) -> int:
    """Patch everything named; goes on after a refusal, and is 1 then."""
    output.check(args.output)
    if args.type not in TYPES:
        raise CommandError(f'--type must be one of [{" ".join(TYPES)}], not "{args.type}"')
    patch = _patch(args)
    api = open_api(args)
    return each(named(args, api, Kinds(api)), lambda one: _apply(args, api, one, patch))


def _patch(args: argparse.Namespace) -> Any:
    """What ``-p`` or the file says. :raises CommandError: neither, both, or not JSON or YAML"""
    from kube_lite.cli.manifests import contents, document

    if args.patch and args.patch_file:
        raise CommandError("cannot specify --patch and --patch-file together")
    if args.patch_file:
        try:
            return document(contents(args.patch_file), args.patch_file)
        except CommandError as error:
            raise CommandError(f"unable to read patch file: {error}") from error
    if not args.patch:
        raise CommandError("must specify --patch or --patch-file containing the contents of the patch")
    return document(args.patch.encode(), "--patch")


def _apply(args: argparse.Namespace, api: Api, one: Named, patch: Any) -> None:
    path = one.kind.path(one.namespace, one.name, args.subresource)
    before = api.get(path)
    query = {"fieldManager": args.field_manager}
    if args.dry_run != "none":  # only the server knows every type's merge keys, so it also answers for the client
        query["dryRun"] = "All"
    after = api.patch(path, patch, TYPES[args.type], query)
    done = "patched" if after != before else "patched (no change)"
    output.print_done(args.output, args.dry_run, after, done)
