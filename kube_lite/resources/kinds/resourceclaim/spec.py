"""Rules of what a claim asks for: requests, constraints between them, configurations for them."""

from __future__ import annotations

from functools import partial

from kube_lite.resources import devices
from kube_lite.resources.field import Errors, child, index, invalid, not_supported, required
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import dns_label, dns_subdomain

MAX_ALTERNATIVES = 8
ONE_KIND = "exactly one of `exactly` or `firstAvailable` is required"
_NO_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"


def request_names(spec: Obj) -> set[str]:
    """Names by which requests, and their alternatives, can be referred to."""
    found: set[str] = set()
    for request in (spec.get("devices") or {}).get("requests") or ():
        name = request.get("name", "")
        found.add(name)
        found.update(f"{name}/{one.get('name', '')}" for one in request.get("firstAvailable") or ())
    return found


def request_reference(known: set[str], name: str, path: str) -> Errors:
    """A request of the claim, or one of its alternatives."""
    parts = name.split("/")
    if len(parts) > 2:
        return [invalid(path, name, _NO_REQUEST)]
    found = [problem for part in parts for problem in dns_label(part, path)]
    return found if name in known else [*found, invalid(path, name, _NO_REQUEST)]


def references(known: set[str], listed: list[str] | None, path: str) -> Errors:
    """Requests that something is for, each once."""
    return devices.distinct(listed, devices.MAX_LISTED, partial(request_reference, known), str, path)


def validate_claim_spec(spec: Obj, path: str) -> Errors:
    """The spec of a claim, of its own or in a template."""
    wanted, at, known = spec.get("devices") or {}, child(path, "devices"), request_names(spec)
    most = devices.MAX_LISTED
    found = devices.distinct(wanted.get("requests"), most, _request, _name, child(at, "requests"))
    constraint, config = partial(_constraint, known), partial(_config, known)
    found.extend(devices.each(wanted.get("constraints"), most, constraint, child(at, "constraints")))
    return found + devices.each(wanted.get("config"), most, config, child(at, "config"))


def _name(request: Obj) -> str:
    return str(request.get("name", ""))


def _request(request: Obj, path: str) -> Errors:
    found = dns_label(_name(request), child(path, "name"))
    exact, alternatives = request.get("exactly"), request.get("firstAvailable")
    if exact is not None and alternatives:
        found.append(invalid(path, None, f"{ONE_KIND}, but multiple fields are set"))
    elif alternatives:
        at = child(path, "firstAvailable")
        found.extend(devices.distinct(alternatives, MAX_ALTERNATIVES, _alternative, _name, at))
    elif exact is not None:
        found.extend(_device(exact, child(path, "exactly")))
    else:
        found.append(required(path, ONE_KIND))
    return found


def _alternative(request: Obj, path: str) -> Errors:
    return dns_label(_name(request), child(path, "name")) + _device(request, path)


def _device(request: Obj, path: str) -> Errors:
    """Which devices, and how many."""
    kind, at = request.get("deviceClassName", ""), child(path, "deviceClassName")
    found = dns_subdomain(kind, at) if kind else [required(at)]
    chosen = request.get("selectors")
    found.extend(devices.each(chosen, devices.MAX_LISTED, devices.selector, child(path, "selectors")))
    mode, count, at = request.get("allocationMode", ""), request.get("count", 0), child(path, "count")
    if mode == "All":
        found.extend([invalid(at, count, "must not be specified when allocationMode is 'All'")] if count else [])
    elif mode == "ExactCount":
        found.extend([invalid(at, count, "must be greater than zero")] if count <= 0 else [])
    else:
        found.append(not_supported(child(path, "allocationMode"), mode, ("All", "ExactCount")))
    for i, wish in enumerate(request.get("tolerations") or ()):
        found.extend(devices.toleration(wish, index(child(path, "tolerations"), i)))
    return found


def _constraint(known: set[str], constraint: Obj, path: str) -> Errors:
    found = references(known, constraint.get("requests"), child(path, "requests"))
    for name in ("matchAttribute", "distinctAttribute"):
        if (attribute := constraint.get(name)) is not None:
            return found + devices.full_attribute_name(attribute, child(path, name))
    detail = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
    return [*found, required(path, detail)]


def _config(known: set[str], config: Obj, path: str) -> Errors:
    found = references(known, config.get("requests"), child(path, "requests"))
    return found + devices.configuration(config, path)
