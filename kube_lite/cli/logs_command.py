"""Print what containers wrote.

kube-lite logs web-0
kube-lite logs web-0 -f --tail=20                    # the last lines, then what comes
kube-lite logs web-0 -c sidecar --timestamps --since=10m
kube-lite logs web-0 --previous                      # of the container before the last restart
kube-lite logs deploy/web                            # of one pod of a Deployment
kube-lite logs -l app=web --all-containers --prefix  # of every pod with a label
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from kube_lite.cli.connection import JSON, Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api, seconds
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import Kind, builtin_named
from kube_lite.cli.targets import Kinds, one

HELP = "print what a container wrote"

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
SELECTOR_TAIL = 10
"""Lines of each container with ``-l``, unless ``--tail`` says otherwise; kubectl's number."""
_ACCEPT = f"{JSON}, */*"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite logs``."""
    add = parser.add_argument
    add("what", nargs="*", metavar="POD | TYPE/NAME", help="web-0, deploy/web; then a container")
    add("-c", "--container", default="", metavar="NAME", help="default: the pod's first")
    add("-f", "--follow", action="store_true", help="go on as it is written")
    add("-p", "--previous", action="store_true", help="of the container before the last restart")
    add("--tail", type=int, default=None, metavar="LINES", help="only the last lines; -1 for all")
    add("--since", default="", metavar="DURATION", help="only what is newer, such as 5m")
    add("--since-time", default="", metavar="TIME", help="only what is newer than this RFC3339 time")
    add("--timestamps", action="store_true", help="a time before each line")
    add("--limit-bytes", type=int, default=0, metavar="BYTES", help="at most so much")
    add("-l", "--selector", default="", metavar="LABELS", help="of all pods with these labels")
    add("--all-containers", action="store_true", help="of every container of the pod")
    add("--all-pods", action="store_true", help="of every pod of the TYPE/NAME")
    add("--prefix", action="store_true", help="pod and container before each line")
    add("--max-log-requests", type=int, default=5, metavar="N", help="how many to follow at once with -l")
    add("--ignore-errors", action="store_true", help="go on when one log cannot be read")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print the logs, one after the other; those that are followed as they come."""
    if args.selector and args.what:
        raise CommandError("only a selector (-l) or a POD name is allowed")
    query = _query(args)
    api = open_api(args)
    pods = _pods(args, api)
    sources = [(pod, container) for pod in pods for container in _containers(args, pod)]
    if not sources:
        print(f"No resources found in {api.namespace} namespace.", file=sys.stderr)
        return 0
    if args.follow and len(sources) > 1:
        if len(sources) > args.max_log_requests:
            raise CommandError(
                f"you are attempting to follow {len(sources)} log streams, but maximum allowed concurrency is "
                f"{args.max_log_requests}, use --max-log-requests to increase the limit"
            )
        from kube_lite.cli.log_streams import follow

        return follow([(_labelled(args, *source), _stream(api, *source, query)) for source in sources])
    return _print_all(args, api, sources, query)


def _print_all(args: argparse.Namespace, api: Api, sources: list[tuple[Obj, str]], query: dict[str, str]) -> int:
    from kube_lite.cli.refusals import report
    from kube_lite.errors import ApiError

    for pod, container in sources:
        label = _labelled(args, pod, container)
        try:
            for line in _stream(api, pod, container, query):
                sys.stdout.buffer.write(label + line)
                if args.follow:
                    sys.stdout.buffer.flush()
        except ApiError as error:
            if not args.ignore_errors:
                raise
            report(error)
        sys.stdout.buffer.flush()
    return 0


def _stream(api: Api, pod: Obj, container: str, query: dict[str, str]) -> Iterator[bytes]:
    path = _pod_kind().path(pod["metadata"]["namespace"], pod["metadata"]["name"], "log")
    return api.stream(path, {"container": container, **query}, _ACCEPT)


def _pod_kind() -> Kind:
    kind = builtin_named("pods")
    assert kind is not None
    return kind


def _labelled(args: argparse.Namespace, pod: Obj, container: str) -> bytes:
    return f"[pod/{pod['metadata']['name']}/{container}] ".encode() if args.prefix else b""


def _query(args: argparse.Namespace) -> dict[str, str]:
    tail = args.tail
    if tail is None and args.selector and not args.follow:
        tail = SELECTOR_TAIL
    since = seconds(args.since, "--since") if args.since else None
    for wrong, text in (
        (tail is not None and tail < -1, "--tail must be greater than or equal to -1"),
        (args.limit_bytes < 0, "--limit-bytes must be greater than 0"),
        (since is not None and since <= 0, "--since must be greater than 0"),
        (args.since and args.since_time, "at most one of `sinceTime` or `sinceSeconds` may be specified"),
    ):
        if wrong:
            raise CommandError(text)
    query = {
        "follow": "true" if args.follow else "",
        "previous": "true" if args.previous else "",
        "timestamps": "true" if args.timestamps else "",
        "tailLines": str(tail) if tail is not None and tail >= 0 else "",
        "limitBytes": str(args.limit_bytes) if args.limit_bytes else "",
        "sinceTime": args.since_time,
        "sinceSeconds": str(max(1, round(since))) if since is not None else "",
    }
    return {key: text for key, text in query.items() if text}


def _pods(args: argparse.Namespace, api: Api) -> list[Obj]:
    pods = _pod_kind()
    if args.selector:
        return _listed(api, args.selector)
    if not args.what:
        raise CommandError("'logs (POD | TYPE/NAME) [CONTAINER_NAME]'. POD or TYPE/NAME is a required argument")
    if len(args.what) > 2:
        raise CommandError("expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'")
    if len(args.what) == 2:
        if args.container:
            raise CommandError("only one of -c or an inline [CONTAINER] arg is allowed")
        args.container = args.what[1]
    kind, name = one(args.what[:1], Kinds(api), "pods")
    if kind == pods:
        return [api.get(pods.path(api.namespace, name))]
    selector = _selector(api.get(kind.path(api.namespace, name)))
    found = _listed(api, selector)
    if not found:
        raise CommandError(f"no pods found for {kind.singular}/{name}")
    found.sort(key=_preference)
    if len(found) > 1 and not args.all_pods:
        print(f"Found {len(found)} pods, using pod/{found[0]['metadata']['name']}", file=sys.stderr)
    return found if args.all_pods else found[:1]


def _listed(api: Api, selector: str) -> list[Obj]:
    found = api.list_all(_pod_kind().path(api.namespace), {"labelSelector": selector})
    return found.get("items") or []


def _selector(workload: Obj) -> str:
    """The labels of a workload's pods. :raises CommandError: it has none"""
    from kube_lite.cli.selection import label_selector

    selector = label_selector((workload.get("spec") or {}).get("selector"))
    if not selector:
        raise CommandError(f"cannot get the logs from {workload.get('kind')}: it selects no pods")
    return selector


def _preference(pod: Obj) -> tuple[bool, bool, str]:
    """Pods that have something to tell first: running and ready ones."""
    status = pod.get("status") or {}
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ())
    return status.get("phase") != "Running", not ready, pod["metadata"]["name"]


def _containers(args: argparse.Namespace, pod: Obj) -> list[str]:
    spec = pod.get("spec") or {}
    inits = [c["name"] for c in spec.get("initContainers") or ()]
    normal = [c["name"] for c in spec.get("containers") or ()]
    every = inits + normal + [c["name"] for c in spec.get("ephemeralContainers") or ()]
    if args.all_containers:
        return every
    name = pod["metadata"]["name"]
    if args.container:
        if args.container not in every:
            raise CommandError(f"container {args.container} is not valid for pod {name}")
        return [args.container]
    chosen = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER)
    if chosen in every:
        return [str(chosen)]
    if len(normal) > 1 and not args.selector:
        print(
            f'Defaulted container "{normal[0]}" out of: {", ".join(normal + [f"{n} (init)" for n in inits])}',
            file=sys.stderr,
        )
    return normal[:1]
