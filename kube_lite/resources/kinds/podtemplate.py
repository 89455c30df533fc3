"""PodTemplates: a pod to be."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.field import Errors
from kube_lite.resources.kinds.pod.template import default_template, template_cells, validate_template
from kube_lite.resources.kinds.pod.template_warnings import changed_template_warnings
from kube_lite.resources.labelselector import text_of_map
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import NAME_COLUMN, Cells, Column, Resource


def _validate(obj: Obj) -> Errors:
    return validate_template(obj.get("template") or {}, "template")


def _row(obj: Obj, now: datetime) -> Cells:
    labels = ((obj.get("template") or {}).get("metadata") or {}).get("labels")
    return [name_of(obj), *template_cells(obj), text_of_map(labels)]


RESOURCES = (
    Resource(
        kind="PodTemplate",
        generation=False,
        returns_deleted=True,
        plural="podtemplates",
        definition="io.k8s.api.core.v1.PodTemplate",
        default=default_template,
        warnings=lambda new, old: changed_template_warnings(new, old, "template"),
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
        columns=(NAME_COLUMN, Column("Containers"), Column("Images"), Column("Pod Labels")),
        row=_row,
    ),
)
