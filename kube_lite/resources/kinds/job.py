"""Jobs: pods that run to completion.

Defaults, labels and columns are those of servers before v1.21, which today's clients take too: what later ones
fill in (``completionMode: NonIndexed``, ``suspend: false``, ...) holds where nothing is said, and is kept when said.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kube_lite.resources.ages import age, between, since
from kube_lite.resources.field import (
    IMMUTABLE,
    Errors,
    child,
    forbidden,
    go_map,
    index,
    invalid,
    not_supported,
    required,
)
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.pod.defaults import default_pod_spec
from kube_lite.resources.kinds.pod.template import TEMPLATE_COLUMNS, template_cells, validate_template
from kube_lite.resources.kinds.replicaset import prepare_update
from kube_lite.resources.labelselector import go_selector, is_valid, validate_label_selector
from kube_lite.resources.meta import Obj, metadata, name_of, uid_of
from kube_lite.resources.names import label_value
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, TWICE, Cells, Column, Resource, status
from kube_lite.resources.rules import nonnegative
from kube_lite.resources.selectors import format_label_selector, matches

UID_LABEL = "controller-uid"
NAME_LABEL = "job-name"
DOMAIN = "batch.kubernetes.io/"
"""Stands before both labels since v1.27; the controller gives its pods these names too."""
MAX_BACKOFF = 2**31 - 1
_RESTARTS = 'valid values: "OnFailure", "Never"'


def default_job_template(spec: Obj) -> None:
    """A job's pod template. Jobs have no restart policy by default: leaving it out is an error."""
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    pod = template.setdefault("spec", {})
    default_pod_spec(pod)


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
        spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", MAX_BACKOFF if spec.get("backoffLimitPerIndex") is not None else 6)
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern.setdefault("status", "True")
    default_job_template(spec)
    labels = spec["template"]["metadata"].get("labels")
    if labels and not metadata(obj).get("labels"):
        metadata(obj)["labels"] = dict(labels)


def _prepare_create(obj: Obj) -> None:
    """Unless told otherwise, pods are told apart by the job's uid."""
    obj["status"] = {}
    spec = obj["spec"]
    if not spec.get("manualSelector"):
        labels = spec["template"]["metadata"].setdefault("labels", {})
        # A job that took its labels from the template takes the generated ones too, but only after they were checked.
        follows = (metadata(obj).get("labels") or {}) == labels and not label_value(name_of(obj))
        uid, name = uid_of(obj), name_of(obj)
        labels.setdefault(UID_LABEL, uid)
        labels.setdefault(NAME_LABEL, name)
        spec.setdefault("selector", {}).setdefault("matchLabels", {}).setdefault(UID_LABEL, uid)
        if follows:
            metadata(obj)["labels"] = dict(labels)


def _generated_selector(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    if spec.get("manualSelector") or spec.get("selector") is None:
        return []
    uid = uid_of(obj)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    found: Errors = []
    at = "spec.template.metadata.labels"
    expected = {UID_LABEL: uid, NAME_LABEL: name_of(obj)}
    for name, value in expected.items():
        if labels.get(name) != value:
            detail = f"must be '{value}'"
            where = f"{at}[{name}]"
            found.append(invalid(where, go_map(labels), detail) if name in labels else required(where, detail))
    # Jobs of v1.27 and later are told apart by the prefixed label.
    prefixed = {DOMAIN + name: value for name, value in expected.items()}
    selector = spec["selector"]
    if is_valid(selector) and not matches(selector, expected | prefixed):
        found.append(invalid("spec.selector", go_selector(selector), "`selector` not auto-generated"))
    return found


_FAILURE_ACTIONS = frozenset({"Count", "FailIndex", "FailJob", "Ignore"})


def _failure_policy(policy: Obj, path: str) -> Errors:
    found: Errors = []
    for i, rule in enumerate(policy.get("rules") or ()):
        at = index(child(path, "rules"), i)
        action = rule.get("action", "")
        if not action:
            found.append(required(child(at, "action"), 'valid values: "Count", "FailIndex", "FailJob", "Ignore"'))
        elif action not in _FAILURE_ACTIONS:
            found.append(not_supported(child(at, "action"), action, _FAILURE_ACTIONS))
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
        if codes is not None and conditions:
            found.append(invalid(at, rule, "specifying both OnExitCodes and OnPodConditions is not supported"))
        elif codes is None and not conditions:
            found.append(invalid(at, rule, "specifying one of OnExitCodes and OnPodConditions is required"))
        if codes is not None:
            where = child(at, "onExitCodes")
            if codes.get("operator") not in ("In", "NotIn"):
                found.append(not_supported(child(where, "operator"), codes.get("operator", ""), ("In", "NotIn")))
            values = codes.get("values") or []
            if not values:
                found.append(invalid(child(where, "values"), values, "at least one value is required"))
            if codes.get("operator") == "In" and 0 in values:
                detail = "must not be 0 for the In operator"
                found.append(invalid(index(child(where, "values"), values.index(0)), 0, detail))
    return found


def _restart_policy(policy: str, path: str) -> Errors:
    if policy in ("OnFailure", "Never"):
        return []
    # Always, which is also the default, counts as not given.
    if policy in ("", "Always"):
        return [required(path, _RESTARTS)]
    return [not_supported(path, policy, ("OnFailure", "Never"))]


def validate_job_spec(spec: Obj, path: str) -> Errors:
    """A job's spec, of a Job or inside a CronJob."""
    found: Errors = []
    for name in (
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ):
        found.extend(nonnegative(spec.get(name), child(path, name)))
    mode = spec.get("completionMode")
    if mode is not None and mode not in ("Indexed", "NonIndexed"):
        found.append(not_supported(child(path, "completionMode"), mode, ("Indexed", "NonIndexed")))
    if mode == "Indexed" and spec.get("completions") is None:
        found.append(required(child(path, "completions"), "when completion mode is Indexed"))
    if mode != "Indexed":
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(name) is not None:
                found.append(invalid(child(path, name), spec[name], "requires indexed completion mode"))
    if (policy := spec.get("podFailurePolicy")) is not None:
        found.extend(_failure_policy(policy, child(path, "podFailurePolicy")))
    replacement = spec.get("podReplacementPolicy")
    if replacement is not None and replacement not in ("Failed", "TerminatingOrFailed"):
        at, choices = child(path, "podReplacementPolicy"), ("Failed", "TerminatingOrFailed")
        found.append(not_supported(at, replacement, choices))
    template = spec.get("template") or {}
    at = child(path, "template")
    found.extend(validate_template(template, at))
    restart = (template.get("spec") or {}).get("restartPolicy", "")
    where = child(child(at, "spec"), "restartPolicy")
    found.extend(_restart_policy(restart, where))
    if policy is not None and restart == "OnFailure":
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        found.append(invalid(where, restart, detail))
    return found


def _validate(obj: Obj) -> Errors:
    return _generated_selector(obj) + _validate_spec(obj.get("spec") or {})


def _validate_spec(spec: Obj) -> Errors:
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
_SCHEDULING = ("nodeSelector", "affinity", "tolerations", "schedulingGates")


def _may_change_template(old: Obj) -> bool:
    """Scheduling directives of a job may change while it is suspended and has never started."""
    return bool((old.get("spec") or {}).get("suspend")) and not (old.get("status") or {}).get("startTime")


def _without_scheduling(template: Obj) -> dict[str, Any]:
    spec = {k: v for k, v in (template.get("spec") or {}).items() if k not in _SCHEDULING}
    return {"spec": spec}


def _validate_update(new: Obj, old: Obj) -> Errors:
    after, before = new.get("spec") or {}, old.get("spec") or {}
    found = _validate_spec(after)
    indexed = after.get("completionMode") == "Indexed" and after.get("completions") == after.get("parallelism")
    if after.get("completions") != before.get("completions") and not indexed:
        found.append(invalid("spec.completions", after.get("completions"), IMMUTABLE))
    if after.get("selector") != before.get("selector"):
        found.append(invalid("spec.selector", go_selector(after.get("selector")), IMMUTABLE))
    template, was = after.get("template") or {}, before.get("template") or {}
    same = template == was
    if not same and _may_change_template(old):
        same = _without_scheduling(template) == _without_scheduling(was)
    if not same:
        found.append(invalid("spec.template", go_value("core.PodTemplateSpec", template), IMMUTABLE))
    for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        if (after.get(name) or _UNSAID.get(name)) != (before.get(name) or _UNSAID.get(name)):
            found.append(invalid(f"spec.{name}", after.get(name), IMMUTABLE))
    return found


def _validate_status(new: Obj, old: Obj) -> Errors:
    state = new.get("status") or {}
    found: Errors = []
    for name in ("active", "succeeded", "failed", "ready"):
        found.extend(nonnegative(state.get(name), f"status.{name}"))
    done = {c.get("type") for c in state.get("conditions") or () if c.get("status") == "True"}
    if {"Complete", "Failed"} <= done:
        found.append(
            invalid("status.conditions", state.get("conditions"), "cannot set Complete=True and Failed=true conditions")
        )
    if (old.get("status") or {}).get("completionTime") and not state.get("completionTime"):
        found.append(forbidden("status.completionTime", "field is immutable once set"))
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    succeeded = state.get("succeeded", 0)
    if spec.get("completions") is not None:
        completions = f"{succeeded}/{spec['completions']}"
    else:
        parallel = spec.get("parallelism", 0)
        completions = f"{succeeded}/1 of {parallel}" if parallel > 1 else f"{succeeded}/1"
    started, ended = state.get("startTime"), state.get("completionTime")
    duration = "" if not started else between(started, ended) if ended else since(started, now)
    return [
        name_of(obj),
        completions,
        duration,
        age(obj, now),
        *template_cells(spec),
        format_label_selector(spec.get("selector")),
    ]


RESOURCES = (
    Resource(
        kind="Job",
        update_checks=TWICE,
        plural="jobs",
        group="batch",
        definition="io.k8s.api.batch.v1.Job",
        categories=("all",),
        subresources={"status": status(validate=_validate_status)},
        generation=False,
        default_propagation="Orphan",
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=prepare_update,
        validate=_validate,
        validate_update=_validate_update,
        columns=(
            NAME_COLUMN,
            Column("Completions"),
            Column("Duration"),
            AGE_COLUMN,
            *TEMPLATE_COLUMNS,
            Column("Selector", priority=1),
        ),
        row=_row,
        selectable=lambda obj: {"status.successful": str((obj.get("status") or {}).get("succeeded", 0))},
        selectable_names=("status.successful",),
    ),
)
