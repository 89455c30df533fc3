"""IPAddresses: who holds a service address."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.addresses import address_problem
from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, invalid, required, show
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.names import Problems, path_segment
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource
from kube_lite.resources.rules import dns_subdomain, parse_ip


def _name(name: str, is_prefix: bool) -> Problems:
    """An address in its canonical form."""
    if problem := address_problem(name):
        return (problem,)
    canonical = str(parse_ip(name))
    return () if canonical == name else (f"must be in canonical form ({show(canonical)})",)


def _validate(obj: Obj) -> Errors:
    reference = (obj.get("spec") or {}).get("parentRef")
    if reference is None:
        return [required("spec.parentRef")]
    found: Errors = []
    if group := reference.get("group"):
        found.extend(dns_subdomain(group, "spec.parentRef.group"))
    for name in ("resource", "name", "namespace"):
        at, value = f"spec.parentRef.{name}", reference.get(name, "")
        if not value and name != "namespace":
            found.append(required(at))
        found.extend(invalid(at, value, problem) for problem in path_segment(value))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    after, before = (new.get("spec") or {}).get("parentRef"), (old.get("spec") or {}).get("parentRef")
    return [] if after == before else [invalid("spec.parentRef", after, IMMUTABLE)]


def _row(obj: Obj, now: datetime) -> Cells:
    reference = (obj.get("spec") or {}).get("parentRef") or {}
    group = f".{reference['group']}" if reference.get("group") else ""
    namespace = f"{reference['namespace']}/" if reference.get("namespace") else ""
    shown = f"{reference.get('resource', '')}{group}".lower() + f"/{namespace}{reference.get('name', '')}"
    return [name_of(obj), shown, age(obj, now)]


RESOURCES = (
    Resource(
        kind="IPAddress",
        plural="ipaddresses",
        group="networking.k8s.io",
        definition="io.k8s.api.networking.v1.IPAddress",
        namespaced=False,
        short_names=("ip",),
        name_rule=_name,
        generation=False,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("ParentRef"), AGE_COLUMN),
        row=_row,
        selectable=lambda obj: {
            f"spec.parentRef.{name}": ((obj.get("spec") or {}).get("parentRef") or {}).get(name, "")
            for name in ("group", "resource", "namespace", "name")
        },
        selectable_names=tuple(f"spec.parentRef.{name}" for name in ("group", "resource", "namespace", "name")),
    ),
)
