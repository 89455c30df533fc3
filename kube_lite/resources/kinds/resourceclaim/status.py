"""Rules of what is said of a claim: its allocation, who uses it, how its devices are."""

from __future__ import annotations

import ipaddress
from functools import partial

from kube_lite.resources import devices
from kube_lite.resources.conditions import validate_conditions
from kube_lite.resources.field import (
    IMMUTABLE,
    Errors,
    child,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from kube_lite.resources.kinds.pod.scheduling import validate_node_selector
from kube_lite.resources.kinds.pod.volumes import validate_driver_name
from kube_lite.resources.kinds.resourceclaim.spec import references, request_names, request_reference
from kube_lite.resources.meta import Obj
from kube_lite.resources.names import size
from kube_lite.resources.registry import prepare_status_alone
from kube_lite.resources.rules import dns_label

MAX_USERS = 256
MAX_DEVICE_CONDITIONS = 8
MAX_DATA = 10 * 1024
MAX_ADDRESSES = 16
MAX_INTERFACE, MAX_HARDWARE_ADDRESS = 256, 128
"""Bytes."""
_UNBOUNDED = 2**31


def _id(device: Obj) -> str:
    """A device, and which of its shares."""
    parts = [device.get(name, "") for name in ("driver", "pool", "device")]
    return "/".join([*parts, device["shareID"]] if device.get("shareID") else parts)


def _allocated(state: Obj) -> list[Obj]:
    results: list[Obj] = ((state.get("allocation") or {}).get("devices") or {}).get("results") or []
    return results


def prepare_status(new: Obj, old: Obj) -> None:
    """What is said of devices goes with their allocation, for writers that know nothing of it."""
    prepare_status_alone(new, old)
    state = new.get("status") or {}
    gone = {_id(one) for one in _allocated(old.get("status") or {})} - {_id(one) for one in _allocated(state)}
    if gone and state.get("devices"):
        state["devices"] = [device for device in state["devices"] if _id(device) not in gone]
        if not state["devices"]:
            del state["devices"]


def validate_status(new: Obj, old: Obj) -> Errors:
    """An allocation stays as it is until it goes; only what is allocated has users, and devices with a state."""
    state, was = new.get("status") or {}, old.get("status") or {}
    users, at = state.get("reservedFor") or [], "status.reservedFor"
    found = devices.distinct(users, MAX_USERS, _user, lambda user: user.get("uid", ""), at)
    rule = partial(_device, {_id(result) for result in _allocated(state)})
    found.extend(devices.distinct(state.get("devices"), _UNBOUNDED, rule, _id, "status.devices"))
    allocation, before = state.get("allocation"), was.get("allocation")
    if users and allocation is None:
        found.append(forbidden(at, "may not be specified when `allocated` is not set"))
    elif new["metadata"].get("deletionTimestamp") and any(u not in (was.get("reservedFor") or ()) for u in users):
        detail = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        found.append(forbidden(at, detail))
    if allocation is None:
        return found
    if before is not None:
        return found if allocation == before else [*found, invalid("status.allocation", allocation, IMMUTABLE)]
    return found + _allocation(allocation, request_names(new.get("spec") or {}), "status.allocation")


def _user(user: Obj, path: str) -> Errors:
    return [required(child(path, name)) for name in ("resource", "name", "uid") if not user.get(name)]


def _allocation(allocation: Obj, known: set[str], path: str) -> Errors:
    given, at = allocation.get("devices") or {}, child(path, "devices")
    most = devices.MAX_LISTED
    found = devices.each(given.get("results"), most, partial(_result, known), child(at, "results"))
    # The configurations of the class and of the claim.
    found.extend(devices.each(given.get("config"), 2 * most, partial(_config, known), child(at, "config")))
    if (selector := allocation.get("nodeSelector")) is not None:
        found.extend(validate_node_selector(selector, child(path, "nodeSelector")))
    return found


def _place(device: Obj, path: str) -> Errors:
    found = validate_driver_name(device.get("driver", ""), child(path, "driver"))
    found.extend(devices.pool_name(device.get("pool", ""), child(path, "pool")))
    return found + dns_label(device.get("device", ""), child(path, "device"))


def _share(device: Obj, path: str) -> Errors:
    share = device.get("shareID")
    return [] if share is None else devices.share_id(share, child(path, "shareID"))


def _result(known: set[str], result: Obj, path: str) -> Errors:
    found = request_reference(known, result.get("request", ""), child(path, "request")) + _place(result, path)
    return found + devices.binding_conditions(result, path) + _share(result, path)


def _config(known: set[str], config: Obj, path: str) -> Errors:
    source, at, choices = config.get("source", ""), child(path, "source"), ("FromClaim", "FromClass")
    found: Errors = [] if source else [required(at)]
    if source and source not in choices:
        found.append(not_supported(at, source, choices))
    found.extend(references(known, config.get("requests"), child(path, "requests")))
    return found + devices.configuration(config, path)


def _device(allocated: set[str], device: Obj, path: str) -> Errors:
    found = _place(device, path) + _share(device, path)
    if _id(device) not in allocated:
        found.append(invalid(path, _id(device), "must be an allocated device in the claim"))
    conditions, at = device.get("conditions") or [], child(path, "conditions")
    if len(conditions) > MAX_DEVICE_CONDITIONS:
        found.append(too_many(at, len(conditions), MAX_DEVICE_CONDITIONS))
    found.extend(validate_conditions(conditions, at))
    if (data := device.get("data")) is not None:
        found.extend(devices.raw_object(data, child(path, "data"), MAX_DATA))
    return found + _network(device.get("networkData") or {}, child(path, "networkData"))


def _network(data: Obj, path: str) -> Errors:
    found: Errors = []
    for name, limit in (("interfaceName", MAX_INTERFACE), ("hardwareAddress", MAX_HARDWARE_ADDRESS)):
        if size(data.get(name, "")) > limit:
            found.append(too_long(child(path, name), limit))
    return found + devices.distinct(data.get("ips"), MAX_ADDRESSES, _address, str, child(path, "ips"))


def _address(text: str, path: str) -> Errors:
    """An address with the length of its network, in the usual form."""
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        interface = None
    if interface is None or "/" not in text:
        detail = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"
        return [invalid(path, text, detail)]
    canonical = interface.with_prefixlen
    return [] if text == canonical else [invalid(path, text, f'must be in canonical form ("{canonical}")')]
