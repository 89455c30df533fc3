"""DaemonSets: a pod on every node."""

from __future__ import annotations

import re
from datetime import datetime

from kube_lite.errors import BadRequest
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, go_int_or_string, invalid, not_supported, required, show
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.pod.template import (
    TEMPLATE_COLUMNS,
    default_template,
    template_cells,
    validate_restarts,
    validate_template,
    validate_template_labels,
)
from kube_lite.resources.kinds.pod.template_warnings import workload_warnings
from kube_lite.resources.kinds.replicaset import prepare_update, validate_collisions, validate_selector_kept
from kube_lite.resources.labelselector import go_selector, is_empty, text_of_map, validate_label_selector
from kube_lite.resources.meta import Obj, metadata, name_of, without_nulls
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, TWICE, Cells, Column, Resource, status
from kube_lite.resources.rules import as_number, at_most_100_percent, nonnegative, number_or_percent
from kube_lite.resources.selectors import format_label_selector

GENERATION = "deprecated.daemonset.template.generation"
"""Annotation that counts templates; older clients read it."""


GO_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
"""What Go reads as a number, but for those close to 64 bits."""


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    default_template(spec)
    obj.setdefault("metadata", {}).setdefault("annotations", {}).setdefault(GENERATION, "0")
    if GO_INTEGER.fullmatch(text := obj["metadata"]["annotations"][GENERATION]) is None:
        version = str(obj.get("apiVersion", "")).rpartition("/")[2]
        why = f"strconv.ParseInt: parsing {show(text)}: invalid syntax"
        raise BadRequest(f'DaemonSet in version "{version or "v1"}" cannot be handled as a DaemonSet: {why}')


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {}
    annotations = metadata(obj).setdefault("annotations", {})
    annotations[GENERATION] = str(max(int(annotations.get(GENERATION, "0")), 1))


def _prepare_update(new: Obj, old: Obj) -> None:
    prepare_update(new, old)
    before = (metadata(old).get("annotations") or {}).get(GENERATION, "1")
    after, until_now = ((obj.get("spec") or {}).get("template") for obj in (new, old))
    changed = without_nulls(after) != without_nulls(until_now)
    count = int(before) if before.isdecimal() else 0
    metadata(new).setdefault("annotations", {})[GENERATION] = str(count + changed)


def _strategy(strategy: Obj) -> Errors:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    at = "spec.updateStrategy"
    if kind == "OnDelete":
        return []
    if kind != "RollingUpdate":
        shown = go_value("apps.DaemonSetUpdateStrategy", strategy)
        return [not_supported(at, shown, ("RollingUpdate", "OnDelete"))]
    if rolling is None:
        return [required(f"{at}.rollingUpdate")]
    found: Errors = []
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    for name, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        found.extend(number_or_percent(value, f"{at}.rollingUpdate.{name}"))
        found.extend(at_most_100_percent(value, f"{at}.rollingUpdate.{name}"))
    if as_number(unavailable) and as_number(surge):
        detail = "may not be set when maxUnavailable is non-zero"
        found.append(invalid(f"{at}.rollingUpdate.maxSurge", go_int_or_string(surge), detail))
    elif not as_number(unavailable) and not as_number(surge):
        where = f"{at}.rollingUpdate.maxUnavailable"
        if "maxSurge" in rolling:
            found.append(required(where, "cannot be 0 when maxSurge is 0"))
        else:
            found.append(invalid(where, go_int_or_string(unavailable), "cannot be 0"))
    return found


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    selector = spec.get("selector")
    found = validate_label_selector(selector, "spec.selector")
    template = spec.get("template") or {}
    found.extend(validate_template_labels(selector, template, "spec.template"))
    if selector is not None and is_empty(selector):
        found.append(invalid("spec.selector", go_selector(selector), "empty selector is invalid for daemonset"))
    found.extend(validate_template(template, "spec.template"))
    deadline = "activeDeadlineSeconds in DaemonSet is not Supported"
    found.extend(validate_restarts(template, "spec.template", deadline))
    found.extend(nonnegative(spec.get("minReadySeconds"), "spec.minReadySeconds"))
    found.extend(_strategy(spec.get("updateStrategy") or {}))
    found.extend(nonnegative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit"))
    return found


_COUNTS = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)


def _validate_status(new: Obj, old: Obj) -> Errors:
    state = new.get("status") or {}
    found: Errors = []
    for name in _COUNTS:
        found.extend(nonnegative(state.get(name), f"status.{name}"))
    return found + validate_collisions(new, old)


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    pod = (spec.get("template") or {}).get("spec") or {}
    return [
        name_of(obj),
        state.get("desiredNumberScheduled", 0),
        state.get("currentNumberScheduled", 0),
        state.get("numberReady", 0),
        state.get("updatedNumberScheduled", 0),
        state.get("numberAvailable", 0),
        text_of_map(pod.get("nodeSelector")),
        age(obj, now),
        *template_cells(spec),
        format_label_selector(spec.get("selector")),
    ]


RESOURCES = (
    Resource(
        kind="DaemonSet",
        update_checks=TWICE,
        plural="daemonsets",
        group="apps",
        definition="io.k8s.api.apps.v1.DaemonSet",
        internal_annotations=(GENERATION,),
        short_names=("ds",),
        categories=("all",),
        subresources={"status": status(validate=_validate_status)},
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        warnings=workload_warnings(named=False),
        validate=_validate,
        validate_update=lambda new, old: _validate(new) + validate_selector_kept(new, old),
        columns=(
            NAME_COLUMN,
            Column("Desired", type="integer"),
            Column("Current", type="integer"),
            Column("Ready", type="integer"),
            Column("Up-to-date", type="integer"),
            Column("Available", type="integer"),
            Column("Node Selector"),
            AGE_COLUMN,
            *TEMPLATE_COLUMNS,
            Column("Selector", priority=1),
        ),
        row=_row,
    ),
)
