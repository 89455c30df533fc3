"""CustomResourceDefinitions: kinds made at run time. Their schemas are checked where they are compiled."""

from __future__ import annotations

from kube_lite.resources.kinds.customresourcedefinition.conditions import set_condition
from kube_lite.resources.kinds.customresourcedefinition.formats import SCHEMAS_BY_NAME, below, format_warnings
from kube_lite.resources.kinds.customresourcedefinition.validation import (
    validate_create,
    validate_status,
    validate_update,
)
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource, status_alone

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""Finalizer under which a definition waits until its objects are gone."""


def _drop_nulls(schema: Obj) -> None:
    """Make of nulls in a schema what Go's decoder does: nothing, or the empty schema as an item.

    Decoding does so for the outermost levels; what is below ``items`` it takes as it comes.
    """
    for key in [key for key, value in schema.items() if value is None and key not in ("default", "example")]:
        del schema[key]
    for key in SCHEMAS_BY_NAME:
        named = schema.get(key)
        if isinstance(named, dict):
            for name, inner in named.items():
                named[name] = {} if inner is None else inner
    for inner in below(schema):
        _drop_nulls(inner)


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    named = spec.setdefault("names", {})
    kind = named.get("kind", "")
    if not named.get("singular") and kind:
        named["singular"] = kind.lower()
    if not named.get("listKind") and kind:
        named["listKind"] = f"{kind}List"
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", 443)
    for version in spec.get("versions") or ():
        whole = (version.get("schema") or {}).get("openAPIV3Schema")
        if isinstance(whole, dict):
            _drop_nulls(whole)
        for column in version.get("additionalPrinterColumns") or ():
            column.setdefault("priority", 0)
            if not column["priority"]:
                del column["priority"]
    state = obj.get("status") or {}
    stored = [v.get("name", "") for v in spec.get("versions") or () if v.get("storage")]
    if stored and not state.get("storedVersions"):
        obj["status"] = {**state, "storedVersions": stored[:1]}


def _prepare_create(obj: Obj) -> None:
    """Which version is stored; names are accepted by the controller."""
    stored = [v.get("name", "") for v in (obj.get("spec") or {}).get("versions") or () if v.get("storage")]
    obj["status"] = {"storedVersions": stored[:1], "acceptedNames": {"plural": "", "kind": ""}}


def _prepare_update(new: Obj, old: Obj) -> None:
    state = dict(old.get("status") or {})
    stored = list(state.get("storedVersions") or ())
    for version in (new.get("spec") or {}).get("versions") or ():
        if version.get("storage") and version.get("name") not in stored:
            stored.append(version.get("name", ""))
    new["status"] = {**state, "storedVersions": stored}


def _begin_delete(new: Obj, old: Obj) -> None:
    """Hold the definition until its objects are gone."""
    meta = new["metadata"]
    meta.pop("deletionGracePeriodSeconds", None)
    if "generation" in old["metadata"]:
        meta["generation"] = old["metadata"]["generation"]
    if CLEANUP not in (meta.get("finalizers") or ()):
        meta["finalizers"] = [*(meta.get("finalizers") or ()), CLEANUP]
    new["status"] = dict(new.get("status") or {})
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    set_condition(new["status"], "Terminating", True, "InstanceDeletionPending", message)


RESOURCES = (
    Resource(
        standard_finalizers=False,
        kind="CustomResourceDefinition",
        plural="customresourcedefinitions",
        group="apiextensions.k8s.io",
        definition="io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources={"status": status_alone(validate_status)},
        allow_unconditional_update=False,
        owns_status=True,
        begin_delete=_begin_delete,
        default=_default,
        warnings=format_warnings,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        validate=validate_create,
        validate_update=validate_update,
    ),
)
