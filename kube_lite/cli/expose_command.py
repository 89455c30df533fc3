"""Make a Service for a Deployment, ReplicaSet, ReplicationController, Pod, or another Service.

kube-lite expose deploy/web --port=80 --target-port=8080
kube-lite expose pod web-0 --port=80 --name=front --type=NodePort
kube-lite expose service web --port=443 --name=web-tls
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from kube_lite.cli import output
from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.objects import Named, add_result_flags, each, named, pairs, query_of
from kube_lite.cli.targets import Kinds

HELP = "make a Service for pods or a workload"

EXPOSED = ("Pod", "Service", "ReplicationController", "Deployment", "ReplicaSet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite expose``."""
    add = parser.add_argument
    add("what", nargs="*", metavar="TYPE/NAME", help="deploy/web, pod web-0, svc/web, rc/a, rs/b")
    add("-f", "--filename", action="append", default=[], metavar="FILE", help="the objects named in files")
    add("--port", default="", metavar="N[,N]", help="of the Service (default: those of the pods)")
    add("--target-port", default="", metavar="PORT", help="number or name at the pods (default: the same)")
    add("--protocol", default="", help="TCP (default), UDP or SCTP")
    add("--type", default="", help="ClusterIP (default), NodePort, LoadBalancer or ExternalName")
    add("--name", default="", help="of the Service (default: the object's)")
    add("--selector", default="", metavar="KEY=VALUE,...", help="which pods (default: the object's)")
    add("-l", "--labels", default="", metavar="KEY=VALUE,...", help="of the Service (default: the object's)")
    add("--cluster-ip", default="", metavar="IP", help="its address, or None")
    add("--external-ip", default="", metavar="IP", help="another address that leads to it")
    add("--load-balancer-ip", default="", metavar="IP", help="address of the load balancer")
    add("--session-affinity", default="", help="None or ClientIP")
    add("--overrides", default="", metavar="JSON", help="fields to merge into the Service")
    add("--save-config", action="store_true", help="keep the object in the annotation that apply reads")
    add_result_flags(parser, "kubectl-expose")
    add_connection_flags(parser)
    # `--selector` is the Service's here: it chooses no objects
    parser.set_defaults(all=False)


def run(args: argparse.Namespace) -> int:
    """Expose everything named; goes on after a refusal, and is 1 then."""
    output.check(args.output)
    api = open_api(args)
    kinds = Kinds(api)
    chosen = argparse.Namespace(**{**vars(args), "selector": ""})
    return each(named(chosen, api, kinds), lambda one: _expose(args, api, kinds, one))


def _expose(args: argparse.Namespace, api: Api, kinds: Kinds, one: Named) -> None:
    if one.kind.kind not in EXPOSED:
        raise CommandError(f"cannot expose a {one.kind.kind}")
    service = _service(args, one, one.live(api))
    kind = kinds.of("v1", "Service")
    if args.save_config:
        from kube_lite.cli.three_way import with_last_applied

        service = with_last_applied(service)
    if args.dry_run != "client":
        service = api.post(kind.path(one.namespace), service, query_of(args))
    output.print_done(args.output, args.dry_run, service, "exposed")


def _service(args: argparse.Namespace, one: Named, live: Obj) -> Obj:
    labels = pairs(args.labels, "label") if args.labels else live["metadata"].get("labels") or {}
    metadata: Obj = {"name": args.name or one.name[:63], "namespace": one.namespace}
    if labels:
        metadata["labels"] = labels
    spec: Obj = {"ports": _ports(args, one, live), "selector": _selector(args, one, live)}
    more = {
        "type": args.type,
        "clusterIP": args.cluster_ip,
        "externalIPs": [args.external_ip] if args.external_ip else [],
        "loadBalancerIP": args.load_balancer_ip,
        "sessionAffinity": args.session_affinity,
    }
    spec.update({key: value for key, value in more.items() if value})
    return with_overrides({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}, args.overrides)


def _selector(args: argparse.Namespace, one: Named, live: Obj) -> dict[str, str]:
    """Labels of the pods. :raises CommandError: the object has none, or chooses by expressions"""
    if args.selector:
        return pairs(args.selector, "label")
    if one.kind.kind == "Pod":
        found = live["metadata"].get("labels")
        if not found:
            raise CommandError("the pod has no labels and cannot be exposed")
        return dict(found)
    selector = (live.get("spec") or {}).get("selector") or {}
    if one.kind.kind in ("Deployment", "ReplicaSet"):
        if selector.get("matchExpressions"):
            raise CommandError(f"couldn't convert expressions - {selector['matchExpressions']} to map-based selector")
        selector = selector.get("matchLabels") or {}
    if not selector:
        raise CommandError(f"the {one.kind.kind} has no selector: name the pods with --selector")
    return dict(selector)


def _ports(args: argparse.Namespace, one: Named, live: Obj) -> list[Obj]:
    known = _known_ports(one, live)
    numbers = [(number(text), "") for text in args.port.split(",") if text] or known
    if not numbers:
        raise CommandError("couldn't find port via --port flag or introspection")
    target: Any = int(args.target_port) if args.target_port.isdigit() else args.target_port
    found = []
    for at, (port, protocol) in enumerate(numbers, 1):
        made: Obj = {"port": port, "protocol": args.protocol or protocol or dict(known).get(port) or "TCP"}
        made["targetPort"] = target or port
        if len(numbers) > 1:
            made["name"] = f"port-{at}"
        found.append(made)
    return found


def _known_ports(one: Named, live: Obj) -> list[tuple[int, str]]:
    """Ports and protocols that the object speaks of itself."""
    spec = live.get("spec") or {}
    if one.kind.kind == "Service":
        return [(port["port"], port.get("protocol") or "") for port in spec.get("ports") or ()]
    pod = spec if one.kind.kind == "Pod" else (spec.get("template") or {}).get("spec") or {}
    return [
        (port["containerPort"], port.get("protocol") or "")
        for container in pod.get("containers") or ()
        for port in container.get("ports") or ()
    ]


def number(text: str) -> int:
    """A port. :raises CommandError: not a number"""
    if not text.isdigit():
        raise CommandError(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def with_overrides(obj: Obj, overrides: str) -> Obj:
    """``obj`` with the fields of ``--overrides`` merged in. :raises CommandError: they are not a JSON object"""
    if not overrides:
        return obj
    try:
        wanted = json.loads(overrides)
    except ValueError as error:
        raise CommandError(f"--overrides is not JSON: {error}") from error
    if not isinstance(wanted, dict):
        raise CommandError("--overrides: want a JSON object")
    return _merged(obj, wanted)


def _merged(into: Obj, changes: Obj) -> Obj:
    """JSON merge patch (RFC 7386)."""
    result = dict(into)
    for key, value in changes.items():
        below = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result
