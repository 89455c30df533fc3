"""Validation of a container's life: hooks, probes, when it is started again, and what a resize does to it."""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.field import (
    Errors,
    child,
    duplicate,
    forbidden,
    index,
    invalid,
    not_supported,
    required,
    too_many,
)
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import nonnegative, port_number_or_name

MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
RESTART_POLICIES = ("Always", "OnFailure", "Never")
MAX_RESTART_RULES, MAX_EXIT_CODES = 20, 255
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_ONE_HANDLER = "may not specify more than 1 handler type"
_RESIZED = ("cpu", "memory")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_RESTART_ACTIONS = ("Restart", "RestartAllContainers")


def _http_get(action: Obj, path: str) -> Errors:
    found: Errors = []
    if not action.get("path"):
        found.append(required(child(path, "path")))
    found.extend(port_number_or_name(action.get("port", 0), child(path, "port")))
    if action.get("scheme") not in ("HTTP", "HTTPS"):
        found.append(not_supported(child(path, "scheme"), action.get("scheme", ""), ("HTTP", "HTTPS")))
    for header in action.get("httpHeaders") or ():
        name = header.get("name", "")
        found.extend(invalid(child(path, "httpHeaders"), name, p) for p in names.http_header_name(name))
    return found


def _handler(handler: Obj, path: str, grace_period: int) -> Errors:
    found: Errors = []
    given = [name for name in _HANDLERS if handler.get(name) is not None]
    for name in given[1:]:
        found.append(forbidden(child(path, name), _ONE_HANDLER))
    if not given:
        return [required(path, "must specify a handler type")]
    name, action = given[0], handler[given[0]]
    at = child(path, name)
    if name == "exec":
        if not action.get("command"):
            found.insert(0, required(child(at, "command")))
    elif name == "httpGet":
        found[:0] = _http_get(action, at)
    elif name == "sleep":
        if not 0 <= action.get("seconds", 0) <= grace_period:
            detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_period})"
            found.insert(0, invalid(at, action.get("seconds", 0), detail))
    else:
        found[:0] = port_number_or_name(action.get("port", 0), child(at, "port"))
    return found


_PROBE_FIELDS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def _probe(probe: Obj, path: str, kind: str, grace_period: int) -> Errors:
    found = _handler(probe, path, grace_period)
    for name in _PROBE_FIELDS:
        value = probe.get(name, 0)
        if value < 0:
            found.extend(nonnegative(value, child(path, name)))
    grace = probe.get("terminationGracePeriodSeconds")
    at = child(path, "terminationGracePeriodSeconds")
    if grace is not None:
        if grace <= 0:
            found.append(invalid(at, grace, "must be greater than 0"))
        if kind == "readinessProbe":
            found.append(invalid(at, grace, "must not be set for readinessProbes"))
    if kind != "readinessProbe" and probe.get("successThreshold") != 1:
        found.append(invalid(child(path, "successThreshold"), probe.get("successThreshold", 0), "must be 1"))
    return found


def validate_life(container: Obj, path: str, grace_period: int) -> Errors:
    """Hooks, probes and the way a container's last words are found, in upstream's order."""
    found: Errors = []
    if lifecycle := container.get("lifecycle"):
        at = child(path, "lifecycle")
        for name in ("postStart", "preStop"):
            if (handler := lifecycle.get(name)) is not None:
                found.extend(_handler(handler, child(at, name), grace_period))
    for kind in ("livenessProbe", "startupProbe"):
        if (probe := container.get(kind)) is not None:
            found.extend(_probe(probe, child(path, kind), kind, grace_period))
    policy = container.get("terminationMessagePolicy", "")
    if policy not in MESSAGE_POLICIES:
        at = child(path, "terminationMessagePolicy")
        detail = "must be 'File' or 'FallbackToLogsOnError'"
        found.append(invalid(at, policy, detail) if policy else required(at, detail))
    if (probe := container.get("readinessProbe")) is not None:
        found.extend(_probe(probe, child(path, "readinessProbe"), "readinessProbe", grace_period))
    return found


def validate_resize_policy(policies: list[Obj], path: str, restart_policy: str) -> Errors:
    """What a change of resources does to the container; upstream names the list, not the entry, for most of it."""
    found: Errors = []
    seen: set[str] = set()
    for i, policy in enumerate(policies):
        name, restart = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            found.append(duplicate(index(path, i), name))
        seen.add(name)
        for value, choices in ((name, _RESIZED), (restart, _RESIZE_POLICIES)):
            if value not in choices:
                found.append(not_supported(path, value, choices) if value else required(path))
        if restart_policy == "Never" and restart != "NotRequired":
            found.append(invalid(path, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'"))
    return found


def validate_restarts(container: Obj, path: str) -> Errors:
    """When a container is started again by itself, whatever holds for its pod."""
    found: Errors = []
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    at = child(path, "restartPolicy")
    if policy is None:
        if rules:
            found.append(required(at, "must specify restartPolicy when restart rules are used"))
    elif policy not in RESTART_POLICIES:
        found.append(not_supported(at, policy, frozenset(RESTART_POLICIES)))
    at = child(path, "restartPolicyRules")
    if len(rules) > MAX_RESTART_RULES:
        found.append(too_many(at, len(rules), MAX_RESTART_RULES))
    for i, rule in enumerate(rules):
        where = index(at, i)
        if rule.get("action") not in _RESTART_ACTIONS:
            found.append(not_supported(child(where, "action"), rule.get("action", ""), _RESTART_ACTIONS))
        if (codes := rule.get("exitCodes")) is None:
            found.append(required(child(where, "exitCodes"), "must be specified"))
            continue
        where = child(where, "exitCodes")
        if codes.get("operator") not in ("In", "NotIn"):
            found.append(not_supported(child(where, "operator"), codes.get("operator", ""), ("In", "NotIn")))
        if len(values := codes.get("values") or ()) > MAX_EXIT_CODES:
            found.append(too_many(child(where, "values"), len(values), MAX_EXIT_CODES))
    return found
