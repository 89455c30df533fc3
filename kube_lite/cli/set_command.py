"""Change the pods that a workload makes: images, environment, resources, service account.

kube-lite set image deploy/web nginx=nginx:1.27        # container nginx; '*' is every container
kube-lite set env deploy/web LEVEL=debug OLD-          # set one variable, remove another
kube-lite set env deploy/web --from=configmap/settings --prefix=APP_
kube-lite set env deploy/web --list
kube-lite set resources deploy/web --requests=cpu=100m --limits=memory=256Mi
kube-lite set serviceaccount deploy/web builder
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable, Iterator

from kube_lite.cli import output
from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.objects import Named, add_object_flags, add_result_flags, change, each, named
from kube_lite.cli.set_changes import Change, Environment, Images, Resources, ServiceAccount
from kube_lite.cli.targets import Kinds

HELP = "change images, environment or resources"

ACTIONS: dict[str, Callable[[argparse.Namespace], Change]] = {
    "image": Images,
    "env": Environment,
    "resources": Resources,
    "serviceaccount": ServiceAccount,
    "sa": ServiceAccount,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite set``."""
    add = parser.add_argument
    add("action", choices=sorted(ACTIONS))
    add("what", nargs="*", metavar="TYPE/NAME CHANGE", help="deploy/web; then CONTAINER=IMAGE, NAME=VALUE, NAME-")
    add("-c", "--containers", default="*", metavar="NAME", help="env, resources: which containers (default: all)")
    add("--requests", default="", metavar="NAME=AMOUNT,...", help="resources: such as cpu=100m,memory=64Mi")
    add("--limits", default="", metavar="NAME=AMOUNT,...", help="resources")
    add("-e", "--env", action="append", default=[], metavar="NAME=VALUE", help="env: may be repeated")
    add("--from", dest="source", default="", metavar="TYPE/NAME", help="env: keys of a config map or secret")
    add("--prefix", default="", help="env: before the names of --from")
    add("--keys", action="append", default=[], metavar="KEY", help="env: only these of --from")
    add("--overwrite", nargs="?", const="true", default="true", choices=("true", "false"), help="env: (default: true)")
    add("--list", action="store_true", help="env: print what there is")
    add("--local", action="store_true", help="with -f: change what the file says, ask no server")
    add_object_flags(parser)
    add_result_flags(parser, "kubectl-set")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Change everything named; goes on after a refusal, and is 1 then."""
    output.check(args.output)
    action = ACTIONS[args.action](args)
    api = open_api(args)
    kinds = Kinds(api)
    action.prepare(api, kinds)
    return each(named(args, api, kinds, action.resources), lambda one: _set(args, api, action, one))


def _set(args: argparse.Namespace, api: Api, action: Change, one: Named) -> None:
    live = one.live(api)
    changed = copy.deepcopy(live)
    pod = pod_spec(changed)
    if pod is None:
        where = f"{one.kind.plural}/{one.name}"
        raise CommandError(f"{where} the object is not a pod or does not have a pod template")
    if args.list:
        _list(one, pod)
        return
    action.change(one, pod)
    if changed == live and not args.local and not (args.output and args.dry_run == "client"):
        return  # as kubectl: no word of what is as it should be
    result = change(args, api, one, live, changed)
    output.print_done(args.output, "none" if args.local else args.dry_run, result, f"{action.title} updated")


def pod_spec(obj: Obj) -> Obj | None:
    """The spec of the pod that an object is, or of those it makes; None where there are none."""
    spec = obj.get("spec") or {}
    if obj.get("kind") == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    if obj.get("kind") == "Pod":
        return spec
    found = (spec.get("template") or {}).get("spec")
    return found if isinstance(found, dict) else None


def _list(one: Named, pod: Obj) -> None:
    for container in _containers(pod):
        print(f"# {one.kind.kind} {one.name}, container {container['name']}")
        for variable in container.get("env") or ():
            print(_shown(variable))
        for source in container.get("envFrom") or ():
            for field, kind in (("configMapRef", "configmap"), ("secretRef", "secret")):
                if field in source:
                    print(f"# {source.get('prefix', '')}* from {kind} {source[field]['name']}")
    sys.stdout.flush()


def _containers(pod: Obj) -> Iterator[Obj]:
    yield from pod.get("initContainers") or ()
    yield from pod.get("containers") or ()


def _shown(variable: Obj) -> str:
    source = variable.get("valueFrom") or {}
    for field, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
        if field in source:
            found = source[field]
            return f"# {variable['name']} from {kind} {found.get('name')}, key {found.get('key')}"
    if "fieldRef" in source:
        return f"# {variable['name']} from field path {source['fieldRef'].get('fieldPath')}"
    if "resourceFieldRef" in source:
        return f"# {variable['name']} from resource {source['resourceFieldRef'].get('resource')}"
    return f"{variable['name']}={variable.get('value', '')}"
