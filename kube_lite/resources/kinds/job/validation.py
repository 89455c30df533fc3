"""Rules of a Job's spec: of a Job by itself, in a CronJob, and when it changes."""

from __future__ import annotations

from typing import Any

from kube_lite.resources.field import (
    IMMUTABLE,
    Errors,
    child,
    go_map,
    invalid,
    not_supported,
    required,
    too_long,
)
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.job.policies import (
    validate_failure_policy,
    validate_replacement_policy,
    validate_success_policy,
)
from kube_lite.resources.kinds.pod.template import validate_template
from kube_lite.resources.labelselector import go_selector, is_valid, validate_label_selector
from kube_lite.resources.meta import Obj
from kube_lite.resources.names import size
from kube_lite.resources.rules import domain_prefixed_path, nonnegative
from kube_lite.resources.selectors import matches

MAX_INDEXED_PARALLELISM = 100_000
MAX_FAILED_INDEXES = 100_000
MANY_COMPLETIONS = 100_000
"""Above these an Indexed Job with a limit for each index may run and fail less at a time."""
MAX_PARALLELISM_OF_MANY = 10_000
MAX_FAILED_INDEXES_OF_MANY = 10_000
MAX_MANAGER = 63
"""Bytes of ``managedBy``."""
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_RESTARTS = 'valid values: "OnFailure", "Never"'


def validate_job_spec(spec: Obj, path: str) -> Errors:
    """A job's spec, of a Job or inside a CronJob."""
    found: Errors = []
    for name in _COUNTS:
        found.extend(nonnegative(spec.get(name), child(path, name)))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        found.append(required(child(path, "backoffLimitPerIndex"), "when maxFailedIndexes is specified"))
    if (manager := spec.get("managedBy")) is not None:
        found.extend(domain_prefixed_path(manager, child(path, "managedBy")))
        if size(manager) > MAX_MANAGER:
            found.append(too_long(child(path, "managedBy"), MAX_MANAGER))
    found.extend(_completion_mode(spec, path))
    if spec.get("podFailurePolicy") is not None:
        found.extend(validate_failure_policy(spec, child(path, "podFailurePolicy")))
    if spec.get("successPolicy") is not None:
        found.extend(validate_success_policy(spec, child(path, "successPolicy")))
    found.extend(validate_replacement_policy(spec, child(path, "podReplacementPolicy")))
    found.extend(validate_template(spec.get("template") or {}, child(path, "template")))
    return found + _restart_policy(spec, f"{path}.template.spec.restartPolicy")


def _completion_mode(spec: Obj, path: str) -> Errors:
    mode = spec.get("completionMode")
    if mode is not None and mode not in ("Indexed", "NonIndexed"):
        return [not_supported(child(path, "completionMode"), mode, ("NonIndexed", "Indexed"))]
    if mode == "Indexed":
        return _indexed(spec, path)
    return [
        invalid(child(path, name), spec[name], "requires indexed completion mode")
        for name in ("backoffLimitPerIndex", "maxFailedIndexes")
        if spec.get(name) is not None
    ]


def _indexed(spec: Obj, path: str) -> Errors:
    completions, parallel = spec.get("completions"), spec.get("parallelism", 0)
    failed, at, most = spec.get("maxFailedIndexes"), child(path, "maxFailedIndexes"), "must be less than or equal to"
    found: Errors = []
    if completions is None:
        found.append(required(child(path, "completions"), "when completion mode is Indexed"))
    if parallel > MAX_INDEXED_PARALLELISM:
        detail = f"{most} {MAX_INDEXED_PARALLELISM} when completion mode is Indexed"
        found.append(invalid(child(path, "parallelism"), parallel, detail))
    if completions is not None and failed is not None and failed > completions:
        found.append(invalid(at, failed, f"{most} completions"))
    if failed is not None and failed > MAX_FAILED_INDEXES:
        found.append(invalid(at, failed, f"{most} {MAX_FAILED_INDEXES}"))
    if (completions or 0) > MANY_COMPLETIONS and spec.get("backoffLimitPerIndex") is not None:
        when = f"when completions are above {MANY_COMPLETIONS} and used with backoff limit per index"
        if failed is None:
            found.append(required(at, f"must be specified when completions is above {MANY_COMPLETIONS}"))
        if parallel > MAX_PARALLELISM_OF_MANY:
            detail = f"{most} {MAX_PARALLELISM_OF_MANY} {when}"
            found.append(invalid(child(path, "parallelism"), parallel, detail))
        if failed is not None and failed > MAX_FAILED_INDEXES_OF_MANY:
            found.append(invalid(at, failed, f"{most} {MAX_FAILED_INDEXES_OF_MANY} {when}"))
    return found


def _restart_policy(spec: Obj, path: str) -> Errors:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy", "")
    # Always, which is also the default, counts as not given.
    if policy in ("", "Always"):
        return [required(path, _RESTARTS)]
    if policy not in ("OnFailure", "Never"):
        return [not_supported(path, policy, ("OnFailure", "Never"))]
    if policy != "Never" and spec.get("podFailurePolicy") is not None:
        return [invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    return []


def validate_selected_job_spec(spec: Obj) -> Errors:
    """The spec of a Job with its selector, which the labels of its template must match."""
    found = validate_job_spec(spec, "spec")
    selector = spec.get("selector")
    if selector is None:
        found.append(required("spec.selector"))
    else:
        found.extend(validate_label_selector(selector, "spec.selector"))
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if selector is None or (is_valid(selector) and not matches(selector, labels or {})):
        detail = "`selector` does not match template `labels`"
        found.append(invalid("spec.template.metadata.labels", go_map(labels), detail))
    return found


_UNSAID = {"completionMode": "NonIndexed"}
"""What counts where nothing is said."""
_SCHEDULING = ("nodeSelector", "tolerations", "schedulingGates")


def _may_change_template(old: Obj) -> bool:
    """Whether a job is suspended and none of its pods runs: then they may be placed and sized otherwise."""
    state = old.get("status") or {}
    if not (old.get("spec") or {}).get("suspend") or state.get("active"):
        return False
    marked = any(c.get("type") == "Suspended" and c.get("status") == "True" for c in state.get("conditions") or ())
    return marked or not state.get("startTime")


def _fixed_part(template: Obj) -> dict[str, Any]:
    """What of a template stays all the same: all but metadata, placement and resources."""
    spec = {name: value for name, value in (template.get("spec") or {}).items() if name not in _SCHEDULING}
    affinity = {name: value for name, value in (spec.pop("affinity", None) or {}).items() if name != "nodeAffinity"}
    for kind in ("containers", "initContainers"):
        if kind in spec:
            spec[kind] = [{**c, "resources": _claims(c)} for c in spec[kind]]
    return {**spec, "affinity": affinity}


def _claims(container: Obj) -> Any:
    """Devices that a container takes from claims: unlike its requests and limits they stay."""
    return (container.get("resources") or {}).get("claims") or []


def validate_spec_update(new: Obj, old: Obj) -> Errors:
    """What may change in a Job: how many run and fail, and the template while nothing runs."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    found = validate_selected_job_spec(after) + _completions(after, before)
    if after.get("selector") != before.get("selector"):
        found.append(invalid("spec.selector", go_selector(after.get("selector")), IMMUTABLE))
    template, was = after.get("template") or {}, before.get("template") or {}
    same = template == was
    if not same and _may_change_template(old):
        same = _fixed_part(template) == _fixed_part(was)
    if not same:
        found.append(invalid("spec.template", go_value("core.PodTemplateSpec", template), IMMUTABLE))
    for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        if after.get(name, _UNSAID.get(name)) != before.get(name, _UNSAID.get(name)):
            found.append(invalid(f"spec.{name}", after.get(name), IMMUTABLE))
    return found


def _completions(after: Obj, before: Obj) -> Errors:
    """An Indexed Job is scaled by its completions and its parallelism together."""
    now = after.get("completions")
    if now == before.get("completions"):
        return []
    if after.get("completionMode") != "Indexed":
        return [invalid("spec.completions", now, IMMUTABLE)]
    if now is None or now == after.get("parallelism"):
        return []
    return [invalid("spec.completions", now, "can only be modified in tandem with spec.parallelism")]
