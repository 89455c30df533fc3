"""Follow and steer rollouts of Deployments, StatefulSets and DaemonSets.

kube-lite rollout status deploy/web                  # until it is done; 1 if it fails
kube-lite rollout restart deploy/web                 # new pods, same template
kube-lite rollout history deploy/web --revision=2
kube-lite rollout undo deploy/web --to-revision=2    # default: the one before
kube-lite rollout pause deploy/web                   # collect changes; resume rolls them out
"""

from __future__ import annotations

import argparse
from typing import Any

from kube_lite.cli import output
from kube_lite.cli.connection import STRATEGIC_PATCH, Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api, progress, seconds
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import Kind
from kube_lite.cli.targets import Kinds, parse

HELP = "status, restart, undo and history of a rollout"

ACTIONS = ("status", "restart", "undo", "history", "pause", "resume")
MANAGER = {"fieldManager": "kubectl-rollout"}
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite rollout``."""
    add = parser.add_argument
    add("action", choices=ACTIONS)
    add("what", nargs="*", metavar="TYPE/NAME", help="deploy/web")
    add("-w", "--watch", nargs="?", const="true", default="true", choices=("true", "false"), help="status: to its end")
    add("--timeout", default="0s", metavar="DURATION", help="status: at most for this long (default: for ever)")
    add("--revision", type=int, default=0, metavar="N", help="history: this one in full; status: only this one")
    add("--to-revision", type=int, default=0, metavar="N", help="undo: default is the one before")
    add("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))
    add("-l", "--selector", default="", metavar="LABELS", help="those with these labels")
    add("-o", "--output", default="", metavar="FORMAT", help="history: " + output.FORMATS)
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Do it to every object named; goes on after a refusal, and is 1 then."""
    from kube_lite.cli.refusals import report
    from kube_lite.errors import ApiError

    api = open_api(args)
    action = {"status": _status, "restart": _restart, "undo": _undo, "history": _history}.get(args.action, _pause)
    failed = False
    for kind, name in _named(args, api):
        try:
            action(args, api, kind, name)
        except ApiError as error:
            failed = True
            report(error)
    return 1 if failed else 0


def _named(args: argparse.Namespace, api: Api) -> list[tuple[Kind, str]]:
    if not args.what:
        raise CommandError("required resource not specified, such as deploy/web")
    found = []
    for target in parse(args.what, Kinds(api)):
        names = target.names
        if not names:
            query = {"labelSelector": args.selector} if args.selector else {}
            items = api.list_all(target.kind.path(api.namespace), query).get("items") or []
            names = [item["metadata"]["name"] for item in items]
        found += [(target.kind, name) for name in names]
    return found


def _status(args: argparse.Namespace, api: Api, kind: Kind, name: str) -> None:
    from kube_lite.cli.rollout_status import status_of
    from kube_lite.cli.waiting import Deadline, states

    said = ""
    timeout = seconds(args.timeout, "--timeout")
    api.get(kind.path(api.namespace, name))  # one that does not exist is an error; one that vanishes later another
    for obj in states(api, kind, api.namespace, name, Deadline(timeout or None)):
        if obj is None:
            raise CommandError("object has been deleted")
        text, done = status_of(kind, obj, args.revision)
        if text != said:
            print(text, flush=True)
            said = text
        if done or args.watch == "false":
            return
    raise CommandError("timed out waiting for the condition")


def _patch(args: argparse.Namespace, api: Api, kind: Kind, name: str, patch: Obj, what: str) -> None:
    query = {**MANAGER, "dryRun": "All"} if args.dry_run == "server" else MANAGER
    if args.dry_run != "client":
        api.patch(kind.path(api.namespace, name), patch, STRATEGIC_PATCH, query)
    suffix = {"server": " (server dry run)", "client": " (dry run)"}.get(args.dry_run, "")
    print(f"{output.named(kind, name)} {what}{suffix}", flush=True)


def _restart(args: argparse.Namespace, api: Api, kind: Kind, name: str) -> None:
    from kube_lite import clock

    if kind.kind not in ("Deployment", "StatefulSet", "DaemonSet"):
        raise CommandError(f'{kind.qualified} "{name}" restarting is not supported')
    if kind.kind == "Deployment" and _spec(api.get(kind.path(api.namespace, name))).get("paused"):
        raise CommandError("can't restart paused deployment (run rollout resume first)")
    annotations = {RESTARTED_AT: clock.timestamp()}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    _patch(args, api, kind, name, patch, "restarted")


def _pause(args: argparse.Namespace, api: Api, kind: Kind, name: str) -> None:
    wanted = args.action == "pause"
    if kind.kind != "Deployment":
        raise CommandError(f'{kind.qualified} "{name}" {"pausing" if wanted else "resuming"} is not supported')
    if bool(_spec(api.get(kind.path(api.namespace, name))).get("paused")) == wanted:
        raise CommandError(f'{kind.qualified} "{name}" is {"already" if wanted else "not"} paused')
    _patch(args, api, kind, name, {"spec": {"paused": True if wanted else None}}, "paused" if wanted else "resumed")


def _spec(obj: Obj) -> Obj:
    return obj.get("spec") or {}


def _history(args: argparse.Namespace, api: Api, kind: Kind, name: str) -> None:
    from kube_lite.cli.revisions import cause_of, revisions, template_of

    owner = api.get(kind.path(api.namespace, name))
    found = revisions(api, kind, owner)
    if args.output:
        chosen = [found[args.revision]] if args.revision in found else list(found.values())
        output.print_objects(args.output, chosen, len(chosen) != 1)
        return
    title = f"{output.named(kind, name)} "
    if args.revision:
        if args.revision not in found:
            raise CommandError(f"unable to find the specified revision: {args.revision}")
        from kube_lite.cli.describe.pods import template_lines

        print(f"{title}with revision #{args.revision}")
        print("\n".join(template_lines(template_of(found[args.revision]))))
        return
    from kube_lite.cli.tables import Columns

    rows = [["REVISION", "CHANGE-CAUSE"]]
    rows += [[str(number), cause_of(found[number]) or "<none>"] for number in sorted(found)]
    print(title)
    # kubectl's writer for this table is another: cells are one blank apart, and end in one
    lines = Columns(padding=2, narrowest=0).lines(rows)
    print("\n".join(lines) + "\n")


def _undo(args: argparse.Namespace, api: Api, kind: Kind, name: str) -> None:
    from kube_lite.cli.revisions import revisions, rolled_back

    owner = api.get(kind.path(api.namespace, name))
    if kind.kind == "Deployment" and _spec(owner).get("paused"):
        raise CommandError(
            "you cannot rollback a paused deployment; resume it first with "
            f"'kube-lite rollout resume deployment/{name}' and try again"
        )
    found = revisions(api, kind, owner)
    wanted = args.to_revision or (sorted(found)[-2] if len(found) > 1 else 0)
    if args.to_revision and args.to_revision not in found:
        raise CommandError(f"unable to find specified revision {args.to_revision} in history")
    if not wanted:
        raise CommandError(f'no rollout history found for {kind.singular.partition(".")[0]} "{name}"')
    what, body, media_type = rolled_back(kind, owner, found[wanted])
    if body is None:
        print(f"{output.named(kind, name)} skipped rollback (current template already matches revision {wanted})")
        return
    query: dict[str, Any] = {**MANAGER, "dryRun": "All"} if args.dry_run == "server" else dict(MANAGER)
    if args.dry_run != "client":
        api.patch(kind.path(api.namespace, name), body, media_type, query)
    progress(f"to revision {wanted}")
    print(f"{output.named(kind, name)} {what}", flush=True)
