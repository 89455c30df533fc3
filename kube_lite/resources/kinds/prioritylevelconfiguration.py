"""PriorityLevelConfigurations: how much concurrency a priority has."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, forbidden, invalid, not_supported, required
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, status

SHARES = 30
QUEUES, HAND_SIZE, QUEUE_LENGTH = 64, 8, 50


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("type") == "Exempt":
        exempt = spec.setdefault("exempt", {})
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)
    if (limited := spec.get("limited")) is not None:
        limited.setdefault("nominalConcurrencyShares", SHARES)
        limited.setdefault("lendablePercent", 0)
        response = limited.setdefault("limitResponse", {})
        if (queuing := response.get("queuing")) is not None:
            for name, value in (("queues", QUEUES), ("handSize", HAND_SIZE), ("queueLengthLimit", QUEUE_LENGTH)):
                if not queuing.get(name):
                    queuing[name] = value


def _response(response: Obj) -> Errors:
    at = "spec.limited.limitResponse"
    kind, queuing = response.get("type", ""), response.get("queuing")
    if kind == "Reject":
        if queuing is not None:
            return [forbidden(f"{at}.queuing", "must be nil if limited.limitResponse.type is not Limited")]
        return []
    if kind != "Queue":
        return [not_supported(f"{at}.type", kind, ("Queue", "Reject"))]
    if queuing is None:
        return [required(f"{at}.queuing", "must not be empty if limited.limitResponse.type is Limited")]
    found: Errors = []
    for name in ("queueLengthLimit", "queues", "handSize"):
        if queuing.get(name, 0) <= 0:
            found.append(invalid(f"{at}.queuing.{name}", queuing.get(name, 0), "must be positive"))
    if queuing.get("handSize", 0) > queuing.get("queues", 0):
        detail = f"should not be greater than queues ({queuing.get('queues', 0)})"
        found.append(invalid(f"{at}.queuing.handSize", queuing["handSize"], detail))
    return found


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    kind, limited = spec.get("type", ""), spec.get("limited")
    if kind == "Exempt":
        if limited is not None:
            return [forbidden("spec.limited", "must be nil if the type is not Limited")]
        return []
    if kind != "Limited":
        return [not_supported("spec.type", kind, ("Exempt", "Limited"))]
    if limited is None:
        return [required("spec.limited", "must not be empty when type is Limited")]
    found: Errors = []
    shares = limited.get("nominalConcurrencyShares", SHARES)
    if shares < 0:
        found.append(invalid("spec.limited.nominalConcurrencyShares", shares, "must be a non-negative integer"))
    lendable = limited.get("lendablePercent", 0)
    if not 0 <= lendable <= 100:
        detail = "must be between 0 and 100, inclusive"
        found.append(invalid("spec.limited.lendablePercent", lendable, detail))
    return found + _response(limited.get("limitResponse") or {})


def _row(obj: Obj, now: datetime) -> Cells:
    spec = obj.get("spec") or {}
    limited = spec.get("limited") or {}
    queuing = (limited.get("limitResponse") or {}).get("queuing") or {}
    return [
        name_of(obj),
        spec.get("type", ""),
        limited.get("nominalConcurrencyShares", "<none>"),
        queuing.get("queues", "<none>"),
        queuing.get("handSize", "<none>"),
        queuing.get("queueLengthLimit", "<none>"),
        age(obj, now),
    ]


RESOURCES = (
    Resource(
        kind="PriorityLevelConfiguration",
        plural="prioritylevelconfigurations",
        group="flowcontrol.apiserver.k8s.io",
        definition="io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration",
        namespaced=False,
        subresources={"status": status()},
        default=_default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
        columns=(
            NAME_COLUMN,
            Column("Type"),
            Column("NominalConcurrencyShares"),
            Column("Queues"),
            Column("HandSize"),
            Column("QueueLengthLimit"),
            AGE_COLUMN,
        ),
        row=_row,
    ),
)
