"""The nodes as columns: one numpy array per property, one row per node, kept up to date by events.

Plugins read columns and answer for all nodes at once. A row holds what a node has (allocatable), what its pods
ask for (requested, including pods assumed here and not yet bound), its taints, labels, host ports and images.
Pods may arrive before their node: their row then exists but is not ``present``.

Two things tell a reader what it may keep: ``static_version`` grows when anything of a node changes, or a pod
with affinity to other pods comes or goes; a log of rows tells where pods came or went since a position. The log
is bounded; who has fallen behind starts afresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kube_lite.resources.views import Node
from kube_lite.sched.labels import LabelColumn, LabelColumns
from kube_lite.sched.podinfo import GroupKey, PodInfo, amount

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]
Rows = NDArray[np.intp] | slice
"""Which rows to look at: an index array, or a slice for all of them."""

ALL_ROWS = slice(None)

CPU, MEMORY, EPHEMERAL_STORAGE, PODS = range(4)
"""Rows of the resource columns that every node has; extended resources come after them."""

FIXED_RESOURCES = ("cpu", "memory", "ephemeral-storage", "pods")

MAX_CHANGES = 8192
"""Rows that the change log remembers."""

TaintSet = tuple[tuple[str, str, str], ...]
"""A node's taints as (key, value, effect)."""


class PodGroup(msgspec.Struct):
    """Pods that no selector can tell apart: how many of them there are on each row."""

    namespace: str
    workload: str
    terminating: bool
    labels: dict[str, str]
    rows: dict[int, int] = msgspec.field(default_factory=dict)


class NodeTable:
    """All nodes and the pods on them. Owned by the scheduler's loop; nothing else writes to it."""

    def __init__(self) -> None:
        self.size = 0
        """Rows in use or used before; columns may be longer."""
        self.static_version = 0
        self.nodes: list[Node | None] = []
        self.names: list[str] = []
        self.rows: dict[str, int] = {}
        self.pods: list[dict[str, PodInfo]] = []
        """Per row: uid to pod, in the order of arrival."""
        self.taint_sets: list[TaintSet] = [()]
        self.resources: dict[str, int] = {name: i for i, name in enumerate(FIXED_RESOURCES)}
        self.ports: dict[tuple[str, int], dict[str, dict[int, int]]] = {}
        """(protocol, port) -> ip -> row -> how many pods hold it."""
        self.images: dict[str, dict[int, int]] = {}
        """Image name -> row -> size in bytes."""
        self.affinity_groups: dict[tuple[bytes, GroupKey], tuple[PodInfo, dict[int, int]]] = {}
        """Pods with affinity or anti-affinity to other pods: one of each kind, and row -> how many like it."""
        self.groups: dict[GroupKey, PodGroup] = {}
        self.workloads: dict[str, dict[int, int]] = {}
        """uid of a workload -> row -> how many of its pods are there and not on their way out."""
        self.priorities: dict[int, int] = {}
        """Priority -> how many pods have it."""
        self.namespaces: dict[str, dict[str, str]] = {}
        """Name -> labels, for selectors of namespaces."""
        self._free: list[int] = []
        self._taint_codes: dict[TaintSet, int] = {(): 0}
        self._labels = LabelColumns()
        self._row_of_pod: dict[str, int] = {}
        self._log: list[int] = []
        self._log_start = 0
        self._capacity = 0
        self._present: Mask = np.zeros(0, dtype=np.bool_)
        self._unschedulable: Mask = np.zeros(0, dtype=np.bool_)
        self._taints: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._allocatable: Ints = np.zeros((len(FIXED_RESOURCES), 0), dtype=np.int64)
        self._requested: Ints = np.zeros((len(FIXED_RESOURCES), 0), dtype=np.int64)
        self._nonzero: Ints = np.zeros((2, 0), dtype=np.int64)

    # -- columns, as long as there are rows

    @property
    def present(self) -> Mask:
        """Which rows are nodes."""
        return self._present[: self.size]

    @property
    def unschedulable(self) -> Mask:
        """``spec.unschedulable``."""
        return self._unschedulable[: self.size]

    @property
    def taints(self) -> NDArray[np.int32]:
        """Indexes into ``taint_sets``."""
        return self._taints[: self.size]

    @property
    def count(self) -> int:
        """How many nodes there are."""
        return int(np.count_nonzero(self.present))

    def allocatable(self, resource: int) -> Ints:
        """What each node has of a resource."""
        column: Ints = self._allocatable[resource, : self.size]
        return column

    def requested(self, resource: int) -> Ints:
        """What the pods on each node ask of a resource; for ``PODS`` their number."""
        column: Ints = self._requested[resource, : self.size]
        return column

    def nonzero(self, resource: int) -> Ints:
        """As ``requested`` for CPU and MEMORY, with defaults for containers that name none."""
        column: Ints = self._nonzero[resource, : self.size]
        return column

    def resource(self, name: str) -> int:
        """The column of resource ``name``, made when it is new."""
        index = self.resources.get(name)
        if index is None:
            index = self.resources[name] = len(self.resources)
            blank = np.zeros((1, self._capacity), dtype=np.int64)
            self._allocatable = np.concatenate([self._allocatable, blank])
            self._requested = np.concatenate([self._requested, blank])
        return index

    def label(self, key: str) -> LabelColumn:
        """The column of a label, made from the nodes at first use."""
        return self._labels.get(key, self.nodes)

    def label_codes(self, key: str) -> NDArray[np.int32]:
        """The codes of a label, one per row."""
        return self._labels.get(key, self.nodes).codes[: self.size]

    # -- what changed

    @property
    def position(self) -> int:
        """Where the log of changed rows ends now."""
        return self._log_start + len(self._log)

    def changed_since(self, position: int) -> list[int] | None:
        """Rows whose pods changed since ``position``, or None when that is too long ago."""
        if position < self._log_start:
            return None
        return sorted(set(self._log[position - self._log_start :]))

    def _touch(self, row: int) -> None:
        if len(self._log) >= MAX_CHANGES:
            self._log_start += len(self._log)
            self._log.clear()
        self._log.append(row)

    # -- nodes

    def _grow(self) -> None:
        def longer(column: NDArray[Any]) -> NDArray[Any]:
            shape = (*column.shape[:-1], capacity - column.shape[-1])
            return np.concatenate([column, np.zeros(shape, dtype=column.dtype)], axis=-1)

        capacity = max(64, self._capacity * 2)
        self._present, self._unschedulable = longer(self._present), longer(self._unschedulable)
        self._taints, self._nonzero = longer(self._taints), longer(self._nonzero)
        self._allocatable, self._requested = longer(self._allocatable), longer(self._requested)
        self._labels.grow(capacity)
        self._capacity = capacity

    def _row(self, name: str) -> int:
        row = self.rows.get(name)
        if row is not None:
            return row
        if self._free:
            row = self._free.pop()
            self.names[row] = name
        else:
            row = self.size
            if row >= self._capacity:
                self._grow()
            self.size += 1
            self.names.append(name)
            self.nodes.append(None)
            self.pods.append({})
        self.rows[name] = row
        self.static_version += 1
        return row

    def put_node(self, node: Node) -> bool:
        """Add or update a node; whether anything the scheduler reads is different.

        :raises ValueError: a quantity in its status cannot be read
        """
        row = self._row(node.metadata.name)
        old = self.nodes[row]
        self.nodes[row] = node
        if old is not None and _same(old, node):
            return False
        self._present[row] = True
        self._unschedulable[row] = node.spec.unschedulable
        self._taints[row] = self._taint_code(tuple((t.key, t.value, t.effect) for t in node.spec.taints))
        self._allocatable[:, row] = 0
        for name, text in node.status.allocatable.items():
            index = self.resource(name)  # may make the array anew
            self._allocatable[index, row] = amount(name, text)
        self._labels.put(row, node.metadata.labels)
        self._put_images(row, old, node)
        self.static_version += 1
        return True

    def _taint_code(self, taints: TaintSet) -> int:
        code = self._taint_codes.get(taints)
        if code is None:
            if len(self.taint_sets) > 4 * self._capacity:
                self._forget_unused_taints()
            code = self._taint_codes[taints] = len(self.taint_sets)
            self.taint_sets.append(taints)
        return code

    def _forget_unused_taints(self) -> None:
        used = sorted({0, *self._taints.tolist()})
        self._taints = np.searchsorted(used, self._taints).astype(np.int32)
        self.taint_sets = [self.taint_sets[code] for code in used]
        self._taint_codes = {taints: code for code, taints in enumerate(self.taint_sets)}

    def _put_images(self, row: int, old: Node | None, new: Node | None) -> None:
        for image in old.status.images if old is not None else ():
            for name in image.names:
                if (rows := self.images.get(name)) is not None:
                    rows.pop(row, None)
                    if not rows:
                        del self.images[name]
        for image in new.status.images if new is not None else ():
            for name in image.names:
                self.images.setdefault(name, {})[row] = image.size_bytes

    def remove_node(self, name: str) -> None:
        """Forget a node. Its row stays while pods are still on it."""
        row = self.rows.get(name)
        if row is None:
            return
        self._put_images(row, self.nodes[row], None)
        self.nodes[row] = None
        self._present[row] = False
        self._unschedulable[row] = False
        self._taints[row] = 0
        self._allocatable[:, row] = 0
        self._labels.clear(row)
        self.static_version += 1
        self._release(row)

    def _release(self, row: int) -> None:
        if self.nodes[row] is None and not self.pods[row]:
            del self.rows[self.names[row]]
            self.names[row] = ""
            self._free.append(row)

    # -- pods

    def row_of(self, uid: str) -> int | None:
        """The row of a pod that is assigned or assumed."""
        return self._row_of_pod.get(uid)

    def add_pod(self, info: PodInfo, node: str) -> None:
        """Count ``info`` on ``node``; moved there when it was counted elsewhere."""
        self.remove_pod(info.uid)
        row = self._row(node)
        self.pods[row][info.uid] = info
        self._row_of_pod[info.uid] = row
        self._count(row, info, 1)

    def remove_pod(self, uid: str) -> PodInfo | None:
        """Count a pod no longer; what it was."""
        row = self._row_of_pod.pop(uid, None)
        if row is None:
            return None
        info = self.pods[row].pop(uid)
        self._count(row, info, -1)
        self._release(row)
        return info

    def _count(self, row: int, info: PodInfo, sign: int) -> None:
        self._requested[PODS, row] += sign
        for name, value in info.requests.items():
            index = self.resource(name)
            self._requested[index, row] += sign * value
        self._nonzero[CPU, row] += sign * info.nonzero_cpu
        self._nonzero[MEMORY, row] += sign * info.nonzero_memory
        _add(self.priorities, info.priority, sign)
        self._count_group(row, info, sign)
        if info.has_pod_affinity:
            self._count_affinity(row, info, sign)
        for port in info.ports:
            rows = self.ports.setdefault((port.protocol, port.port), {}).setdefault(port.ip, {})
            _add(rows, row, sign)
        self._touch(row)

    def _count_group(self, row: int, info: PodInfo, sign: int) -> None:
        group = self.groups.get(info.group)
        if group is None:
            group = self.groups[info.group] = PodGroup(*info.group[:3], info.pod.metadata.labels)
        if not _add(group.rows, row, sign):
            del self.groups[info.group]
        if (
            info.workload
            and not group.terminating
            and not _add(self.workloads.setdefault(info.workload, {}), row, sign)
        ):
            del self.workloads[info.workload]

    def _count_affinity(self, row: int, info: PodInfo, sign: int) -> None:
        identity = (info.signature, info.group)
        _, rows = self.affinity_groups.setdefault(identity, (info, {}))
        if not _add(rows, row, sign):
            del self.affinity_groups[identity]
        self.static_version += 1

    def count_pods(self, groups: Iterable[PodGroup]) -> Ints:
        """How many pods of ``groups`` each row has."""
        counts: Ints = np.zeros(self.size, dtype=np.int64)
        for group in groups:
            counts += self.spread_out(group.rows)
        return counts

    def spread_out(self, counts: Mapping[int, int]) -> Ints:
        """Counts by row as a column."""
        column: Ints = np.zeros(self.size, dtype=np.int64)
        rows = np.fromiter(counts.keys(), dtype=np.intp, count=len(counts))
        column[rows] = np.fromiter(counts.values(), dtype=np.int64, count=len(counts))
        return column


def _add(counts: dict[int, int], key: int, sign: int) -> bool:
    """Count ``key`` up or down, dropping it at 0; whether anything is left."""
    count = counts.get(key, 0) + sign
    if count:
        counts[key] = count
    else:
        counts.pop(key, None)
    return bool(counts)


def _same(old: Node, new: Node) -> bool:
    """Whether two revisions are the same to the scheduler; heartbeats are."""
    return (
        old.status.allocatable == new.status.allocatable
        and old.metadata.labels == new.metadata.labels
        and old.spec == new.spec
        and old.status.images == new.status.images
    )


def lookup(codes: NDArray[Any], verdicts: Sequence[bool]) -> Mask:
    """``verdicts[code]`` for every code; -1 takes the last verdict."""
    table: Mask = np.asarray(verdicts, dtype=np.bool_)
    found: Mask = table[codes]
    return found


def rows_mask(size: int, rows: Iterable[int]) -> Mask:
    """A mask that is true at ``rows``."""
    mask: Mask = np.zeros(size, dtype=np.bool_)
    mask[list(rows)] = True
    return mask
