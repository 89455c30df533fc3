"""ComponentStatuses: a deprecated view of the control plane's health, answered and never stored."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import NAME_COLUMN, Cells, Column, Resource


def _row(obj: Obj, now: datetime) -> Cells:
    healthy = next((c for c in obj.get("conditions") or () if c.get("type") == "Healthy"), None)
    if healthy is None:
        return [obj["metadata"]["name"], "Unknown", "", ""]
    status = "Healthy" if healthy.get("status") == "True" else "Unhealthy"
    return [obj["metadata"]["name"], status, healthy.get("message", ""), healthy.get("error", "")]


RESOURCES = (
    Resource(
        kind="ComponentStatus",
        plural="componentstatuses",
        definition="io.k8s.api.core.v1.ComponentStatus",
        namespaced=False,
        short_names=("cs",),
        verbs=("get", "list"),
        answered_only=True,
        generation=False,
        deprecation="v1 ComponentStatus is deprecated in v1.19+",
        columns=(NAME_COLUMN, Column("Status"), Column("Message"), Column("Error")),
        row=_row,
    ),
)
