"""APIServices: which server answers for a group."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources import names
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, index, invalid, not_supported, required
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, REPLACED, Cells, Column, Resource, status_alone
from kube_lite.resources.rules import dns_subdomain, port_number

MAX_GROUP_PRIORITY = 20000
MAX_VERSION_PRIORITY = 1000


def _default(obj: Obj) -> None:
    if (service := (obj.get("spec") or {}).get("service")) is not None:
        service.setdefault("port", 443)


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    group, version = spec.get("group", ""), spec.get("version", "")
    found: Errors = []
    wanted, meta = f"{version}.{group}", obj.get("metadata") or {}
    for part in ("generateName", "name"):
        if (name := meta.get(part)) and name != wanted:
            found.append(invalid(f"metadata.{part}", name, f'must be `spec.version+"."+spec.group`: "{wanted}"'))
    if not group:
        if version != "v1":
            found.append(required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
    else:
        found.extend(dns_subdomain(group, "spec.group"))
    found.extend(invalid("spec.version", version, problem) for problem in names.dns_1035_label(version))
    priority, rank = spec.get("groupPriorityMinimum", 0), spec.get("versionPriority", 0)
    if not 0 < priority <= MAX_GROUP_PRIORITY:
        detail = f"must be positive and less than {MAX_GROUP_PRIORITY}"
        found.append(invalid("spec.groupPriorityMinimum", priority, detail))
    if not 0 < rank <= MAX_VERSION_PRIORITY:
        detail = f"must be positive and less than {MAX_VERSION_PRIORITY}"
        found.append(invalid("spec.versionPriority", rank, detail))
    service = spec.get("service")
    if service is None:
        if spec.get("caBundle"):
            found.append(invalid("spec.caBundle", "", "local APIServices may not have a caBundle"))
        if spec.get("insecureSkipTLSVerify"):
            detail = "local APIServices may not have insecureSkipTLSVerify"
            found.append(invalid("spec.insecureSkipTLSVerify", True, detail))
        return found
    found.extend(required(f"spec.service.{part}") for part in ("namespace", "name") if not service.get(part))
    port = service.get("port", 443)
    if port_number(port, "spec.service.port"):
        detail = f"port is not valid: {names.in_range(1, 65535)}"
        found.append(invalid("spec.service.port", port, detail))
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        detail = "may not be true if caBundle is present"
        found.append(invalid("spec.insecureSkipTLSVerify", True, detail))
    return found


_STATES = ("True", "False", "Unknown")


def _validate_status(new: Obj, old: Obj) -> Errors:
    found: Errors = []
    for i, condition in enumerate((new.get("status") or {}).get("conditions") or ()):
        state = condition.get("status", "")
        if state not in _STATES:
            found.append(not_supported(f"{index('status.conditions', i)}.status", state, _STATES))
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    service = (obj.get("spec") or {}).get("service")
    conditions = (obj.get("status") or {}).get("conditions") or ()
    condition = next((c for c in conditions if c.get("type") == "Available"), None)
    shown = "Unknown"
    if condition is not None:
        shown = condition.get("status", "Unknown")
        if shown != "True":
            shown = f"{shown} ({condition.get('reason', '')})"
    where = f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"
    return [name_of(obj), where, shown, age(obj, now)]


RESOURCES = (
    Resource(
        standard_finalizers=False,
        kind="APIService",
        update_checks=REPLACED,
        plural="apiservices",
        group="apiregistration.k8s.io",
        definition="io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
        namespaced=False,
        categories=("api-extensions",),
        subresources={"status": status_alone(_validate_status)},
        name_rule=names.path_segment,
        generation=False,
        managed_fields=False,
        allow_unconditional_update=False,
        default=_default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
        columns=(NAME_COLUMN, Column("Service"), Column("Available"), AGE_COLUMN),
        row=_row,
    ),
)
