"""IngressClasses: who implements an ingress."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, forbidden, invalid, not_supported, required, too_long
from kube_lite.resources.kinds.ingress import validate_object_reference
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.names import size
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, REPLACED, Cells, Column, Resource
from kube_lite.resources.rules import dns_label, domain_prefixed_path

MAX_CONTROLLER = 250
"""Longest controller name in characters."""
DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


def _parameters(parameters: Obj) -> Errors:
    at = "spec.parameters"
    found = validate_object_reference(parameters, at)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope is not None and scope not in ("Cluster", "Namespace"):
        found.append(not_supported(f"{at}.scope", scope, ("Cluster", "Namespace")))
    if scope == "Namespace":
        needed = required(f"{at}.namespace", "`parameters.scope` is set to 'Namespace'")
        found.extend([needed] if namespace is None else dns_label(namespace, f"{at}.namespace"))
    if scope in (None, "Cluster") and namespace is not None:
        found.append(forbidden(f"{at}.namespace", "`parameters.scope` is set to 'Cluster'"))
    return found


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    controller = spec.get("controller", "")
    found: Errors = []
    if size(controller) > MAX_CONTROLLER:
        found.append(too_long("spec.controller", MAX_CONTROLLER))
    found.extend(domain_prefixed_path(controller, "spec.controller"))
    if (parameters := spec.get("parameters")) is not None:
        found.extend(_parameters(parameters))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    after, before = ((obj.get("spec") or {}).get("controller", "") for obj in (new, old))
    found: Errors = [] if after == before else [invalid("spec.controller", after, IMMUTABLE)]
    return found + _validate(new)


def _row(obj: Obj, now: datetime) -> Cells:
    spec = obj.get("spec") or {}
    parameters = spec.get("parameters")
    shown = "<none>"
    if parameters is not None:
        group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
        shown = f"{parameters.get('kind', '')}{group}/{parameters.get('name', '')}"
    default = ((obj.get("metadata") or {}).get("annotations") or {}).get(DEFAULT_ANNOTATION) == "true"
    return [name_of(obj) + (" (default)" if default else ""), spec.get("controller", ""), shown, age(obj, now)]


RESOURCES = (
    Resource(
        kind="IngressClass",
        update_checks=REPLACED,
        plural="ingressclasses",
        group="networking.k8s.io",
        definition="io.k8s.api.networking.v1.IngressClass",
        namespaced=False,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("Controller"), Column("Parameters"), AGE_COLUMN),
        row=_row,
    ),
)
