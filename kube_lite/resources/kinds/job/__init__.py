"""Jobs: pods that run to completion.

Defaults, labels and columns are those of servers before v1.21, which today's clients take too: what later ones
fill in (``completionMode: NonIndexed``, ``suspend: false``, ...) holds where nothing is said, and is kept when said.
"""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age, between, since
from kube_lite.resources.field import Errors, go_map, invalid, required
from kube_lite.resources.kinds.job.status import validate_status
from kube_lite.resources.kinds.job.validation import validate_selected_job_spec, validate_spec_update
from kube_lite.resources.kinds.pod.defaults import default_pod_spec
from kube_lite.resources.kinds.pod.template import TEMPLATE_COLUMNS, template_cells
from kube_lite.resources.kinds.pod.template_warnings import changed_template_warnings, name_warnings
from kube_lite.resources.kinds.replicaset import prepare_update
from kube_lite.resources.labelselector import go_selector, is_valid
from kube_lite.resources.meta import Obj, metadata, name_of, uid_of
from kube_lite.resources.names import dns_label, label_value
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, TWICE, Cells, Column, Resource, status
from kube_lite.resources.selectors import format_label_selector, matches

UID_LABEL = "controller-uid"
NAME_LABEL = "job-name"
SOFT_LIMITS = 100_000, 10_000
"""Completions and parallelism that together are too many for an Indexed Job."""
DOMAIN = "batch.kubernetes.io/"
"""Stands before both labels since v1.27; the controller gives its pods these names too."""
MAX_BACKOFF = 2**31 - 1


def default_job_template(spec: Obj) -> None:
    """What Jobs and CronJobs have alike. Pods have no restart policy by default: leaving it out is an error."""
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern.setdefault("status", "True")
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


def _validate(obj: Obj) -> Errors:
    return _generated_selector(obj) + validate_selected_job_spec(obj.get("spec") or {}) + _pod_names(obj)


def _pod_names(obj: Obj) -> Errors:
    """The last pod of an Indexed Job has the longest host name."""
    spec, name = obj.get("spec") or {}, name_of(obj)
    completions = spec.get("completions") or 0
    if spec.get("completionMode") != "Indexed" or completions <= 0:
        return []
    last = f"{name}-{completions - 1}"
    detail = f"will not able to create pod with invalid DNS label: {last}"
    return [invalid("metadata.name", name, detail)] if dns_label(last) else []


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


def job_spec_warnings(spec: Obj, path: str) -> list[str]:
    """Of more indexes than there is room to say which of them are done."""
    many = spec.get("completions", 0) > SOFT_LIMITS[0] and spec.get("parallelism", 0) > SOFT_LIMITS[1]
    if spec.get("completionMode") != "Indexed" or not many:
        return []
    counts = "a number of completions higher than 10^5 and a parallelism higher than 10^4"
    trouble = "Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
    return [f"{path}: In Indexed Jobs with {counts}, {trouble}"]


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    found = name_warnings(new) if old is None else []
    if old is None or new.get("spec") != old.get("spec"):
        found += job_spec_warnings(new.get("spec") or {}, "spec")
    return found + changed_template_warnings(new, old, "spec.template")


RESOURCES = (
    Resource(
        kind="Job",
        warnings=_warnings,
        update_checks=TWICE,
        plural="jobs",
        group="batch",
        definition="io.k8s.api.batch.v1.Job",
        categories=("all",),
        subresources={"status": status(validate=validate_status)},
        generation=False,
        default_propagation="Orphan",
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=prepare_update,
        validate=_validate,
        validate_update=validate_spec_update,
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
