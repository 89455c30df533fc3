"""Admission policies and their bindings: CEL rules instead of webhooks."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.kinds.admissionpolicy.binding import validate_binding
from kube_lite.resources.kinds.admissionpolicy.policy import (
    validate_mutating,
    validate_status,
    validate_validating,
)
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.kinds.webhookconfiguration import GROUP, default_rules, reserved_name_warnings
from kube_lite.resources.labelselector import text_of_selector
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import (
    AGE_COLUMN,
    NAME_COLUMN,
    Cells,
    Column,
    Resource,
    UpdateCheck,
    status_alone,
)


def _default_match(match: Obj) -> None:
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for name in ("resourceRules", "excludeResourceRules"):
        default_rules(match.get(name) or [])


def _default_policy(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("failurePolicy", "Fail")
    if (match := spec.get("matchConstraints")) is not None:
        _default_match(match)


def _default_binding(obj: Obj) -> None:
    if (match := (obj.get("spec") or {}).get("matchResources")) is not None:
        _default_match(match)


def _policy_row(obj: Obj, now: datetime) -> Cells:
    spec = obj.get("spec") or {}
    kind = spec.get("paramKind")
    shown = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else "<unset>"
    return [name_of(obj), len(spec.get("validations") or spec.get("mutations") or ()), shown, age(obj, now)]


def _binding_row(obj: Obj, now: datetime) -> Cells:
    spec = obj.get("spec") or {}
    reference = spec.get("paramRef")
    shown = "<unset>"
    if reference is not None and reference.get("name"):
        shown = f"{reference.get('namespace') or '*'}/{reference['name']}"
    elif reference is not None and reference.get("selector") is not None:
        shown = text_of_selector(reference["selector"])
    return [name_of(obj), spec.get("policyName", ""), shown, age(obj, now)]


def _binding(kind: str, plural: str, validating: bool) -> Resource:
    return Resource(
        kind=kind,
        plural=plural,
        group=GROUP,
        definition=f"io.k8s.api.admissionregistration.v1.{kind}",
        namespaced=False,
        categories=("api-extensions",),
        standard_finalizers=False,
        update_checks=(UpdateCheck.METADATA,),
        allow_unconditional_update=False,
        default=_default_binding,
        warnings=reserved_name_warnings,
        validate=lambda obj: validate_binding(obj, validating),
        validate_update=lambda new, old: validate_binding(new, validating),
        columns=(NAME_COLUMN, Column("PolicyName"), Column("ParamRef"), AGE_COLUMN),
        row=_binding_row,
    )


RESOURCES = (
    Resource(
        kind="MutatingAdmissionPolicy",
        plural="mutatingadmissionpolicies",
        group=GROUP,
        definition="io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy",
        namespaced=False,
        categories=("api-extensions",),
        standard_finalizers=False,
        update_checks=(UpdateCheck.METADATA,),
        allow_unconditional_update=False,
        default=_default_policy,
        warnings=reserved_name_warnings,
        validate=validate_mutating,
        validate_update=lambda new, old: validate_mutating(new),
        columns=(NAME_COLUMN, Column("Mutations", type="integer"), Column("ParamKind"), AGE_COLUMN),
        row=_policy_row,
    ),
    _binding("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", False),
    Resource(
        kind="ValidatingAdmissionPolicy",
        plural="validatingadmissionpolicies",
        group=GROUP,
        definition="io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy",
        namespaced=False,
        categories=("api-extensions",),
        subresources={"status": status_alone(validate_status)},
        standard_finalizers=False,
        update_checks=(UpdateCheck.METADATA,),
        allow_unconditional_update=False,
        default=_default_policy,
        warnings=reserved_name_warnings,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=validate_validating,
        validate_update=lambda new, old: validate_validating(new),
        columns=(NAME_COLUMN, Column("Validations", type="integer"), Column("ParamKind"), AGE_COLUMN),
        row=_policy_row,
    ),
    _binding("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", True),
)
