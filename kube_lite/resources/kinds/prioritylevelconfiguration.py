"""PriorityLevelConfigurations: how much concurrency a priority has."""

from __future__ import annotations

import math
from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, forbidden, invalid, not_supported, required
from kube_lite.resources.flow_defaults import MANDATORY_LEVELS
from kube_lite.resources.kinds.flowschema import condition_types
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, UpdateCheck, status_alone

SHARES = 30
MAX_QUEUES = 10_000_000
MAX_HASH_BITS = 60
"""What shuffle sharding has for dealing queues to a flow."""
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


def _entropy_bits(queues: int, hand: int) -> int:
    """Bits of hash that dealing a hand takes."""
    bits = 0.0
    for left in range(queues, queues - hand, -1):
        bits += math.log2(left)
        if bits > MAX_HASH_BITS:
            break
    return math.ceil(bits)


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
    queues, hand = queuing.get("queues", 0), queuing.get("handSize", 0)
    if queues > MAX_QUEUES:
        found.append(invalid(f"{at}.queuing.queues", queues, f"must not be greater than {MAX_QUEUES}"))
    if hand > queues:
        detail = f"should not be greater than queues ({queues})"
        found.append(invalid(f"{at}.queuing.handSize", hand, detail))
    elif hand > 0 and _entropy_bits(queues, hand) > MAX_HASH_BITS:
        detail = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than "
        found.append(invalid(f"{at}.queuing.handSize", hand, f"{detail}{MAX_HASH_BITS}"))
    return found


def _shares(part: Obj, path: str) -> Errors:
    found: Errors = []
    shares, lendable = part.get("nominalConcurrencyShares", 0), part.get("lendablePercent", 0)
    if shares < 0:
        found.append(invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer"))
    if not 0 <= lendable <= 100:
        detail = "must be between 0 and 100, inclusive"
        found.append(invalid(f"{path}.lendablePercent", lendable, detail))
    borrowing = part.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        detail = "if specified, must be a non-negative integer"
        found.append(invalid(f"{path}.borrowingLimitPercent", borrowing, detail))
    return found


def _validate_spec(spec: Obj, name: str) -> Errors:
    kind, limited, exempt = spec.get("type", ""), spec.get("limited"), spec.get("exempt")
    found: Errors = []
    if (name == "exempt") != (kind == "Exempt"):
        found.append(invalid("spec.type", kind, "type must be 'Exempt' if and only if name is 'exempt'"))
    if kind == "Exempt":
        if limited is not None:
            found.append(forbidden("spec.limited", "must be nil if the type is not Limited"))
        return found + _shares(exempt or {}, "spec.exempt")
    if kind != "Limited":
        return [*found, not_supported("spec.type", kind, ("Exempt", "Limited"))]
    if exempt is not None:
        found.append(forbidden("spec.exempt", "must be nil if the type is Limited"))
    if limited is None:
        return [*found, required("spec.limited", "must not be empty when type is Limited")]
    return found + _shares(limited, "spec.limited") + _response(limited.get("limitResponse") or {})


def _validate(obj: Obj) -> Errors:
    spec, name = obj.get("spec") or {}, name_of(obj)
    found = _validate_spec(spec, name)
    fixed = MANDATORY_LEVELS.get(name)
    if fixed is not None:
        exempt = "exempt" in fixed
        compared = {k: v for k, v in spec.items() if k != "exempt"} if exempt else spec
        if compared != {k: v for k, v in fixed.items() if k != "exempt"}:
            but = " except the 'spec.exempt' field" if exempt else ""
            found.append(invalid("spec", spec, f"spec of '{name}'{but} must equal the fixed value"))
    return found


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
        update_checks=(UpdateCheck.METADATA,),
        plural="prioritylevelconfigurations",
        group="flowcontrol.apiserver.k8s.io",
        definition="io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration",
        namespaced=False,
        subresources={"status": status_alone(lambda new, old: condition_types(new))},
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
