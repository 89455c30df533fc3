"""CronJobs: jobs on a schedule."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kube_lite.resources import cron, names
from kube_lite.resources.ages import age, since
from kube_lite.resources.field import Errors, invalid, not_supported, required
from kube_lite.resources.kinds.job import default_job_template, validate_job_spec
from kube_lite.resources.kinds.pod.template import TEMPLATE_COLUMNS, template_cells
from kube_lite.resources.kinds.pod.template_warnings import changed_template_warnings, name_warnings
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.labelselector import go_selector
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, status
from kube_lite.resources.rules import nonnegative
from kube_lite.resources.selectors import format_label_selector

NAME_LENGTH = 52
"""A job's name adds 11 characters, and must still fit a label."""
POLICIES = frozenset({"Allow", "Forbid", "Replace"})


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("concurrencyPolicy"):
        spec["concurrencyPolicy"] = "Allow"
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    template = spec.setdefault("jobTemplate", {})
    template.setdefault("metadata", {})
    default_job_template(template.setdefault("spec", {}))


def _time_zone(zone: str | None) -> Errors:
    at = "spec.timeZone"
    if zone is None:
        return []
    if not zone:
        return [invalid(at, zone, "timeZone must be nil or non-empty string")]
    if zone.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        return [invalid(at, zone, detail)]
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return [invalid(at, zone, f"unknown time zone {zone}")]
    return []


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    schedule = spec.get("schedule", "")
    if not schedule:
        found.append(required("spec.schedule"))
    else:
        try:
            cron.parse(schedule)
        except ValueError as error:
            found.append(invalid("spec.schedule", schedule, str(error)))
        if "TZ" in schedule:
            detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            found.append(invalid("spec.schedule", schedule, detail))
    found.extend(nonnegative(spec.get("startingDeadlineSeconds"), "spec.startingDeadlineSeconds"))
    found.extend(_time_zone(spec.get("timeZone")))
    policy = spec.get("concurrencyPolicy", "")
    if not policy:
        found.append(required("spec.concurrencyPolicy"))
    elif policy not in POLICIES:
        found.append(not_supported("spec.concurrencyPolicy", policy, POLICIES))
    template = spec.get("jobTemplate") or {}
    job = template.get("spec") or {}
    found.extend(validate_job_spec(job, "spec.jobTemplate.spec"))
    if (selector := job.get("selector")) is not None:
        at, detail = "spec.jobTemplate.spec.selector", "`selector` will be auto-generated"
        found.append(invalid(at, go_selector(selector), detail))
    if job.get("manualSelector"):
        found.append(not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false")))
    for name in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        found.extend(nonnegative(spec.get(name), f"spec.{name}"))
    name = name_of(obj)
    if len(name) > NAME_LENGTH:
        found.append(invalid("metadata.name", name, names.max_length(NAME_LENGTH)))
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    last = state.get("lastScheduleTime")
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    return [
        name_of(obj),
        spec.get("schedule", ""),
        spec.get("timeZone") or "<none>",
        "True" if spec.get("suspend") else "False",
        len(state.get("active") or ()),
        since(last, now) if last else "<none>",
        age(obj, now),
        *template_cells(job),
        format_label_selector(job.get("selector")),
    ]


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    found = name_warnings(new) if old is None else []
    found += changed_template_warnings(new, old, "spec.jobTemplate.spec.template")
    if old is not None and "TZ" in ((new.get("spec") or {}).get("schedule") or ""):
        where = "see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
        found.append(f"cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, {where}")
    return found


RESOURCES = (
    Resource(
        kind="CronJob",
        plural="cronjobs",
        group="batch",
        definition="io.k8s.api.batch.v1.CronJob",
        generation=False,
        short_names=("cj",),
        categories=("all",),
        subresources={"status": status()},
        default=_default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        warnings=_warnings,
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
        columns=(
            NAME_COLUMN,
            Column("Schedule"),
            Column("Timezone"),
            Column("Suspend", type="boolean"),
            Column("Active", type="integer"),
            Column("Last Schedule"),
            AGE_COLUMN,
            *TEMPLATE_COLUMNS,
            Column("Selector", priority=1),
        ),
        row=_row,
    ),
)
