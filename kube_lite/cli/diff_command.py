"""What apply would change: the server does everything but the change, and the results are compared.

kube-lite diff -f web.yaml
kube-lite diff -f ./manifests -R
KUBECTL_EXTERNAL_DIFF="diff -u -w" kube-lite diff -f web.yaml

Exit code: 0 for no difference, 1 for differences, above 1 when something went wrong. The comparison itself is done by
$KUBECTL_EXTERNAL_DIFF, else by diff -u -N.
"""

from __future__ import annotations

import argparse
import os
import sys

from kube_lite.cli import output
from kube_lite.cli.connection import APPLY_PATCH, Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError, api_error
from kube_lite.cli.manifests import Manifest, read
from kube_lite.cli.names import Kind, check_object_name
from kube_lite.cli.targets import Kinds

HELP = "what apply would change"

FAILED = 2
"""Exit code when no comparison could be made: diff's own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite diff``."""
    add = parser.add_argument
    add("what", nargs="*", help=argparse.SUPPRESS)
    add("-f", "--filename", action="append", default=[], metavar="FILE", help="file, directory, URL, or -")
    add("-R", "--recursive", action="store_true", help="directories with what lies below them")
    add("-l", "--selector", default="", metavar="LABELS", help="only objects with these labels")
    add("--server-side", action="store_true", help="compare with server-side apply")
    add("--force-conflicts", action="store_true", help="with --server-side: take fields from their owners")
    add("--field-manager", default="", metavar="NAME", help="who would own the fields")
    add("--show-managed-fields", action="store_true", help="compare managedFields, too")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Compare."""
    try:
        return _run(args)
    except api_error() as error:
        from kube_lite.cli.refusals import report

        report(error)
    except CommandError as error:
        print(f"{error.prefix}{error}", file=sys.stderr)
    return FAILED


def _run(args: argparse.Namespace) -> int:
    import tempfile

    from kube_lite.cli.apply_command import selected
    from kube_lite.cli.manifests import without_arguments

    without_arguments(args.what)
    api = open_api(args)
    kinds = Kinds(api)
    with tempfile.TemporaryDirectory(prefix="LIVE-") as live, tempfile.TemporaryDirectory(prefix="MERGED-") as merged:
        for manifest in selected(read(args.filename, args.recursive), args.selector):
            before, after, name = _states(args, api, kinds, manifest)
            for directory, obj in ((live, before), (merged, after)):
                if obj is not None:
                    _write(args, os.path.join(directory, name), obj, kinds)
        return _compare(live, merged)


def _states(args: argparse.Namespace, api: Api, kinds: Kinds, manifest: Manifest) -> tuple[Obj | None, Obj, str]:
    """The object as it is, as it would be, and the name of its file. :raises ApiError: the server refuses"""
    from kube_lite.errors import NotFound

    kind = kinds.of_manifest(manifest)
    name = check_object_name(manifest.name)
    namespace = manifest.namespace(api.namespace, args.namespace) if kind.namespaced else ""
    if namespace:
        manifest.obj["metadata"]["namespace"] = namespace
    file = ".".join(filter(None, (kind.group, kind.version, kind.kind, namespace, name))).replace("/", "-")
    before: Obj | None
    try:
        before = api.get(kind.path(namespace, name))
    except NotFound:
        before = None
    return before, _applied(args, api, kind, namespace, manifest, before), file


def _applied(
    args: argparse.Namespace, api: Api, kind: Kind, namespace: str, manifest: Manifest, before: Obj | None
) -> Obj:
    from kube_lite.cli.apply_command import MANAGER, SERVER_SIDE_MANAGER, changes
    from kube_lite.cli.three_way import with_last_applied

    manager = args.field_manager or (SERVER_SIDE_MANAGER if args.server_side else MANAGER)
    query = {"dryRun": "All", "fieldManager": manager}
    if args.server_side:
        query["force"] = "true" if args.force_conflicts else "false"
        return api.patch(kind.path(namespace, manifest.name), manifest.obj, APPLY_PATCH, query)
    if before is None:
        return api.post(kind.path(namespace), manifest.obj, query)
    patch, media_type = changes(kind, with_last_applied(manifest.obj), before)
    return api.patch(kind.path(namespace, manifest.name), patch, media_type, query) if patch else before


def _write(args: argparse.Namespace, path: str, obj: Obj, kinds: Kinds) -> None:
    from kube_lite.cli.three_way import LAST_APPLIED

    if not args.show_managed_fields:
        obj = output.without_managed_fields(obj)
    annotations = obj["metadata"].get("annotations")
    if annotations and not args.server_side:
        annotations.pop(LAST_APPLIED, None)  # it says the same once more
        if not annotations:
            del obj["metadata"]["annotations"]
    if obj.get("kind") == "Secret" and obj.get("data"):
        obj = {**obj, "data": {key: _masked(value) for key, value in obj["data"].items()}}
    with open(path, "w", encoding="utf-8") as file:
        file.write(output.to_yaml(obj))


def _masked(value: str) -> str:
    """What stands for a secret's value: equal for equal values, and says nothing of them."""
    import hashlib

    return f"*** ({hashlib.sha256(value.encode()).hexdigest()[:8]})"


def _compare(live: str, merged: str) -> int:
    """Run the comparison; its exit code. :raises CommandError: there is no such program"""
    import shlex
    import subprocess

    words = shlex.split(os.environ.get("KUBECTL_EXTERNAL_DIFF", "")) or ["diff", "-u", "-N"]
    sys.stdout.flush()
    try:
        return subprocess.run([*words, live, merged], check=False).returncode
    except OSError as error:
        raise CommandError(f'failed to run "{words[0]}": {error.strerror}') from error
