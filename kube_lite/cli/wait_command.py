"""Wait until objects have a condition, have a value, exist, or are gone.

kube-lite wait --for=condition=Ready pod/web-0
kube-lite wait --for=condition=Available deploy/web --timeout=60s
kube-lite wait --for=delete pod -l app=web
kube-lite wait --for=jsonpath='{.status.phase}'=Running pod/web-0
kube-lite wait --for=create configmap/settings
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from kube_lite.cli import output
from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api, progress, seconds
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import Kind
from kube_lite.cli.objects import add_object_flags, named
from kube_lite.cli.targets import Kinds
from kube_lite.cli.waiting import Deadline, states

HELP = "wait for a condition or for deletion"

FOREVER = 7 * 24 * 3600.0
"""Seconds that a negative ``--timeout`` stands for: a week, as in kubectl."""

Test = Callable[["Obj | None"], bool]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite wait``."""
    add = parser.add_argument
    add("what", nargs="*", metavar="TYPE[/NAME]", help="pod/web-0, deploy web")
    add("--for", dest="goal", default="", metavar="GOAL",
        help="condition=NAME[=VALUE], delete, create, or jsonpath={PATH}[=VALUE]")  # fmt: skip
    add("--timeout", default="30s", metavar="DURATION", help="default: 30s; 0 checks once, negative waits a week")
    add("--field-selector", default="", metavar="FIELDS", help="those with these fields")
    add("-A", "--all-namespaces", action="store_true")
    add_object_flags(parser)
    add("-o", "--output", default="", choices=("", "name"), help="name: print names only")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Wait for each in turn, all within one timeout; goes on after one that failed, and is 1 then."""
    import sys

    verb, test = _goal(args.goal)
    timeout = seconds(args.timeout, "--timeout")
    deadline = Deadline(FOREVER if timeout < 0 else timeout)
    api = open_api(args)
    waited = named(args, api, Kinds(api))
    if not waited:
        if verb == "deleted":
            return 0
        raise CommandError("no matching resources found")
    failed = False
    for kind, namespace, name, _ in waited:
        try:
            _wait(api, kind, namespace, name, verb, test, deadline)
        except CommandError as error:
            failed = True
            print(f"{error.prefix}{error}", file=sys.stderr)
            continue
        suffix = "" if args.output else f" {verb}"
        print(f"{output.named(kind, name)}{suffix}", flush=True)
    return 1 if failed else 0


def _wait(api: Api, kind: Kind, namespace: str, name: str, verb: str, test: Test, deadline: Deadline) -> None:
    from kube_lite.errors import not_found

    for obj in states(api, kind, namespace, name, deadline):
        if test(obj):
            return
        if obj is None and verb == "condition met":
            raise not_found(kind.plural, kind.group, name)
        progress(f"waiting for {output.named(kind, name)}")
    raise CommandError(f"timed out waiting for the condition on {kind.plural}/{name}")


def _goal(text: str) -> tuple[str, Test]:
    """What is printed when it is reached, and the test. :raises CommandError: no such goal"""
    word, equals, rest = text.partition("=")
    if word.lower() == "delete" and not equals:
        return "deleted", lambda obj: obj is None
    if word.lower() == "create" and not equals:
        return "created", lambda obj: obj is not None
    if word == "condition" and rest:
        name, _, value = rest.partition("=")
        return "condition met", _condition(name, value or "True")
    if word == "jsonpath" and rest:
        return "condition met", _jsonpath(rest)
    raise CommandError(
        f"unrecognized condition: {text!r}; --for wants condition=NAME[=VALUE], delete, create or "
        "jsonpath={PATH}[=VALUE]"
    )


def _condition(name: str, value: str) -> Test:
    def test(obj: Obj | None) -> bool:
        status = (obj or {}).get("status") or {}
        for condition in status.get("conditions") or ():
            if condition.get("type", "").lower() == name.lower():
                generation = (obj or {})["metadata"].get("generation", 0)
                # a condition that was observed on an older spec says nothing of this one
                observed = condition.get("observedGeneration", status.get("observedGeneration", generation))
                return bool(observed >= generation and condition.get("status", "").lower() == value.lower())
        return False

    return test


def _jsonpath(text: str) -> Test:
    from kube_lite.cli.jsonpath import find, shown

    closing = text.rfind("}") if text.startswith("{") else text.find("=") - 1
    if closing < 0:
        closing = len(text) - 1
    path, wanted = text[: closing + 1], text[closing + 1 :]
    if wanted and not wanted.startswith("="):
        raise CommandError(f"jsonpath wait format must be --for=jsonpath='{{PATH}}'=VALUE, not {text}")
    value = wanted[1:].strip("'\"")
    if wanted and not value:
        raise CommandError("jsonpath wait has to have a value after =")

    def test(obj: Obj | None) -> bool:
        found = find(path, obj) if obj is not None else []
        return bool(found) and (not wanted or any(shown(item) == value for item in found))

    return test
