"""Webhook configurations of admissionregistration.k8s.io/v1beta1: other defaults, and side effects may be unknown.

Defaults are those of Kubernetes' ``pkg/apis/admissionregistration/v1beta1``.
"""

from __future__ import annotations

from kube_lite.resources.field import Errors
from kube_lite.resources.kinds import webhookconfiguration
from kube_lite.resources.kinds.withdrawn.legacy import Release, legacy
from kube_lite.resources.meta import Obj

_DEFAULTS = {"failurePolicy": "Ignore", "matchPolicy": "Exact", "sideEffects": "Unknown", "timeoutSeconds": 30}
_EFFECTS = ("None", "NoneOnDryRun", "Some", "Unknown")


def _default(obj: Obj) -> None:
    for webhook in obj.get("webhooks") or ():
        for name, value in _DEFAULTS.items():
            webhook.setdefault(name, value)
        if not webhook.get("admissionReviewVersions"):
            webhook["admissionReviewVersions"] = ["v1beta1"]


def _told(obj: Obj, problems: Errors) -> Errors:
    webhooks = obj.get("webhooks") or []
    taken = {f"webhooks[{i}].sideEffects" for i, w in enumerate(webhooks) if w.get("sideEffects") in _EFFECTS}
    return [problem for problem in problems if problem.field not in taken]


RESOURCES = tuple(
    legacy(current, "v1beta1", Release("v1.16", "v1.22"), default=_default, errors=_told)
    for current in webhookconfiguration.RESOURCES
)
