"""Nodes: conditions, capacity, and what runs on them."""

from __future__ import annotations

from collections.abc import Sequence

from kube_lite.cli.connection import Obj
from kube_lite.cli.describe.text import Page, date
from kube_lite.cli.names import builtin_named
from kube_lite.errors import ApiError
from kube_lite.resources import quantity

ROLE = "node-role.kubernetes.io/"
_SYSTEM_INFO = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
    ("Kube-Proxy Version", "kubeProxyVersion"),
)
_OVERCOMMITTED = "(Total limits may be over 100 percent, i.e., overcommitted.)"


def describe_node(page: Page) -> None:
    """A node."""
    metadata, spec, status = page.obj["metadata"], page.obj.get("spec") or {}, page.obj.get("status") or {}
    page.add(0, "Name:", metadata["name"])
    roles = sorted(key.removeprefix(ROLE) for key in metadata.get("labels") or {} if key.startswith(ROLE))
    page.add(0, "Roles:", ",".join(roles) or "<none>")
    page.labels()
    page.annotations()
    page.add(0, "CreationTimestamp:", date(metadata.get("creationTimestamp")))
    taints = [f"{t['key']}{'=' + t['value'] if t.get('value') else ''}:{t['effect']}" for t in spec.get("taints") or ()]
    page.column(0, "Taints:", sorted(taints))
    page.add(0, "Unschedulable:", "true" if spec.get("unschedulable") else "false")
    _lease(page)
    _conditions(page, status.get("conditions") or ())
    page.add(0, "Addresses:")
    for address in status.get("addresses") or ():
        page.add(1, f"{address.get('type')}:", address.get("address", ""))
    for title, key in (("Capacity:", "capacity"), ("Allocatable:", "allocatable")):
        if status.get(key):
            page.add(0, title)
            for name in sorted(status[key]):
                page.add(1, f"{name}:", str(status[key][name]))
    page.add(0, "System Info:")
    for title, key in _SYSTEM_INFO:
        page.add(1, f"{title}:", (status.get("nodeInfo") or {}).get(key, ""))
    if spec.get("podCIDR"):
        page.add(0, "PodCIDR:", spec["podCIDR"])
    if spec.get("podCIDRs"):
        page.add(0, "PodCIDRs:", ",".join(spec["podCIDRs"]))
    if spec.get("providerID"):
        page.add(0, "ProviderID:", spec["providerID"])
    _pods(page, status.get("allocatable") or status.get("capacity") or {})
    page.events()


def _lease(page: Page) -> None:
    kind = builtin_named("leases")
    assert kind is not None
    try:
        lease = page.api.get(kind.path("kube-node-lease", page.obj["metadata"]["name"]))
    except ApiError:
        page.add(0, "Lease:", "Failed to get lease")
        return
    spec = lease.get("spec") or {}
    page.add(0, "Lease:")
    page.add(1, "HolderIdentity:", spec.get("holderIdentity") or "<unset>")
    page.add(1, "AcquireTime:", date(spec.get("acquireTime")))
    page.add(1, "RenewTime:", date(spec.get("renewTime")))


def _conditions(page: Page, conditions: Sequence[Obj]) -> None:
    if not conditions:
        return
    page.add(0, "Conditions:")
    titles = ("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message")
    _condition(page, titles)
    _condition(page, ["-" * len(title) for title in titles])
    for c in conditions:
        times = (date(c.get("lastHeartbeatTime")), date(c.get("lastTransitionTime")))
        _condition(page, (c.get("type", ""), c.get("status", ""), *times, c.get("reason", ""), c.get("message", "")))


def _condition(page: Page, cells: Sequence[str]) -> None:
    kind, status, *middle, message = cells
    page.add(1, f"{kind} ", status, *(f"{cell} " for cell in middle), message)  # the blanks are kubectl's


def _pods(page: Page, allocatable: Obj) -> None:
    kind = builtin_named("pods")
    assert kind is not None
    fields = f"spec.nodeName={page.obj['metadata']['name']},status.phase!=Succeeded,status.phase!=Failed"
    pods = page.api.list_all(kind.path(), {"fieldSelector": fields}).get("items") or []
    page.add(0, "Non-terminated Pods:", f"({len(pods)} in total)")
    titles = ("Namespace", "Name", "", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits", "Age")
    page.add(1, *titles)
    page.add(1, *("-" * len(title) for title in titles))
    totals: dict[tuple[str, str], int] = {}
    for pod in pods:
        used = _asked(pod)
        for key, amount in used.items():
            totals[key] = totals.get(key, 0) + amount
        cells = [
            _share(name, used.get((name, kind_), 0), allocatable)
            for name in ("cpu", "memory")
            for kind_ in ("requests", "limits")
        ]
        metadata = pod["metadata"]
        page.add(1, metadata["namespace"], metadata["name"], "", *cells, page.age(metadata.get("creationTimestamp")))
    page.add(0, "Allocated resources:")
    page.lines.append(f"  {_OVERCOMMITTED}")
    page.add(1, "Resource", "Requests", "Limits")
    page.add(1, "--------", "--------", "------")
    for name in ("cpu", "memory", "ephemeral-storage"):
        page.add(1, name, *(_share(name, totals.get((name, key), 0), allocatable) for key in ("requests", "limits")))


def _asked(pod: Obj) -> dict[tuple[str, str], int]:
    """What a pod asks for, in thousandths: its containers together, or the largest init container if that is more."""
    total: dict[tuple[str, str], int] = {}
    spec = pod.get("spec") or {}
    for container in spec.get("containers") or ():
        for key, amount in _of(container).items():
            total[key] = total.get(key, 0) + amount
    for container in spec.get("initContainers") or ():
        for key, amount in _of(container).items():
            total[key] = max(total.get(key, 0), amount)
    return total


def _of(container: Obj) -> dict[tuple[str, str], int]:
    resources = container.get("resources") or {}
    return {
        (name, key): quantity.milli(str(amount))
        for key in ("requests", "limits")
        for name, amount in (resources.get(key) or {}).items()
    }


def _share(name: str, milli: int, allocatable: Obj) -> str:
    whole = quantity.milli(str(allocatable.get(name, "0")))
    percent = milli * 100 // whole if whole else 0
    if name == "cpu":
        return f"{f'{milli}m' if milli % 1000 else milli // 1000} ({percent}%)"
    return f"{_binary(milli // 1000)} ({percent}%)"


def _binary(amount: int) -> str:
    """Bytes with the largest binary suffix that divides them."""
    for suffix, power in (("Gi", 30), ("Mi", 20), ("Ki", 10)):
        if amount and amount % (1 << power) == 0:
            return f"{amount >> power}{suffix}"
    return str(amount)
