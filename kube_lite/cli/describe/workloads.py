"""Deployments, ReplicaSets, StatefulSets and DaemonSets."""

from __future__ import annotations

from collections.abc import Callable

from kube_lite.cli.connection import Obj
from kube_lite.cli.describe.pods import describe_template
from kube_lite.cli.describe.text import Page, controlled_by, date
from kube_lite.cli.names import builtin_named
from kube_lite.cli.selection import label_selector


def describe_deployment(page: Page) -> None:
    """A Deployment, with its ReplicaSets."""
    spec, status = page.obj.get("spec") or {}, page.obj.get("status") or {}
    page.heading(labels=False)
    page.add(0, "CreationTimestamp:", date(page.obj["metadata"].get("creationTimestamp")))
    page.labels()
    page.annotations()
    page.add(0, "Selector:", label_selector(spec.get("selector")))
    counts = {key: status.get(f"{key}Replicas", 0) for key in ("updated", "available", "unavailable")}
    page.add(
        0,
        "Replicas:",
        f"{spec.get('replicas', 1)} desired | {counts['updated']} updated | {status.get('replicas', 0)} total | "
        f"{counts['available']} available | {counts['unavailable']} unavailable",
    )
    strategy = spec.get("strategy") or {}
    page.add(0, "StrategyType:", strategy.get("type", ""))
    page.add(0, "MinReadySeconds:", str(spec.get("minReadySeconds", 0)))
    if rolling := strategy.get("rollingUpdate"):
        text = f"{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} max surge"
        page.add(0, "RollingUpdateStrategy:", text)
    describe_template(page, spec.get("template") or {})
    if status.get("conditions"):
        page.add(0, "Conditions:")
        page.add(1, "Type", "Status", "Reason")
        page.add(1, "----", "------", "------")
        for condition in status["conditions"]:
            page.add(1, condition.get("type", ""), condition.get("status", ""), condition.get("reason", ""))
    _replica_sets(page)
    page.events()


def _replica_sets(page: Page) -> None:
    from kube_lite.cli.revisions import REVISION, revisions

    deployments = builtin_named("deployments")
    assert deployments is not None
    found = revisions(page.api, deployments, page.obj)
    current = int((page.obj["metadata"].get("annotations") or {}).get(REVISION) or 0)
    old = [_replica_set(found[number]) for number in sorted(found) if number != current]
    page.add(0, "OldReplicaSets:", ", ".join(old) or "<none>")
    page.add(0, "NewReplicaSet:", _replica_set(found[current]) if current in found else "<none>")


def _replica_set(obj: Obj) -> str:
    created, wanted = (obj.get("status") or {}).get("replicas", 0), (obj.get("spec") or {}).get("replicas", 1)
    return f"{obj['metadata']['name']} ({created}/{wanted} replicas created)"


def describe_replica_set(page: Page) -> None:
    """A ReplicaSet, with the phases of its pods."""
    spec, status = page.obj.get("spec") or {}, page.obj.get("status") or {}
    page.heading(labels=False)
    page.add(0, "Selector:", label_selector(spec.get("selector")))
    page.labels()
    page.annotations()
    controlled_by(page)
    page.add(0, "Replicas:", f"{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired")
    _pod_phases(page)
    describe_template(page, spec.get("template") or {})
    page.events()


def describe_stateful_set(page: Page) -> None:
    """A StatefulSet."""
    spec, status = page.obj.get("spec") or {}, page.obj.get("status") or {}
    page.heading(labels=False)
    page.add(0, "CreationTimestamp:", date(page.obj["metadata"].get("creationTimestamp")))
    page.add(0, "Selector:", label_selector(spec.get("selector")))
    page.labels()
    page.annotations()
    page.add(0, "Replicas:", f"{spec.get('replicas', 1)} desired | {status.get('replicas', 0)} total")
    page.add(0, "Update Strategy:", (spec.get("updateStrategy") or {}).get("type", ""))
    _pod_phases(page)
    describe_template(page, spec.get("template") or {})
    page.events()


def describe_daemon_set(page: Page) -> None:
    """A DaemonSet."""
    spec, status = page.obj.get("spec") or {}, page.obj.get("status") or {}
    page.heading(labels=False)
    page.add(0, "Selector:", label_selector(spec.get("selector")))
    node_selector = ((spec.get("template") or {}).get("spec") or {}).get("nodeSelector") or {}
    page.add(0, "Node-Selector:", label_selector(node_selector) or "<none>")
    page.labels()
    page.annotations()
    for title, key in (
        ("Desired Number of Nodes Scheduled:", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled:", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods:", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods:", "numberAvailable"),
        ("Number of Nodes Misscheduled:", "numberMisscheduled"),
    ):
        page.lines.append(f"{title} {status.get(key, 0)}")
    _pod_phases(page)
    describe_template(page, spec.get("template") or {})
    page.events()


def _pod_phases(page: Page) -> None:
    pods = builtin_named("pods")
    assert pods is not None
    metadata = page.obj["metadata"]
    query = {"labelSelector": label_selector((page.obj.get("spec") or {}).get("selector"))}
    counts = dict.fromkeys(("Running", "Pending", "Succeeded", "Failed"), 0)
    for pod in page.api.list_all(pods.path(metadata["namespace"]), query).get("items") or ():
        owners = pod["metadata"].get("ownerReferences") or ()
        phase = (pod.get("status") or {}).get("phase")
        if phase in counts and any(o.get("controller") and o.get("uid") == metadata["uid"] for o in owners):
            counts[phase] += 1
    page.add(
        0,
        "Pods Status:",
        f"{counts['Running']} Running / {counts['Pending']} Waiting / {counts['Succeeded']} Succeeded / "
        f"{counts['Failed']} Failed",
    )


DESCRIBERS: dict[str, Callable[[Page], None]] = {
    "Deployment": describe_deployment,
    "ReplicaSet": describe_replica_set,
    "StatefulSet": describe_stateful_set,
    "DaemonSet": describe_daemon_set,
}
