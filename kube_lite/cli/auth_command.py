"""What may I do, and who am I.

kube-lite auth can-i create pods                      # yes or no, and exit code 0 or 1
kube-lite auth can-i get pods/web-0 --subresource=log
kube-lite auth can-i get /metrics
kube-lite auth can-i list secrets --as=bob -n team-a
kube-lite auth can-i --list
kube-lite auth whoami
"""

from __future__ import annotations

import argparse
import sys

from kube_lite.cli import output
from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.tables import Columns
from kube_lite.cli.targets import Kinds

HELP = "what may I do, and who am I"

REVIEWS = "/apis/authorization.k8s.io/v1"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "use", "bind",
         "impersonate", "*", "approve", "sign", "escalate", "attest")  # fmt: skip
"""The verbs of resources that Kubernetes knows."""
PATH_VERBS = ("get", "put", "post", "head", "options", "delete", "patch", "*")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite auth``."""
    add = parser.add_argument
    add("action", choices=("can-i", "whoami"))
    add("what", nargs="*", metavar="VERB TYPE[/NAME]", help="can-i: create pods, get /healthz")
    add("--subresource", default="", metavar="NAME", help="can-i: such as log or exec")
    add("--list", action="store_true", help="can-i: all that may be done in the namespace")
    add("-A", "--all-namespaces", action="store_true", help="can-i: in all of them")
    add("-q", "--quiet", action="store_true", help="can-i: say it by the exit code alone")
    add("--no-headers", action="store_true", help="can-i --list")
    add("-o", "--output", default="", metavar="FORMAT", help="whoami: " + output.FORMATS)
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the server."""
    output.check(args.output)
    if args.action == "whoami":
        return _whoami(args)
    if args.list:
        return _list(args)
    if len(args.what) != 2:
        raise CommandError("you must specify two arguments: verb resource or verb resource/resourceName.")
    api = open_api(args)
    spec = _attributes(args, api)
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    status = api.post(f"{REVIEWS}/selfsubjectaccessreviews", body).get("status") or {}
    allowed = bool(status.get("allowed"))
    if not args.quiet:
        why = status.get("reason") if not allowed else ""
        failed = status.get("evaluationError")
        answer = "yes" if allowed else "no"
        print(answer + (f" - {why}" if why else "") + (f" - {failed}" if failed else ""))
    return 0 if allowed else 1


def _attributes(args: argparse.Namespace, api: Api) -> Obj:
    """What is asked about. :raises CommandError: a path together with a subresource"""
    verb, what = args.what
    if what.startswith("/"):
        if args.subresource:
            raise CommandError("--subresource can not be used with NonResourceURL")
        _warn_of_verb(args, verb, PATH_VERBS)
        return {"nonResourceAttributes": {"path": what, "verb": verb}}
    _warn_of_verb(args, verb, VERBS)
    word, _, name = what.partition("/")
    attributes: Obj = {"verb": verb, "resource": word, "group": "*" if word == "*" else ""}
    namespaced = True
    if word != "*":
        try:
            kind = Kinds(api).named(word)
            attributes |= {"resource": kind.plural, "group": kind.group}
            namespaced = kind.namespaced
            if not namespaced:
                _warn(args, f"resource '{kind.plural}' is not namespace scoped" + _in_group(kind.group))
        except CommandError:
            resource, _, group = word.partition(".")
            attributes |= {"resource": resource, "group": group}
            _warn(args, f"the server doesn't have a resource type '{resource}'" + _in_group(group))
    if name:
        attributes["name"] = name
    if args.subresource:
        attributes["subresource"] = args.subresource
    if not args.all_namespaces:
        attributes["namespace"] = api.namespace
    return {"resourceAttributes": attributes}


def _in_group(group: str) -> str:
    return f" in group '{group}'" if group else ""


def _warn_of_verb(args: argparse.Namespace, verb: str, known: tuple[str, ...]) -> None:
    if verb not in known:
        _warn(args, f"verb '{verb}' is not a known verb")


def _warn(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        print(f"Warning: {text}\n", file=sys.stderr)


def _list(args: argparse.Namespace) -> int:
    if args.what:
        raise CommandError("no arguments are wanted beside --list")
    api = open_api(args)
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": api.namespace}}  # fmt: skip
    status = api.post(f"{REVIEWS}/selfsubjectrulesreviews", body).get("status") or {}
    rows = []
    for rule in status.get("resourceRules") or ():
        for resource in rule.get("resources") or ():
            for group in rule.get("apiGroups") or ("",):
                kind = f"{resource}.{group}" if group else resource
                rows.append([kind, "[]", _words(rule.get("resourceNames")), _words(rule.get("verbs"))])
    rows.sort(key=lambda row: row[0])
    paths = [
        ["", _words([path]), "[]", _words(rule.get("verbs"))]
        for rule in status.get("nonResourceRules") or ()
        for path in rule.get("nonResourceURLs") or ()
    ]
    rows += sorted(paths)
    header = [] if args.no_headers else [["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]]
    print("\n".join(Columns().lines([*header, *rows])))
    return 0


def _words(values: list[str] | None) -> str:
    return f"[{' '.join(values or ())}]"


def _whoami(args: argparse.Namespace) -> int:
    if args.what:
        raise CommandError(f"unexpected arguments: {args.what}")
    api = open_api(args)
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = api.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    if not output.is_table(args.output):
        output.print_objects(args.output, [answer], False)
        return 0
    user = (answer.get("status") or {}).get("userInfo") or {}
    rows = [["ATTRIBUTE", "VALUE"], ["Username", str(user.get("username") or "")]]
    if user.get("uid"):
        rows.append(["UID", user["uid"]])
    if user.get("groups"):
        rows.append(["Groups", _words(user["groups"])])
    for key, values in sorted((user.get("extra") or {}).items()):
        rows.append([f"Extra: {key}", _words(values)])
    print("\n".join(Columns().lines(rows)))
    return 0
