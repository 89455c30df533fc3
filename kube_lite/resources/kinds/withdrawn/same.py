"""Versions that became v1 as they were."""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.kinds import (
    apiservice,
    csidriver,
    csinode,
    event,
    lease,
    priorityclass,
    review,
    role,
    rolebinding,
    runtimeclass,
    storageclass,
    volumeattachment,
)
from kube_lite.resources.kinds.withdrawn.legacy import Conversion, Release, legacy
from kube_lite.resources.meta import Obj

_V1_22 = "v1.22"
"""The release that dropped most of them."""


def _renamed(obj: Obj, old: str, new: str) -> Obj:
    spec = obj.get("spec") or {}
    if old not in spec:
        return obj
    return {**obj, "spec": {new if key == old else key: value for key, value in spec.items()}}


def review_up(obj: Obj) -> Obj:
    """The v1 form of an access review of authorization.k8s.io/v1beta1."""
    return _renamed(obj, "group", "groups")


def review_down(obj: Obj) -> Obj:
    """The v1beta1 form of an access review."""
    return _renamed(obj, "groups", "group")


_REVIEWS = Conversion(review_up, review_down)
_EVENTS = next(r for r in event.RESOURCES if r.group == "events.k8s.io")

RESOURCES = (
    legacy(apiservice.RESOURCES[0], "v1beta1", Release("v1.19", _V1_22)),
    legacy(lease.RESOURCES[0], "v1beta1", Release("v1.19", _V1_22)),
    legacy(priorityclass.RESOURCES[0], "v1beta1", Release("v1.14", _V1_22)),
    legacy(runtimeclass.RESOURCES[0], "v1beta1", Release("v1.22", "v1.25")),
    legacy(
        _EVENTS,
        "v1beta1",
        Release("v1.22", "v1.25"),
        name_rule=names.path_segment,
        validate=lambda obj: event.validate_core(event.to_core(obj)),
        validate_update=lambda new, old: event.validate_core(event.to_core(new)),
    ),
    *(legacy(r, "v1beta1", Release("v1.17", _V1_22)) for r in (*role.RESOURCES, *rolebinding.RESOURCES)),
    *(legacy(module.RESOURCES[0], "v1beta1", Release("v1.19", _V1_22)) for module in (csidriver, storageclass)),
    legacy(
        volumeattachment.RESOURCES[0],
        "v1beta1",
        Release("v1.19", _V1_22),
        subresources={},
        validate=volumeattachment.validate_any,
    ),
    legacy(csinode.RESOURCES[0], "v1beta1", Release("v1.17", _V1_22)),
    *(
        legacy(r, "v1beta1", Release("v1.19", _V1_22), conversion=_REVIEWS)
        for r in review.RESOURCES
        if r.kind != "SelfSubjectReview"
    ),
)
