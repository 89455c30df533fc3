"""ServiceAccounts: the identities of pods."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, REPLACED, Cells, Column, Resource, Subresource

ENFORCED = "kubernetes.io/enforce-mountable-secrets"


def _row(obj: Obj, now: datetime) -> Cells:
    return [name_of(obj), len(obj.get("secrets") or ()), age(obj, now)]


def _prepare(obj: Obj) -> None:
    """Secrets are named, nothing else is kept of them."""
    if secrets := obj.get("secrets"):
        obj["secrets"] = [{"name": name} if (name := secret.get("name")) else {} for secret in secrets]


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    """Of the annotation once it is new."""
    marks = [((obj or {}).get("metadata") or {}).get("annotations") or {} for obj in (new, old)]
    if ENFORCED not in marks[0] or ENFORCED in marks[1]:
        return []
    detail = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
    return [f"metadata.annotations[{ENFORCED}]: {detail}"]


RESOURCES = (
    Resource(
        kind="ServiceAccount",
        update_checks=REPLACED,
        returns_deleted=True,
        plural="serviceaccounts",
        definition="io.k8s.api.core.v1.ServiceAccount",
        short_names=("sa",),
        subresources={
            "token": Subresource(
                name="token", verbs=("create",), group="authentication.k8s.io", version="v1", kind="TokenRequest"
            )
        },
        generation=False,
        prepare_create=_prepare,
        prepare_update=lambda new, old: _prepare(new),
        warnings=_warnings,
        columns=(NAME_COLUMN, Column("Secrets"), AGE_COLUMN),
        row=_row,
    ),
)
