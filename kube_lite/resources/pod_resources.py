"""What a whole pod asks for: the sums that limits, quotas and overhead are reckoned with.

Containers run together, so they add up; init containers run one after another, so only the largest counts, beside
the sidecars (init containers that restart) started before it. Pod-level resources, where stated, replace the sum.
The rule is upstream's ``k8s.io/component-helpers/resource``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kube_lite.resources.meta import Obj
from kube_lite.resources.quantity import Quantity, parse

Amounts = dict[str, Quantity]

_POD_LEVEL = ("cpu", "memory")
"""Resources that may be stated for the pod as a whole, besides huge pages."""


def amounts(values: Mapping[str, Any] | None) -> Amounts:
    """A ResourceList, parsed."""
    return {name: parse(value) for name, value in (values or {}).items()}


def plus(left: Mapping[str, Quantity], right: Mapping[str, Quantity]) -> Amounts:
    """The sum, over the names of both."""
    total = dict(left)
    for name, amount in right.items():
        total[name] = total[name] + amount if name in total else amount
    return total


def minus(left: Mapping[str, Quantity], right: Mapping[str, Quantity]) -> Amounts:
    """What is left of ``left``, never below zero."""
    rest: Amounts = {}
    for name, amount in left.items():
        taken = right.get(name)
        rest[name] = amount if taken is None else max(amount - taken, Quantity(0, amount.format))
    return rest


def largest(left: Mapping[str, Quantity], right: Mapping[str, Quantity]) -> Amounts:
    """The larger of both, name by name."""
    total = dict(left)
    for name, amount in right.items():
        if name not in total or amount > total[name]:
            total[name] = amount
    return total


def texts(values: Mapping[str, Quantity]) -> dict[str, str]:
    """A ResourceList for the wire."""
    return {name: str(amount) for name, amount in values.items()}


def container_total(spec: Obj, part: str) -> Amounts:
    """What the containers come to at their peak, of ``requests`` or ``limits``, whatever the pod as a whole states."""
    total: Amounts = {}
    for container in spec.get("containers") or ():
        total = plus(total, amounts((container.get("resources") or {}).get(part)))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = amounts((container.get("resources") or {}).get(part))
        if container.get("restartPolicy") == "Always":
            total, sidecars = plus(total, own), plus(sidecars, own)
            own = sidecars
        else:
            own = plus(own, sidecars)
        peak = largest(peak, own)
    return largest(total, peak)


def _total(spec: Obj, part: str) -> Amounts:
    total = container_total(spec, part)
    for name, amount in amounts((spec.get("resources") or {}).get(part)).items():
        if name in _POD_LEVEL or name.startswith("hugepages-"):
            total[name] = amount
    return total


def pod_requests(spec: Obj, *, overhead: bool = True) -> Amounts:
    """What the pod needs at its peak."""
    total = _total(spec, "requests")
    return plus(total, amounts(spec.get("overhead"))) if overhead else total


def pod_limits(spec: Obj, *, overhead: bool = True) -> Amounts:
    """What the pod may use; overhead counts only where there is a limit."""
    total = _total(spec, "limits")
    if overhead:
        total = plus(total, {n: a for n, a in amounts(spec.get("overhead")).items() if n in total})
    return total
