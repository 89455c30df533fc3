"""ReplicationControllers: the oldest way to keep a number of pods."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, required
from kube_lite.resources.kinds.pod.template import default_template, template_cells, validate_selected_template
from kube_lite.resources.kinds.pod.template_warnings import workload_warnings
from kube_lite.resources.kinds.replicaset import (
    COUNT_COLUMNS,
    prepare_create,
    prepare_update,
    selectable,
    validate_counts,
)
from kube_lite.resources.labelselector import text_of_map
from kube_lite.resources.meta import Obj, metadata, name_of
from kube_lite.resources.registry import SCALE, TWICE, Cells, Resource, ScalePaths, status
from kube_lite.resources.rules import nonnegative


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    if "template" in spec:
        labels = (spec["template"].get("metadata") or {}).get("labels")
        if labels:
            if not spec.get("selector"):
                spec["selector"] = dict(labels)
            if not metadata(obj).get("labels"):
                metadata(obj)["labels"] = dict(labels)
        default_template(spec)


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found = nonnegative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    selector = spec.get("selector")
    if not selector:
        found.append(required("spec.selector"))
    found.extend(nonnegative(spec.get("replicas"), "spec.replicas"))
    found.extend(
        validate_selected_template(
            {"matchLabels": selector or {}},
            spec.get("template"),
            "spec.template",
            is_map=True,
            deadline="activeDeadlineSeconds in ReplicationController is not Supported",
        )
    )
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    return [
        name_of(obj),
        spec.get("replicas", 0),
        state.get("replicas", 0),
        state.get("readyReplicas", 0),
        age(obj, now),
        *template_cells(spec),
        text_of_map(spec.get("selector")),
    ]


RESOURCES = (
    Resource(
        kind="ReplicationController",
        update_checks=TWICE,
        plural="replicationcontrollers",
        definition="io.k8s.api.core.v1.ReplicationController",
        short_names=("rc",),
        categories=("all",),
        subresources={
            "status": status(validate=lambda new, old: validate_counts(new.get("status") or {})),
            "scale": SCALE,
        },
        scale=ScalePaths(),
        default_propagation="Orphan",
        default=_default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        warnings=workload_warnings(named=True),
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
        columns=COUNT_COLUMNS,
        row=_row,
        selectable=selectable,
        selectable_names=("status.replicas",),
    ),
)
