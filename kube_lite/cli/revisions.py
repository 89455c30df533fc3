"""Earlier templates of a workload: a Deployment's are in its ReplicaSets, the others' in ControllerRevisions."""

from __future__ import annotations

from typing import Any

from kube_lite.cli.connection import JSON_PATCH, STRATEGIC_PATCH, Api, Obj
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import Kind, builtin_named
from kube_lite.cli.selection import label_selector

REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
HASH_LABEL = "pod-template-hash"
KEPT = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
)
"""Annotations that a rollback takes from the Deployment and not from the old ReplicaSet."""


def revisions(api: Api, kind: Kind, owner: Obj) -> dict[int, Obj]:
    """What holds each revision, by number. :raises CommandError: the kind has none"""
    if kind.kind not in ("Deployment", "StatefulSet", "DaemonSet"):
        raise CommandError(f"no history viewer has been implemented for {kind.kind}")
    holder = builtin_named("replicasets" if kind.kind == "Deployment" else "controllerrevisions")
    assert holder is not None
    query = {"labelSelector": label_selector((owner.get("spec") or {}).get("selector"))}
    found = {}
    for item in api.list_all(holder.path(owner["metadata"]["namespace"]), query).get("items") or ():
        owners = item["metadata"].get("ownerReferences") or ()
        if not any(o.get("controller") and o.get("uid") == owner["metadata"]["uid"] for o in owners):
            continue
        if kind.kind == "Deployment":
            number = int((item["metadata"].get("annotations") or {}).get(REVISION) or 0)
        else:
            number = int(item.get("revision") or 0)
        found[number] = {"apiVersion": holder.api_version, "kind": holder.kind, **item}
    found.pop(0, None)
    return found


def cause_of(revision: Obj) -> str:
    """Why it was made, if somebody noted it."""
    return str((revision["metadata"].get("annotations") or {}).get(CHANGE_CAUSE) or "")


def template_of(revision: Obj) -> Obj:
    """The pod template that a revision holds."""
    spec: Any = revision.get("spec") or (revision.get("data") or {}).get("spec") or {}
    template: Obj = spec.get("template") or {}
    template.pop("$patch", None)
    return template


def rolled_back(kind: Kind, owner: Obj, revision: Obj) -> tuple[str, Any, str]:
    """What to print, the patch that brings ``revision`` back, and its media type; no patch when it is there already."""
    if kind.kind != "Deployment":
        return "rolled back", revision.get("data"), STRATEGIC_PATCH
    template = template_of(revision)
    labels = (template.get("metadata") or {}).get("labels") or {}
    labels.pop(HASH_LABEL, None)
    if template == owner["spec"]["template"]:
        return "", None, ""
    own = owner["metadata"].get("annotations") or {}
    old = revision["metadata"].get("annotations") or {}
    annotations = {key: own[key] for key in KEPT if key in own}
    annotations.update({key: value for key, value in old.items() if key not in KEPT})
    operations = [
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    ]
    return "rolled back", operations, JSON_PATCH
