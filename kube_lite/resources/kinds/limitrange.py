"""LimitRanges: bounds and defaults of what one pod may ask for."""

from __future__ import annotations

from kube_lite.resources import quantity
from kube_lite.resources.field import Errors, child, duplicate, forbidden, index, invalid, key, required
from kube_lite.resources.go.types import go_quantity
from kube_lite.resources.kinds.pod.defaults import default_resource_list
from kube_lite.resources.kinds.pod.requirements import (
    is_overcommitable,
    validate_container_resource_name,
    validate_resource_name,
)
from kube_lite.resources.meta import Obj, metadata
from kube_lite.resources.registry import Resource, UpdateCheck
from kube_lite.resources.rules import qualified_name

TYPES = frozenset({"Container", "PersistentVolumeClaim", "Pod"})
_PARTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")


def _default(obj: Obj) -> None:
    for item in (obj.get("spec") or {}).get("limits") or ():
        for part in _PARTS:
            if amounts := item.get(part):
                default_resource_list(amounts)
        if item.get("type") != "Container":
            continue
        limits = {**(item.get("max") or {}), **(item.get("default") or {})}
        requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
        if limits:
            item["default"] = limits
        if requests:
            item["defaultRequest"] = requests


def _prepare_create(obj: Obj) -> None:
    """A limit range without a name gets a unique one."""
    meta = metadata(obj)
    if not meta.get("name"):
        meta["name"] = meta["uid"]


def _order(amounts: dict[str, str], path: str, name: str) -> Errors:
    """min <= defaultRequest <= default <= max, as far as each is given."""
    found: Errors = []
    value = {part: quantity.parse(text).nanos for part, text in amounts.items()}

    def check(low: str, high: str, at: str, low_name: str, high_name: str, shown: str = "") -> None:
        if low in value and high in value and value[low] > value[high]:
            detail = f"{low_name} value {amounts[low]} is greater than {high_name} value {amounts[high]}"
            found.append(invalid(key(child(path, at), name), go_quantity(amounts[shown or at]), detail))

    check("min", "max", "min", "min", "max")
    check("min", "defaultRequest", "defaultRequest", "min", "default request")
    check("defaultRequest", "max", "defaultRequest", "default request", "max")
    check("defaultRequest", "default", "defaultRequest", "default request", "default limit")
    check("min", "default", "default", "min", "default", shown="min")
    check("default", "max", "default", "default", "max")
    ratio = value.get("maxLimitRequestRatio")
    if ratio is not None:
        at = key(child(path, "maxLimitRequestRatio"), name)
        text = amounts["maxLimitRequestRatio"]
        if ratio < quantity.NANO:
            found.append(invalid(at, go_quantity(text), f"ratio {text} is less than 1"))
        elif value.get("min") and value.get("max") and ratio * value["min"] > value["max"] * quantity.NANO:
            limit = value["max"] / value["min"]
            detail = f"ratio {text} is greater than max/min = {limit:.6f}"
            found.append(invalid(at, go_quantity(text), detail))
    pair = "default" in value and "defaultRequest" in value
    if pair and not is_overcommitable(name) and value["default"] != value["defaultRequest"]:
        at, asked = key(child(path, "defaultRequest"), name), amounts["defaultRequest"]
        detail = f"default value {amounts['default']} must equal to defaultRequest value {asked} in {name}"
        found.append(invalid(at, go_quantity(asked), detail))
    return found


def _item(item: Obj, path: str) -> Errors:
    found: Errors = []
    kind = item.get("type", "")
    named = validate_container_resource_name if kind in ("Pod", "Container") else validate_resource_name
    for part in ("max", "min", "maxLimitRequestRatio"):
        for name in item.get(part) or {}:
            found.extend(named(name, key(child(path, part), name)))
    if kind == "Pod":
        for part in ("default", "defaultRequest"):
            if item.get(part):
                found.append(forbidden(child(path, part), "may not be specified when `type` is 'Pod'"))
    else:
        for part in ("default", "defaultRequest"):
            for name in item.get(part) or {}:
                found.extend(named(name, key(child(path, part), name)))
    bounded = any("storage" in (item.get(part) or {}) for part in ("min", "max"))
    if kind == "PersistentVolumeClaim" and not bounded:
        detail = "either minimum or maximum storage value is required, but neither was provided"
        found.append(required(child(path, "limits"), detail))
    compared = [part for part in _PARTS if kind != "Pod" or not part.startswith("default")]
    names = sorted({name for part in _PARTS for name in item.get(part) or {}})
    for name in names:
        amounts = {part: item[part][name] for part in compared if name in (item.get(part) or {})}
        found.extend(_order(amounts, path, name))
    return found


def _validate(obj: Obj) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for i, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
        at = index("spec.limits", i)
        kind = item.get("type", "")
        unqualified = qualified_name(kind, child(at, "type"))
        found.extend(unqualified)
        if not unqualified and "/" not in kind and kind not in TYPES:
            found.append(invalid(child(at, "type"), kind, "must be a standard limit type or fully qualified"))
        if kind in seen:
            found.append(duplicate(child(at, "type"), kind))
        seen.add(kind)
        found.extend(_item(item, at))
    return found


RESOURCES = (
    Resource(
        kind="LimitRange",
        update_checks=(UpdateCheck.METADATA,),
        plural="limitranges",
        definition="io.k8s.api.core.v1.LimitRange",
        short_names=("limits",),
        generation=False,
        allow_create_on_update=True,
        default=_default,
        prepare_create=_prepare_create,
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
    ),
)
