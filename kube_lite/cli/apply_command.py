"""Make the cluster match files: create what is missing, change what differs, leave the rest as it is.

    kube-lite apply -f deployment.yaml
    kube-lite apply -f ./manifests -R                    # a directory and all below it
    kube-lite apply -f https://example.org/app.yaml
    cat app.yaml | kube-lite apply -f -
    kube-lite apply -f app.yaml --server-side            # fields have owners; conflicts are shown
    kube-lite apply -f app.yaml --dry-run=server         # everything but the change

What was applied is kept in an annotation of the object, the one that kubectl uses: the two can be mixed. Fields that
vanish from the file are deleted; fields that others have set stay.
"""

from __future__ import annotations

import argparse
from typing import NoReturn

from kube_lite.cli import output
from kube_lite.cli.connection import APPLY_PATCH, Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.manifests import Manifest, read
from kube_lite.cli.names import Kind
from kube_lite.cli.targets import Kinds

HELP = "create or change objects to match files"

MANAGER = "kubectl-client-side-apply"
SERVER_SIDE_MANAGER = "kubectl"
LAST_APPLIED_MANAGER = "kubectl-last-applied"
"""The field managers are kubectl's, so that objects can be applied by either tool without conflicts."""


RESOLUTIONS = """Please review the fields above: they currently have other managers. You can
* become their manager, and take the fields over: --force-conflicts
* give them up: remove the fields from the file
* agree: set the values that the server has, and share them
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite apply``."""
    add = parser.add_argument
    add("-f", "--filename", action="append", default=[], metavar="FILE", help="file, directory, URL, or -")
    add("-k", "--kustomize", default="", metavar="DIR", help=argparse.SUPPRESS)
    add("-R", "--recursive", action="store_true", help="directories with what lies below them")
    add("-o", "--output", default="", metavar="FORMAT", help="print the objects: " + output.FORMATS)
    add("-l", "--selector", default="", metavar="LABELS", help="only objects with these labels")
    add("--server-side", action="store_true", help="let the server merge, with an owner for each field")
    add("--force-conflicts", action="store_true", help="with --server-side: take fields from their owners")
    add("--field-manager", default="", metavar="NAME", help="who owns the fields")
    add("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))
    add("--validate", nargs="?", const="strict", default="strict", help="strict, warn or ignore unknown fields")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Apply every object; goes on after a refusal, and is 1 then."""
    from kube_lite.cli.refusals import report
    from kube_lite.errors import ApiError

    output.check(args.output)
    if args.kustomize:
        raise CommandError(
            f"kustomizations are not built here: kubectl kustomize {args.kustomize} | kube-lite apply -f -"
        )
    if args.force_conflicts and not args.server_side:
        raise CommandError("--force-conflicts only works with --server-side")
    api = open_api(args)
    apply = Apply(args, api)
    failed = False
    done = []
    for manifest in selected(read(args.filename, args.recursive), args.selector):
        try:
            done.append(apply.one(manifest))
        except ApiError as error:
            failed = True
            report(error, f'error when {apply.doing} "{manifest.source}"')
    if args.output and done:
        output.print_objects(args.output, done, len(done) > 1 and args.output != "name")
    return 1 if failed else 0


def selected(manifests: list[Manifest], selector: str) -> list[Manifest]:
    """The manifests whose labels fit ``selector``."""
    if not selector:
        return manifests
    from kube_lite.resources.selectors import parse

    wanted = parse(selector)
    return [m for m in manifests if wanted.matches(m.obj["metadata"].get("labels") or {})]


def validation(value: str) -> str:
    """``--validate`` as the server's fieldValidation. :raises CommandError: another word than kubectl takes"""
    levels = {"true": "Strict", "strict": "Strict", "warn": "Warn", "ignore": "Ignore", "false": "Ignore"}
    if value.lower() not in levels:
        raise CommandError(f"--validate {value}: want strict (or true), warn, or ignore (or false)")
    return levels[value.lower()]


class Apply:
    """One run of ``apply``."""

    def __init__(self, args: argparse.Namespace, api: Api) -> None:
        self._args = args
        self._api = api
        self._kinds = Kinds(api)
        self.doing = "applying"
        """The step that is under way, for the message when it is refused; kubectl's words."""
        manager = args.field_manager or (SERVER_SIDE_MANAGER if args.server_side else MANAGER)
        self._query = {"fieldManager": manager, "fieldValidation": validation(args.validate)}
        if args.dry_run == "server":
            self._query["dryRun"] = "All"

    def one(self, manifest: Manifest) -> Obj:
        """Apply one object, and say what happened. :raises ApiError: the server refuses"""
        kind = self._kinds.of_manifest(manifest)
        if not manifest.name:
            _refuse_nameless(manifest)
        self.doing = "applying"
        namespace = manifest.namespace(self._api.namespace, self._args.namespace) if kind.namespaced else ""
        if namespace:
            manifest.obj["metadata"]["namespace"] = namespace
        if self._args.server_side:
            result, what = self._server_side(kind, namespace, manifest), "serverside-applied"
        else:
            result, what = self._client_side(kind, namespace, manifest)
        if kind.kind == "CustomResourceDefinition":
            self._kinds.forget()
        if not self._args.output:
            suffix = {"server": " (server dry run)", "none": ""}.get(self._args.dry_run, " (dry run)")
            print(f"{output.named(kind, manifest.name)} {what}{suffix}", flush=True)
        return result

    def _server_side(self, kind: Kind, namespace: str, manifest: Manifest) -> Obj:
        query = {**self._query, "force": "true" if self._args.force_conflicts else "false"}
        from kube_lite.cli.three_way import LAST_APPLIED, with_last_applied
        from kube_lite.errors import Conflict

        path = kind.path(namespace, manifest.name)
        try:
            applied = self._api.patch(path, manifest.obj, APPLY_PATCH, query)
        except Conflict as error:
            if any(c.get("reason") == "FieldManagerConflict" for c in error.details.get("causes") or ()):
                raise CommandError(f"{error.message}\n{RESOLUTIONS}") from error
            raise
        if LAST_APPLIED not in (applied["metadata"].get("annotations") or {}):
            return applied
        # applied client-side before: keep the annotation true, for whoever does that again
        text = with_last_applied(manifest.obj)["metadata"]["annotations"][LAST_APPLIED]
        known = {key: manifest.obj[key] for key in ("apiVersion", "kind")}
        metadata = {"name": manifest.name, "annotations": {LAST_APPLIED: text}}
        query = {**query, "fieldManager": LAST_APPLIED_MANAGER, "force": "true"}
        return self._api.patch(path, {**known, "metadata": metadata}, APPLY_PATCH, query)

    def _client_side(self, kind: Kind, namespace: str, manifest: Manifest) -> tuple[Obj, str]:
        from kube_lite.cli.three_way import LAST_APPLIED, with_last_applied
        from kube_lite.errors import NotFound

        modified = with_last_applied(manifest.obj)
        client_only = self._args.dry_run == "client"
        try:
            live = self._api.get(kind.path(namespace, manifest.name))
        except NotFound:
            if client_only:
                return modified, "created"
            self.doing = "creating"
            return self._api.post(kind.path(namespace), modified, self._query), "created"
        if LAST_APPLIED not in (live["metadata"].get("annotations") or {}):
            self._warn_unapplied(kind, manifest.name)
        patch, media_type = changes(kind, modified, live)
        if not patch:
            return live, "unchanged"
        if client_only:
            return live, "configured"
        self.doing = "applying patch to"
        changed = self._api.patch(kind.path(namespace, manifest.name), patch, media_type, self._query)
        # 0.5 in the file is 500m on the server: a patch that changed nothing was none
        same = changed["metadata"].get("resourceVersion") == live["metadata"].get("resourceVersion")
        return changed, "unchanged" if same and "dryRun" not in self._query else "configured"

    def _warn_unapplied(self, kind: Kind, name: str) -> None:
        import sys

        from kube_lite.cli.three_way import LAST_APPLIED

        print(
            f"Warning: resource {kind.qualified}/{name} is missing the {LAST_APPLIED} "
            "annotation which is required by kube-lite apply. kube-lite apply should only be used on resources created "
            "declaratively by either kube-lite create --save-config or kube-lite apply. The missing annotation will be "
            "patched automatically.",
            file=sys.stderr,
        )


def _refuse_nameless(manifest: Manifest) -> NoReturn:
    if prefix := manifest.obj["metadata"].get("generateName"):
        raise CommandError(f"from {prefix}: cannot use generate name with apply")
    source = manifest.source
    raise CommandError(f'error when retrieving current configuration of "{source}": resource name may not be empty')


def changes(kind: Kind, modified: Obj, live: Obj) -> tuple[Obj, str]:
    """The patch from ``live`` to the file, and its media type; an empty patch when they agree."""
    from kube_lite.cli.three_way import difference, last_applied

    return difference(kind, last_applied(live) or {}, modified, live)
