"""Cpu and memory in use by nodes or pods, where the server has metrics.k8s.io.

kube-lite top node
kube-lite top pod -A --sort-by=memory
kube-lite top pod web-0 --containers
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import Kind, builtin_named
from kube_lite.cli.tables import Columns

if TYPE_CHECKING:
    from collections.abc import Iterable

HELP = "cpu and memory in use by nodes or pods"

WORDS = {"node": "nodes", "nodes": "nodes", "no": "nodes", "pod": "pods", "pods": "pods", "po": "pods"}
MEBI = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite top``."""
    add = parser.add_argument
    add("type", choices=sorted(WORDS), metavar="node|pod")
    add("what", nargs="*", metavar="NAME", help="this one only")
    add("-l", "--selector", default="", metavar="LABELS", help="those with these labels")
    add("--field-selector", default="", metavar="FIELDS", help="those with these fields")
    add("-A", "--all-namespaces", action="store_true", help="pods of all namespaces")
    add("--containers", action="store_true", help="pods: each container")
    add("--sum", action="store_true", help="pods: a last line with the sums")
    add("--sort-by", default="", metavar="COLUMN", help="cpu or memory, most first")
    add("--no-headers", action="store_true")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print."""
    if args.sort_by not in ("", "cpu", "memory"):
        raise CommandError("--sort-by accepts only cpu or memory")
    if len(args.what) > 1:
        raise CommandError(f"want one name, or none, not: {' '.join(args.what)}")
    api = open_api(args)
    if not any(group["name"] == "metrics.k8s.io" for group in api.get("/apis").get("groups") or ()):
        raise CommandError("Metrics API not available")
    plural = WORDS[args.type]
    found = _metrics(args, api, plural)
    rows = _node_rows(args, api, found) if plural == "nodes" else _pod_rows(args, found)
    if not rows:
        where = "" if args.all_namespaces or plural == "nodes" else f" in {api.namespace} namespace."
        import sys

        print(f"No resources found{where}", file=sys.stderr)
        return 0
    if args.sort_by:
        at = {"cpu": 0, "memory": 1}[args.sort_by]
        rows.sort(key=lambda row: -row[0][at])
    header = [] if args.no_headers else [_header(args, plural)]
    lines = [*header, *(cells for _, cells in rows)]
    if args.sum and plural == "pods":
        total = [sum(amounts[at] for amounts, _ in rows) for at in (0, 1)]
        blank = [""] * (len(rows[0][1]) - 2)
        lines += [[*blank, "________", "________"], [*blank, *_amounts(total[0], total[1])]]
    print("\n".join(Columns().lines(lines)))
    return 0


Row = tuple[tuple[int, int], list[str]]
"""Millicores and bytes, and the cells."""


def _metrics(args: argparse.Namespace, api: Api, plural: str) -> list[Obj]:
    kind = Kind(plural, "metrics.k8s.io", "v1beta1", "Metrics", plural == "pods")
    namespace = api.namespace if kind.namespaced and not args.all_namespaces else ""
    if args.what:
        return [api.get(kind.path(namespace, args.what[0]))]
    query = {"labelSelector": args.selector, "fieldSelector": args.field_selector}
    found = api.list_all(kind.path(namespace), {key: text for key, text in query.items() if text}).get("items") or []
    return sorted(found, key=lambda item: (item["metadata"].get("namespace") or "", item["metadata"]["name"]))


def _header(args: argparse.Namespace, plural: str) -> list[str]:
    if plural == "nodes":
        return ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
    names = ["POD", "NAME"] if args.containers else ["NAME"]
    return [*(["NAMESPACE"] if args.all_namespaces else []), *names, "CPU(cores)", "MEMORY(bytes)"]


def _used(usage: Obj) -> tuple[int, int]:
    """Millicores and bytes."""
    from kube_lite.resources import quantity

    return quantity.milli(str(usage.get("cpu") or "0")), quantity.value(str(usage.get("memory") or "0"))


def _sum(amounts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    listed = list(amounts)
    return sum(cpu for cpu, _ in listed), sum(memory for _, memory in listed)


def _amounts(cpu: int, memory: int) -> list[str]:
    return [f"{cpu}m", f"{memory // MEBI}Mi"]


def _node_rows(args: argparse.Namespace, api: Api, found: list[Obj]) -> list[Row]:
    nodes = builtin_named("nodes")
    assert nodes is not None
    allocatable = {
        node["metadata"]["name"]: (node.get("status") or {}).get("allocatable") or {}
        for node in api.list_all(nodes.path(), {"labelSelector": args.selector} if args.selector else {}).get("items")
        or ()
    }
    rows: list[Row] = []
    for item in found:
        name = item["metadata"]["name"]
        cpu, memory = _used(item.get("usage") or {})
        most_cpu, most_memory = _used(allocatable.get(name, {}))
        shares = [f"{used * 100 // most}%" if most else "<unknown>" for used, most in
                  ((cpu, most_cpu), (memory, most_memory))]  # fmt: skip
        shown = _amounts(cpu, memory)
        rows.append(((cpu, memory), [name, shown[0], shares[0], shown[1], shares[1]]))
    measured = {item["metadata"]["name"] for item in found}
    silent = [] if args.what else sorted(set(allocatable) - measured)
    return rows + [((-1, -1), [name, *["<unknown>"] * 4]) for name in silent]


def _pod_rows(args: argparse.Namespace, found: list[Obj]) -> list[Row]:
    rows: list[Row] = []
    for item in found:
        metadata = item["metadata"]
        before = [metadata.get("namespace") or ""] if args.all_namespaces else []
        containers = item.get("containers") or []
        if args.containers:
            for container in containers:
                used = _used(container.get("usage") or {})
                rows.append((used, [*before, metadata["name"], container["name"], *_amounts(*used)]))
        else:
            used = _sum(_used(container.get("usage") or {}) for container in containers)
            rows.append((used, [*before, metadata["name"], *_amounts(*used)]))
    return rows
