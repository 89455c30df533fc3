"""Services in tables."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.labelselector import text_of_map
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column

COLUMNS = (
    NAME_COLUMN,
    Column("Type"),
    Column("Cluster-IP"),
    Column("External-IP"),
    Column("Port(s)"),
    AGE_COLUMN,
    Column("Selector", priority=1),
)


def _external_ip(spec: Obj, state: Obj) -> str:
    kind, external = spec.get("type"), spec.get("externalIPs") or []
    if kind in ("ClusterIP", "NodePort"):
        return ",".join(external) or "<none>"
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    if kind != "LoadBalancer":
        return "<unknown>"
    ingress = (state.get("loadBalancer") or {}).get("ingress") or ()
    given = {entry.get("ip") or entry.get("hostname") or "" for entry in ingress} - {""}
    return ",".join([*sorted(given), *external]) or "<pending>"


def _ports_text(spec: Obj) -> str:
    parts = []
    for port in spec.get("ports") or ():
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        parts.append(f"{port.get('port', 0)}{node_port}/{port.get('protocol', '')}")
    return ",".join(parts) or "<none>"


def row(obj: Obj, now: datetime) -> Cells:
    """The cells under ``COLUMNS``."""
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    ips = spec.get("clusterIPs")
    return [
        name_of(obj),
        spec.get("type", ""),
        (ips[0] if ips else spec.get("clusterIP")) or "<none>",
        _external_ip(spec, state),
        _ports_text(spec),
        age(obj, now),
        text_of_map(spec.get("selector")),
    ]
