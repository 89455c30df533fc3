"""ServiceAccounts: the identities of pods."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, REPLACED, Cells, Column, Resource, Subresource


def _row(obj: Obj, now: datetime) -> Cells:
    return [name_of(obj), len(obj.get("secrets") or ()), age(obj, now)]


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
        columns=(NAME_COLUMN, Column("Secrets"), AGE_COLUMN),
        row=_row,
    ),
)
