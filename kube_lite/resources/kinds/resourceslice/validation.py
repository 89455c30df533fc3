"""Rules of a slice: whose pool it is part of, which nodes reach it, and its devices."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from kube_lite.resources import devices
from kube_lite.resources.field import (
    IMMUTABLE,
    Errors,
    child,
    invalid,
    key,
    required,
    too_long,
    too_many,
)
from kube_lite.resources.kinds.pod.scheduling import validate_node_selector
from kube_lite.resources.kinds.pod.volumes import validate_driver_name
from kube_lite.resources.kinds.resourceslice.capacity import validate_capacity
from kube_lite.resources.meta import Obj
from kube_lite.resources.names import size
from kube_lite.resources.rules import dns_label, dns_subdomain, immutable

MAX_DEVICES, MAX_ADVANCED_DEVICES = 128, 64
"""Devices of one slice, and of one where they have taints or consume counters."""
MAX_COUNTER_SETS = 8
MAX_COUNTERS = 32
MAX_CONSUMPTIONS = 2
"""Counter sets that one device takes from."""
MAX_TAINTS = 16
_VALUES: Final = ("bool", "int", "string", "version", "bools", "ints", "strings", "versions")
_PRERELEASE: Final = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION: Final = re.compile(
    rf"(0|[1-9]\d*)(\.(0|[1-9]\d*)){{2}}(-{_PRERELEASE}(\.{_PRERELEASE})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)
"""semver.org 2.0.0."""
_PLACES: Final = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
_DEVICE_PLACES: Final = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
    "in the ResourceSlice spec"
)


def validate_slice(obj: Obj) -> Errors:
    """A new slice."""
    spec = obj.get("spec") or {}
    return _pool(spec) + _places(spec) + _devices(spec)


def _pool(spec: Obj) -> Errors:
    pool = spec.get("pool") or {}
    found = validate_driver_name(spec.get("driver", ""), "spec.driver")
    found.extend(devices.pool_name(pool.get("name", ""), "spec.pool.name"))
    if (slices := pool.get("resourceSliceCount", 0)) <= 0:
        found.append(invalid("spec.pool.resourceSliceCount", slices, "must be greater than zero"))
    if (generation := pool.get("generation", 0)) < 0:
        found.append(invalid("spec.pool.generation", generation, "must be greater than or equal to zero"))
    return found


def validate_slice_update(new: Obj, old: Obj) -> Errors:
    """The same, of the same pool, driver and node."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    changed: Errors = []
    pools = [(spec.get("pool") or {}).get("name", "") for spec in (after, before)]
    if pools[0] != pools[1]:
        changed.append(invalid("spec.pool.name", pools[0], IMMUTABLE))
    for name in ("driver", "nodeName"):
        changed.extend(immutable(after, before, name, "spec"))
    return _pool(after) + changed + _places(after) + _devices(after)


def _devices(spec: Obj) -> Errors:
    found: Errors = []
    if spec.get("sharedCounters") is not None and spec.get("devices") is not None:
        found.append(invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed"))
    listed, each = spec.get("devices") or [], bool(spec.get("perDeviceNodeSelection"))
    advanced = any(device.get("taints") or device.get("consumesCounters") for device in listed)
    limit = MAX_ADVANCED_DEVICES if advanced else MAX_DEVICES
    found.extend(devices.distinct(listed, limit, partial(_device, each), _name, "spec.devices"))
    counters = spec.get("sharedCounters")
    return found + devices.distinct(counters, MAX_COUNTER_SETS, _counter_set, _name, "spec.sharedCounters")


def _name(item: Obj) -> str:
    return str(item.get("name", ""))


def _switch(holder: Obj, name: str, path: str, chosen: list[str]) -> Errors:
    """A boolean that is true or not there."""
    if holder.get(name):
        chosen.append(f"`{name}`")
    elif holder.get(name) is not None:
        return [invalid(child(path, name), False, "must be either unset or set to true")]
    return []


def _node(holder: Obj, path: str, chosen: list[str], empty: str) -> Errors:
    name, at = holder.get("nodeName"), child(path, "nodeName")
    if name is None:
        return []
    if not name:
        return [invalid(at, name, empty)]
    chosen.append("`nodeName`")
    return dns_subdomain(name, at)


def _places(spec: Obj) -> Errors:
    chosen: list[str] = []
    found = _node(spec, "spec", chosen, "must be either unset or set to a non-empty string")
    if (selector := spec.get("nodeSelector")) is not None:
        chosen.append("`nodeSelector`")
        found.extend(validate_node_selector(selector, "spec.nodeSelector"))
        terms = selector.get("nodeSelectorTerms") or []
        if len(terms) != 1:
            at = "spec.nodeSelector.nodeSelectorTerms"
            found.append(invalid(at, terms, "must have exactly one node selector term"))
    for name in ("allNodes", "perDeviceNodeSelection"):
        found.extend(_switch(spec, name, "spec", chosen))
    if not chosen:
        found.append(required("spec", _PLACES))
    elif len(chosen) > 1:
        found.append(invalid("spec", f"{{{', '.join(chosen)}}}", f"{_PLACES}, but multiple fields are set"))
    return found


def _device_places(device: Obj, each: bool, path: str) -> Errors:
    if not each:
        if all(device.get(name) is None for name in ("nodeName", "nodeSelector", "allNodes")):
            return []
        only = "can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec"
        return [invalid(path, None, f"`nodeName`, `nodeSelector` and `allNodes` {only}")]
    chosen: list[str] = []
    found = _node(device, path, chosen, "must not be empty")
    if (selector := device.get("nodeSelector")) is not None:
        chosen.append("`nodeSelector`")
        found.extend(validate_node_selector(selector, child(path, "nodeSelector")))
    found.extend(_switch(device, "allNodes", path, chosen))
    if not chosen:
        found.append(required(path, _DEVICE_PLACES))
    elif len(chosen) > 1:
        found.append(invalid(path, f"{{{', '.join(chosen)}}}", _DEVICE_PLACES))
    return found


def _mapped(items: Obj | None, rule: Callable[[str, str], Errors], value: devices.Rule, path: str) -> Errors:
    """A map: its keys and its values."""
    found: Errors = []
    for name in sorted(items or {}):
        at = key(path, name)
        found.extend(rule(name, at))
        found.extend(value((items or {})[name], at))
    return found


def _device(each: bool, device: Obj, path: str) -> Errors:
    found = dns_label(_name(device), child(path, "name"))
    attributes, capacity = device.get("attributes"), device.get("capacity")
    if (count := len(attributes or {}) + len(capacity or {})) > devices.MAX_PROPERTIES:
        detail = f"the total number of attributes and capacities must not exceed {devices.MAX_PROPERTIES}"
        found.append(invalid(path, count, detail))
    found.extend(_mapped(attributes, devices.attribute_name, _attribute, child(path, "attributes")))
    divided = partial(validate_capacity, shared=bool(device.get("allowMultipleAllocations")))
    found.extend(_mapped(capacity, devices.attribute_name, divided, child(path, "capacity")))
    found.extend(devices.each(device.get("taints"), MAX_TAINTS, devices.taint, child(path, "taints")))
    taken, at = device.get("consumesCounters"), child(path, "consumesCounters")
    found.extend(devices.distinct(taken, MAX_CONSUMPTIONS, _consumption, lambda one: one.get("counterSet", ""), at))
    return found + _device_places(device, each, path) + devices.binding_conditions(device, path)


def _attribute(attribute: Obj, path: str) -> Errors:
    present = [name for name in _VALUES if attribute.get(name) is not None]
    found: Errors = []
    for name in ("string", "version"):
        text, at = attribute.get(name), child(path, name)
        if text is None:
            continue
        if name == "version" and _VERSION.fullmatch(text) is None:
            found.append(invalid(at, text, "must be a string compatible with semver.org spec 2.0.0"))
        if size(text) > devices.MAX_VALUE:
            found.append(too_long(at, devices.MAX_VALUE))
    if len(present) != 1:
        found.append(invalid(path, attribute if present else "", "exactly one value must be specified"))
    return found


def _counters(name: str, holder: Obj, path: str) -> Errors:
    """A set of counters by its name, and the amounts in it."""
    text, at = holder.get(name, ""), child(path, "counters")
    found = dns_label(text, child(path, name)) if text else [required(child(path, name))]
    counters: dict[str, Any] = holder.get("counters") or {}
    if not counters:
        return [*found, required(at)]
    if len(counters) > MAX_COUNTERS:
        return [*found, too_many(at, len(counters), MAX_COUNTERS)]
    return found + _mapped(counters, dns_label, lambda counter, where: [], at)


_counter_set = partial(_counters, "name")
_consumption = partial(_counters, "counterSet")
