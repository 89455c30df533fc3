"""Rules of how much of a device's capacity one request takes: listed amounts, or a range with steps."""

from __future__ import annotations

from typing import Final

from kube_lite.resources import devices
from kube_lite.resources.field import Errors, child, forbidden, index, invalid, required
from kube_lite.resources.meta import Obj
from kube_lite.resources.quantity import Quantity, parse

MAX_AMOUNTS: Final = 10
_NANOS: Final = 1_000_000_000


def _whole(amount: Quantity) -> int:
    """An amount as whole units, rounded up."""
    return -(-amount.nanos // _NANOS)


def validate_capacity(capacity: Obj, path: str, *, shared: bool) -> Errors:
    """A capacity is divided by a policy only where several requests may share the device."""
    policy, at = capacity.get("requestPolicy"), child(path, "requestPolicy")
    if policy is None:
        return []
    if not shared:
        return [forbidden(at, "allowMultipleAllocations must be true")]
    amounts, limits = policy.get("validValues") or [], policy.get("validRange")
    if amounts and limits is not None:
        detail = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
        return [forbidden(at, detail)]
    if not amounts and limits is None:
        return []
    name = "validValues" if amounts else "validRange"
    if (usual := policy.get("default")) is None:
        return [required(child(at, "default"), f"required when {name} is defined")]
    most = parse(capacity.get("value", "0"))
    if amounts:
        return _amounts(amounts, parse(usual), most, child(at, name))
    return _range(limits or {}, parse(usual), most, child(at, name))


def _amounts(amounts: list[str], usual: Quantity, most: Quantity, path: str) -> Errors:
    found: Errors = []
    for i in range(1, len(amounts)):
        if parse(amounts[i - 1]).nanos > parse(amounts[i]).nanos:
            found.append(invalid(index(path, i), amounts[i], "values must be sorted in ascending order"))

    def fits(amount: str, at: str) -> Errors:
        if parse(amount).nanos <= most.nanos:
            return []
        return [invalid(at, amount, f"option is larger than capacity value: {most}")]

    found.extend(devices.distinct(amounts, MAX_AMOUNTS, fits, lambda amount: str(_whole(parse(amount))), path))
    if usual.nanos not in {parse(amount).nanos for amount in amounts[:MAX_AMOUNTS]}:
        found.append(invalid(path, str(usual), "default value is not valid according to the requestPolicy"))
    return found


def _range(limits: Obj, usual: Quantity, most: Quantity, path: str) -> Errors:
    if limits.get("min") is None:
        return [required(child(path, "min"), "required when validRange is defined")]
    low, at = parse(limits["min"]), child(path, "min")
    high = parse(limits["max"]) if limits.get("max") is not None else None
    found: Errors = []
    if low.nanos > most.nanos:
        found.append(invalid(at, str(low), f"min is larger than capacity value: {most}"))
    if usual.nanos < low.nanos:
        found.append(invalid(at, str(usual), f"default is less than min: {low}"))
    if high is not None:
        at = child(path, "max")
        if low.nanos > high.nanos:
            found.append(invalid(at, str(low), f"min is larger than max: {high}"))
        if high.nanos > most.nanos:
            found.append(invalid(at, str(high), f"max is larger than capacity value: {most}"))
        if usual.nanos > high.nanos:
            found.append(invalid(at, str(usual), f"default is more than max: {high}"))
    if limits.get("step") is not None:
        reached = [usual] if high is None else [usual, high]
        found.extend(_steps(low, parse(limits["step"]), reached, most, child(path, "step")))
    return found


def _steps(low: Quantity, step: Quantity, reached: list[Quantity], most: Quantity, path: str) -> Errors:
    found: Errors = []
    first = low + step
    if first.nanos > most.nanos:
        found.append(invalid(path, str(step), f"one step {first} is larger than capacity value: {most}"))
    for amount in reached:
        # Upstream divides by a step of nothing, and fails.
        if not _whole(step) or (_whole(amount) - _whole(low)) % _whole(step):
            detail = f"value is not a multiple of a given step ({step}) from ({low})"
            found.append(invalid(path, str(amount), detail))
    return found
