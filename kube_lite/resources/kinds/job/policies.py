"""Rules of the policies by which a Job fails, succeeds and replaces its pods."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kube_lite.resources.field import (
    Errors,
    child,
    duplicate,
    index,
    invalid,
    invalid_alone,
    not_supported,
    required,
    show,
    too_long,
    too_many,
)
from kube_lite.resources.kinds.job.indexes import BadIndexes, count
from kube_lite.resources.meta import Obj
from kube_lite.resources.names import size
from kube_lite.resources.rules import nonnegative, qualified_name

MAX_RULES = 20
MAX_EXIT_CODES = 255
MAX_CONDITIONS = 20
MAX_INDEXES_SIZE = 64 * 1024
"""Characters of ``succeededIndexes``."""
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")


def _choice(value: str, choices: Sequence[str], path: str) -> Errors:
    if not value:
        return [required(path, f"valid values: [{' '.join(show(choice) for choice in choices)}]")]
    return [] if value in choices else [not_supported(path, value, choices)]


def _exit_codes(codes: Obj, containers: Collection[str], path: str) -> Errors:
    operator = codes.get("operator", "")
    found = _choice(operator, _OPERATORS, child(path, "operator"))
    if (name := codes.get("containerName")) is not None and name not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        found.append(invalid(child(path, "containerName"), name, detail))
    at, values = child(path, "values"), codes.get("values")
    if not values:
        found.append(invalid(at, values, "at least one value is required"))
        return found
    if len(values) > MAX_EXIT_CODES:
        found.append(too_many(at, len(values), MAX_EXIT_CODES))
    for i, code in enumerate(values):
        if operator == "In" and code == 0:
            found.append(invalid(index(at, i), 0, "must not be 0 for the In operator"))
        if code in values[:i]:
            found.append(duplicate(index(at, i), code))
    if values != sorted(values):
        found.append(invalid(at, values, "must be ordered"))
    return found


def _conditions(patterns: list[Obj], path: str) -> Errors:
    found: Errors = []
    if len(patterns) > MAX_CONDITIONS:
        found.append(too_many(path, len(patterns), MAX_CONDITIONS))
    for i, pattern in enumerate(patterns):
        at = index(path, i)
        found.extend(qualified_name(pattern.get("type", ""), child(at, "type")))
        found.extend(_choice(pattern.get("status", ""), _STATUSES, child(at, "status")))
    return found


def validate_failure_policy(spec: Obj, path: str) -> Errors:
    """Rules that tell by exit codes or conditions what the failure of a pod means."""
    rules, at = spec["podFailurePolicy"].get("rules") or [], child(path, "rules")
    found: Errors = []
    if len(rules) > MAX_RULES:
        found.append(too_many(at, len(rules), MAX_RULES))
    pod = (spec.get("template") or {}).get("spec") or {}
    names = {c.get("name", "") for kind in ("containers", "initContainers") for c in pod.get(kind) or ()}
    for i, rule in enumerate(rules):
        found.extend(_failure_rule(spec, rule, names, index(at, i)))
    return found


def _failure_rule(spec: Obj, rule: Obj, containers: Collection[str], path: str) -> Errors:
    action, codes, conditions = rule.get("action", ""), rule.get("onExitCodes"), rule.get("onPodConditions")
    found = _choice(action, _ACTIONS, child(path, "action"))
    if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        found.append(invalid(child(path, "action"), action, "requires the backoffLimitPerIndex to be set"))
    if codes is not None:
        found.extend(_exit_codes(codes, containers, child(path, "onExitCodes")))
    if conditions:
        found.extend(_conditions(conditions, child(path, "onPodConditions")))
    if codes is not None and conditions:
        found.append(invalid_alone(path, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not conditions:
        found.append(invalid_alone(path, "specifying one of OnExitCodes and OnPodConditions is required"))
    return found


def validate_success_policy(spec: Obj, path: str) -> Errors:
    """Rules of which one is enough for an Indexed Job to have succeeded."""
    policy = spec["successPolicy"]
    if spec.get("completionMode") != "Indexed":
        return [invalid(path, policy, "requires indexed completion mode")]
    rules, at = policy.get("rules") or [], child(path, "rules")
    found: Errors = []
    if not rules:
        found.append(required(at, "at least one rules must be specified when the successPolicy is specified"))
    if len(rules) > MAX_RULES:
        found.append(too_many(at, len(rules), MAX_RULES))
    if (completions := spec.get("completions")) is not None:
        for i, rule in enumerate(rules):
            found.extend(_success_rule(rule, completions, index(at, i)))
    return found


def _success_rule(rule: Obj, completions: int, path: str) -> Errors:
    enough, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if enough is None and indexes is None:
        return [required(path, "at least one of succeededCount or succeededIndexes must be specified")]
    found: Errors = []
    total = 0
    if indexes is not None:
        at = child(path, "succeededIndexes")
        if size(indexes) > MAX_INDEXES_SIZE:
            found.append(too_long(at, MAX_INDEXES_SIZE))
        try:
            total = count(indexes, completions)
        except BadIndexes as error:
            found.append(invalid(at, indexes, f"error parsing succeededIndexes: {error}"))
    if enough is not None:
        at = child(path, "succeededCount")
        found.extend(nonnegative(enough, at))
        if enough > completions:
            detail = f"must be less than or equal to {completions} (the number of specified completions)"
            found.append(invalid(at, enough, detail))
        if indexes is not None and enough > total:
            which = "the number of indexes in the specified succeededIndexes field"
            found.append(invalid(at, enough, f"must be less than or equal to {total} ({which})"))
    return found


def validate_replacement_policy(spec: Obj, path: str) -> Errors:
    """When a pod is replaced; only once it has failed where a policy looks at failures."""
    policy = spec.get("podReplacementPolicy")
    choices = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    return [] if policy is None or policy in choices else [not_supported(path, policy, choices)]
