"""Delete objects, and wait until they are gone.

kube-lite delete pod web-0
kube-lite delete deploy/web svc/web
kube-lite delete -f deployment.yaml
kube-lite delete pods -l app=web
kube-lite delete pod web-0 --grace-period=5          # seconds between SIGTERM and SIGKILL
kube-lite delete pod web-0 --force --grace-period=0  # forget it at once: it may go on running
"""

from __future__ import annotations

import argparse
import sys

from kube_lite.cli import output
from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api, progress, seconds
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import Kind
from kube_lite.cli.targets import Kinds, parse

HELP = "delete objects by name, selector or file"

POLICIES = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan", "true": "Background"}
POLICIES["false"] = "Orphan"


class Doomed:
    """One object to delete."""

    __slots__ = ("kind", "name", "namespace", "source", "uid")

    def __init__(self, kind: Kind, namespace: str, name: str, source: str = "") -> None:
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.source = source
        self.uid = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite delete``."""
    add = parser.add_argument
    add("what", nargs="*", metavar="TYPE[/NAME]", help="pods web-0, deploy/web")
    add("-f", "--filename", action="append", default=[], metavar="FILE", help="file, directory, URL, or -")
    add("-R", "--recursive", action="store_true", help="directories with what lies below them")
    add("-l", "--selector", default="", metavar="LABELS", help="those with these labels")
    add("--field-selector", default="", metavar="FIELDS", help="those with these fields")
    add("--all", action="store_true", help="all of the type")
    add("-A", "--all-namespaces", action="store_true")
    add("--grace-period", type=int, default=-1, metavar="SECONDS", help="between SIGTERM and SIGKILL")
    add("--now", action="store_true", help="the same as --grace-period=1")
    add("--force", action="store_true", help="with --grace-period=0: remove at once, unconfirmed")
    add("--cascade", nargs="?", const="background", default="background", choices=sorted(POLICIES))
    add("--wait", nargs="?", const="true", default="true", choices=("true", "false"), help="until gone (default)")
    add("--timeout", default="0s", metavar="DURATION", help="how long to wait (default: for ever)")
    add("--ignore-not-found", nargs="?", const="true", default="false", choices=("true", "false"))
    add("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))
    add("-o", "--output", default="", choices=("", "name"), help="name: print names only")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Delete everything named; goes on after a refusal, and is 1 then."""
    from kube_lite.cli.refusals import report
    from kube_lite.errors import ApiError, NotFound

    options = delete_options(args)
    api = open_api(args)
    doomed = list(_doomed(args, api))
    if not doomed:
        print("No resources found")
        return 0
    failed = False
    going = []
    for one in doomed:
        try:
            delete(api, one, args, options)
            going.append(one)
        except NotFound as error:
            if args.ignore_not_found == "false":
                failed = True
                report(error, f'error when deleting "{one.source}"' if one.source else "")
        except ApiError as error:
            failed = True
            report(error, f'error when deleting "{one.source}"' if one.source else "")
    wait = args.wait == "true" and args.dry_run == "none" and not (args.force and args.grace_period == 0)
    if wait:
        wait_until_gone(api, going, seconds(args.timeout, "--timeout"))
    return 1 if failed else 0


def delete_options(args: argparse.Namespace) -> Obj:
    """DeleteOptions. :raises CommandError: flags that contradict each other"""
    grace = args.grace_period
    if args.now:
        if grace != -1:
            raise CommandError("--now and --grace-period cannot be specified together")
        grace = 1
    if args.force:
        if grace > 0:
            raise CommandError("--force and --grace-period greater than 0 cannot be specified together")
        grace = args.grace_period = 0
        print(
            "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
            "The resource may continue to run on the cluster indefinitely.",
            file=sys.stderr,
        )
    elif grace == 0:
        grace = 1  # as kubectl: only --force skips the node's confirmation
    options: Obj = {"propagationPolicy": POLICIES[args.cascade]}
    if grace >= 0:
        options["gracePeriodSeconds"] = grace
    if args.dry_run == "server":
        options["dryRun"] = ["All"]
    return options


def _doomed(args: argparse.Namespace, api: Api) -> list[Doomed]:
    kinds = Kinds(api)
    if args.filename:
        from kube_lite.cli.manifests import read_any, without_arguments

        without_arguments(args.what)
        found = []
        for manifest in read_any(args.filename, args.recursive):
            target = kinds.target(manifest, api.namespace, args.namespace)
            found.append(Doomed(target.kind, target.namespace or "", manifest.name, manifest.source))
        return found
    if args.all and (args.selector or args.field_selector):
        raise CommandError("--all and a selector contradict each other: give one of them")
    targets = parse(args.what, kinds)
    by_selector = bool(args.selector or args.field_selector or args.all)
    found = []
    for target in targets:
        namespace = api.namespace if target.kind.namespaced and not args.all_namespaces else ""
        if target.names and by_selector:
            raise CommandError("name cannot be provided when a selector is specified")
        if not target.names and not by_selector:
            raise CommandError("resource(s) were provided, but no name was specified")
        if target.names:
            found += [Doomed(target.kind, namespace, name) for name in target.names]
            continue
        query = {"labelSelector": args.selector, "fieldSelector": args.field_selector}
        listed = api.list_all(target.kind.path(namespace), {key: text for key, text in query.items() if text})
        for item in listed.get("items") or ():
            metadata = item["metadata"]
            found.append(Doomed(target.kind, metadata.get("namespace") or "", metadata["name"]))
    return found


def delete(api: Api, one: Doomed, args: argparse.Namespace, options: Obj) -> None:
    """Ask for it, and say so. :raises ApiError: the server refuses"""
    if args.dry_run != "client":
        answer = api.delete(one.kind.path(one.namespace, one.name), options)
        details = answer.get("details") if answer.get("kind") == "Status" else answer.get("metadata")
        one.uid = str((details or {}).get("uid") or "")
    if args.output == "name":
        print(output.named(one.kind, one.name), flush=True)
        return
    suffix = {"server": " (server dry run)", "client": " (dry run)"}.get(args.dry_run, "")
    what = "force deleted" if args.force else "deleted"
    where = f" from {one.namespace} namespace" if one.namespace else ""
    print(f'{one.kind.singular} "{one.name}" {what}{where}{suffix}', flush=True)


def wait_until_gone(api: Api, going: list[Doomed], timeout: float) -> None:
    """Until all of them are gone. :raises CommandError: it took longer than ``timeout`` seconds (0: no limit)"""
    from kube_lite.cli.waiting import Deadline, until_gone

    deadline = Deadline(timeout or None)
    for one in going:
        if not until_gone(api, one.kind, one.namespace, one.name, deadline, one.uid, _progress):
            raise CommandError(f"timed out waiting for the condition on {one.kind.plural}/{one.name}")


def _progress(kind: Kind, name: str, obj: Obj) -> None:
    finalizers = obj["metadata"].get("finalizers")
    why = f"finalizers: {', '.join(finalizers)}" if finalizers else (obj.get("status") or {}).get("phase", "")
    progress(f"waiting for {output.named(kind, name)} to go{f' ({why})' if why else ''}")
