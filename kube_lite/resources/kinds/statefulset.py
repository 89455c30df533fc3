"""StatefulSets: pods with a name and storage of their own."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, child, forbidden, index, invalid, not_supported, required
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.persistentvolumeclaim import default_claim
from kube_lite.resources.kinds.pod.template import (
    TEMPLATE_COLUMNS,
    default_template,
    template_cells,
    validate_restarts,
    validate_template_labels,
    validate_workload_selector,
)
from kube_lite.resources.kinds.pod.template_warnings import changed_template_warnings
from kube_lite.resources.kinds.pod.validation import validate_pod_annotations
from kube_lite.resources.kinds.pod.warnings import claim_spec_warnings
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update, validate_collisions
from kube_lite.resources.labelselector import is_valid
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.metadata import validate_template_metadata
from kube_lite.resources.names import Problems, label_name, subdomain_name
from kube_lite.resources.registry import (
    AGE_COLUMN,
    NAME_COLUMN,
    SCALE,
    TWICE,
    Cells,
    Column,
    Resource,
    ScalePaths,
    status,
)
from kube_lite.resources.rules import as_number, at_most_100_percent, nonnegative, number_or_percent

_MAY_CHANGE = frozenset(
    {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    }
)
_FORBIDDEN = (
    "updates to statefulset spec for fields other than 'replicas', 'template', and 'updateStrategy' are forbidden"
)


_PRINTED = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "readinessGates": ("conditionType",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
"""What is printed even where it is missing: nothing refuses a template that no pod could be made of."""


def _name(name: str, is_prefix: bool = False) -> Problems:
    """A label, since pods are named after their set; what no object could be called is told as ever."""
    return subdomain_name(name, is_prefix) or label_name(name, is_prefix)


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("podManagementPolicy"):
        spec["podManagementPolicy"] = "OrderedReady"
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        strategy["rollingUpdate"].setdefault("partition", 0)
    if (retention := spec.get("persistentVolumeClaimRetentionPolicy")) is not None:
        for name in ("whenDeleted", "whenScaled"):
            if not retention.get(name):
                retention[name] = "Retain"
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    default_template(spec)
    template = (spec.get("template") or {}).get("spec") or {}
    for field, names in _PRINTED.items():
        for item in template.get(field) or ():
            for name in names:
                item.setdefault(name, "")
    for claim in spec.get("volumeClaimTemplates") or ():
        claim["kind"], claim["apiVersion"] = "PersistentVolumeClaim", "v1"
        default_claim(claim)


def _strategy(strategy: Obj) -> Errors:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    at = "spec.updateStrategy"
    if not kind:
        return [required(at)]
    if kind == "OnDelete":
        if rolling is not None:
            shown = go_value("apps.RollingUpdateStatefulSetStrategy", rolling)
            return [invalid(f"{at}.rollingUpdate", shown, "only allowed for updateStrategy 'RollingUpdate'")]
        return []
    if kind != "RollingUpdate":
        shown = go_value("apps.StatefulSetUpdateStrategy", strategy)
        return [invalid(at, shown, "must be 'RollingUpdate' or 'OnDelete'")]
    found: Errors = []
    if rolling is not None:
        found.extend(nonnegative(rolling.get("partition"), f"{at}.rollingUpdate.partition"))
        if (most := rolling.get("maxUnavailable")) is not None:
            where = f"{at}.rollingUpdate.maxUnavailable"
            found.extend(number_or_percent(most, where))
            if as_number(most) == 0:
                found.append(invalid(where, most, "cannot be 0"))
            found.extend(at_most_100_percent(most, where))
    return found


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    policy = spec.get("podManagementPolicy", "")
    if not policy:
        found.append(required("spec.podManagementPolicy"))
    elif policy not in ("OrderedReady", "Parallel"):
        found.append(invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
    found.extend(_strategy(spec.get("updateStrategy") or {}))
    if (retention := spec.get("persistentVolumeClaimRetentionPolicy")) is not None:
        for name in ("whenDeleted", "whenScaled"):
            at, choices = f"spec.persistentVolumeClaimRetentionPolicy.{name}", ("Retain", "Delete")
            if (value := retention.get(name, "")) not in choices:
                found.append(not_supported(at, value, choices))
    found.extend(nonnegative(spec.get("replicas"), "spec.replicas"))
    found.extend(nonnegative(spec.get("minReadySeconds"), "spec.minReadySeconds"))
    found.extend(nonnegative((spec.get("ordinals") or {}).get("start"), "spec.ordinals.start"))
    selector = spec.get("selector")
    found.extend(validate_workload_selector(selector, "spec.selector", "statefulset"))
    return found + _template(selector, spec.get("template") or {})


def _template(selector: Obj | None, template: Obj) -> Errors:
    """Upstream leaves the spec of the pods to their creation: its mounts may name claims of the set."""
    at, meta = "spec.template", template.get("metadata") or {}
    found: Errors = []
    if selector is None or is_valid(selector):
        found.extend(validate_template_labels(selector, template, at))
        found.extend(validate_template_metadata(meta, at))
        found.extend(validate_pod_annotations(meta, template.get("spec") or {}, at))
    return found + validate_restarts(template, at, "activeDeadlineSeconds in StatefulSet is not Supported")


def _validate_update(new: Obj, old: Obj) -> Errors:
    after, before = new.get("spec") or {}, old.get("spec") or {}
    found: Errors = []
    fixed = {k: v for k, v in before.items() if k not in _MAY_CHANGE}
    if {k: v for k, v in after.items() if k not in _MAY_CHANGE} != fixed:
        found.append(forbidden("spec", _FORBIDDEN))
    return found + nonnegative(after.get("replicas"), "spec.replicas")


def _validate_status(new: Obj, old: Obj) -> Errors:
    state = new.get("status") or {}
    found: Errors = []
    counts = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    for name in ("replicas", *counts, "observedGeneration", "collisionCount"):
        found.extend(nonnegative(state.get(name), f"status.{name}"))
    for name in counts:
        if (value := state.get(name, 0)) > state.get("replicas", 0):
            found.append(invalid(f"status.{name}", value, "cannot be greater than status.replicas"))
    if (available := state.get("availableReplicas", 0)) > state.get("readyReplicas", 0):
        found.append(invalid("status.availableReplicas", available, "cannot be greater than status.readyReplicas"))
    return found + validate_collisions(new, old)


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    ready = f"{state.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    return [name_of(obj), ready, age(obj, now), *template_cells(spec)]


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    found = changed_template_warnings(new, old, "spec.template")
    spec = new.get("spec") or {}
    if old is None or spec != old.get("spec"):
        for i, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            at = index("spec.volumeClaimTemplates", i)
            # upstream's path of a change has a step that is no field
            found.extend(claim_spec_warnings(claim.get("spec") or {}, at if old is None else child(at, "Spec")))
    if (spec.get("revisionHistoryLimit") or 0) < 0:
        detail = "a negative value retains all historical revisions; a value >= 0 is recommended"
        found.append(f"spec.revisionHistoryLimit: {detail}")
    return found


RESOURCES = (
    Resource(
        kind="StatefulSet",
        update_checks=TWICE,
        name_rule=_name,
        plural="statefulsets",
        group="apps",
        definition="io.k8s.api.apps.v1.StatefulSet",
        short_names=("sts",),
        categories=("all",),
        subresources={
            "status": status(validate=_validate_status),
            "scale": SCALE,
        },
        scale=ScalePaths(),
        default=_default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        warnings=_warnings,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("Ready"), AGE_COLUMN, *TEMPLATE_COLUMNS),
        row=_row,
    ),
)
