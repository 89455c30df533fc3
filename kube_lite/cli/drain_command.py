"""Cordon a node and evict its pods, so that it can be taken away.

kube-lite drain node-1 --ignore-daemonsets
kube-lite drain node-1 --ignore-daemonsets --delete-emptydir-data --force --timeout=5m
kube-lite drain node-1 --dry-run=server               # what it would do

Pods go by eviction, which PodDisruptionBudgets may refuse: those are tried again every five seconds, until --timeout.
Pods that nobody would make anew need --force; pods of a DaemonSet stay, and need --ignore-daemonsets to be left alone.
"""

from __future__ import annotations

import argparse
import sys

from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.drain_pods import Sorted, sort_pods
from kube_lite.cli.flags import open_api, seconds
from kube_lite.cli.main import CommandError, api_error
from kube_lite.cli.names import builtin_named
from kube_lite.cli.nodes import add_node_flags, chosen, set_unschedulable, suffix
from kube_lite.cli.waiting import Deadline, until_gone

HELP = "cordon a node and evict its pods"

RETRY = 5.0
"""Seconds until an eviction that a disruption budget refused is tried again, as in kubectl."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite drain``."""
    add = parser.add_argument
    add("--ignore-daemonsets", action="store_true", help="leave pods of DaemonSets where they are")
    add("--delete-emptydir-data", action="store_true", help="even pods whose emptyDir is lost with them")
    add("--force", action="store_true", help="even pods that no controller makes anew")
    add("--grace-period", type=int, default=-1, metavar="SECONDS", help="for pods to stop (default: their own)")
    add("--timeout", default="0s", metavar="DURATION", help="give up after this time (default: never)")
    add("--disable-eviction", action="store_true", help="delete pods, past their disruption budgets")
    add("--pod-selector", default="", metavar="LABELS", help="only pods with these labels")
    add("--skip-wait-for-delete-timeout", type=int, default=0, metavar="SECONDS",
        help="do not wait for pods that are being deleted for longer than this")  # fmt: skip
    add("--chunk-size", type=int, default=500, metavar="N", help="pods to ask for at a time; 0 for all")
    add_node_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Cordon every node named, then drain one after the other; 1 if any could not be."""
    timeout = seconds(args.timeout, "--timeout")
    api = open_api(args)
    nodes = chosen(args, api, "drain")
    for node in nodes:
        set_unschedulable(args, api, node, True)
    failed: list[tuple[str, CommandError]] = []
    for node in nodes:
        name = node["metadata"]["name"]
        try:
            _drain(args, api, name, Deadline(timeout or None))
            print(f"node/{name} drained{suffix(args)}", flush=True)
        except CommandError as error:
            text = _in_one(str(error).splitlines())
            print(f'error: unable to drain node "{name}" due to error: {text}, continuing command...', file=sys.stderr)
            failed.append((name, error))
    if not failed:
        return 0
    print("There are pending nodes to be drained:", file=sys.stderr)
    for name, _ in failed:
        print(f" {name}", file=sys.stderr)
    for _, reason in failed:
        print(reason, file=sys.stderr)
    return 1


def _drain(args: argparse.Namespace, api: Api, node: str, deadline: Deadline) -> None:
    """:raises CommandError: pods that may not go, or did not in time"""
    pods = builtin_named("pods")
    assert pods is not None
    query = {"fieldSelector": f"spec.nodeName={node}", "limit": str(args.chunk_size)}
    if args.pod_selector:
        query["labelSelector"] = args.pod_selector
    found = sort_pods(args, api, api.list_all(pods.path(), query).get("items") or [])
    if found.refused:
        raise CommandError("\n".join(found.refused))
    if found.warnings:
        print(f"Warning: {'; '.join(found.warnings)}", file=sys.stderr)
    _Eviction(args, api, deadline, timeout=args.timeout).run(node, found)


class _Eviction:
    """The pods of one node, on their way."""

    def __init__(self, args: argparse.Namespace, api: Api, deadline: Deadline, timeout: str) -> None:
        self._args = args
        self._api = api
        self._deadline = deadline
        self._timeout = timeout
        kind = builtin_named("pods")
        assert kind is not None
        self._kind = kind

    def run(self, node: str, found: Sorted) -> None:
        """Until all of them are gone. :raises CommandError: not in time, or the server refuses"""
        waiting = list(found.going)
        leaving: list[Obj] = []
        while waiting:
            refused = []
            for pod in waiting:
                if not self._args.disable_eviction:
                    print(f"evicting pod {_where(pod)}{suffix(self._args)}", flush=True)
                if self._args.dry_run != "client" and not self._sent(pod):
                    refused.append(pod)
                else:
                    leaving.append(pod)
            waiting = refused
            if (
                waiting and self._args.dry_run == "none"
            ):  # whatever else happens to one that may not go yet, until it is time to ask again
                leaving = self._still_there(leaving, RETRY)
            if waiting:
                waiting = self._still_there(waiting, RETRY)
            if waiting and self._deadline.passed:
                self._late(node, [*waiting, *(leaving if self._args.dry_run == "none" else ())])
        if self._args.dry_run == "none" and (left := self._still_there(leaving)):
            self._late(node, left)

    def _sent(self, pod: Obj) -> bool:
        """Whether it is on its way; False if a disruption budget holds it. :raises CommandError: any other refusal"""
        metadata = pod["metadata"]
        options: Obj = {}
        if self._args.grace_period >= 0:
            options["gracePeriodSeconds"] = self._args.grace_period
        if self._args.dry_run == "server":
            options["dryRun"] = ["All"]
        about = f'pods/"{metadata["name"]}" -n "{metadata["namespace"]}"'
        try:
            if self._args.disable_eviction:
                self._api.delete(self._kind.path(metadata["namespace"], metadata["name"]), options)
            else:
                named = {"name": metadata["name"], "namespace": metadata["namespace"]}
                eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": named}
                if options:
                    eviction["deleteOptions"] = options
                self._api.post(self._kind.path(metadata["namespace"], metadata["name"], "eviction"), eviction)
        except api_error() as error:
            if error.code == 404:
                return True
            if error.code != 429:
                raise CommandError(f"error when evicting {about}: {error.message}") from error
            print(f"error when evicting {about} (will retry after 5s): {error.message}", file=sys.stderr, flush=True)
            return False
        return True

    def _still_there(self, pods: list[Obj], at_most: float | None = None) -> list[Obj]:
        """Wait for ``pods`` to go, at most so many seconds; those that are left."""
        left = self._deadline.left
        until = self._deadline if at_most is None else Deadline(at_most if left is None else min(left, at_most))
        return [pod for pod in pods if not self._gone(pod, until)]

    def _gone(self, pod: Obj, until: Deadline) -> bool:
        metadata = pod["metadata"]
        gone = until_gone(self._api, self._kind, metadata["namespace"], metadata["name"], until, metadata["uid"])
        if gone:
            print(f"pod/{metadata['name']} {'deleted' if self._args.disable_eviction else 'evicted'}", flush=True)
        return gone

    def _late(self, node: str, pods: list[Obj]) -> None:
        told = []
        for pod in pods:
            metadata = pod["metadata"]
            told.append(f'error when evicting pods/"{metadata["name"]}" -n "{metadata["namespace"]}": '
                        f"global timeout reached: {self._timeout}")  # fmt: skip
        print(f'There are pending pods in node "{node}" when an error occurred: {_in_one(told)}', file=sys.stderr)
        for pod in pods:
            print(f"pod/{pod['metadata']['name']}", file=sys.stderr)
        raise CommandError("\n".join(told))


def _in_one(reasons: list[str]) -> str:
    """Several reasons in one line, as Go prints a list of errors."""
    return reasons[0] if len(reasons) == 1 else f"[{', '.join(reasons)}]"


def _where(pod: Obj) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
