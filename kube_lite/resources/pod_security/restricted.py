"""What ``restricted`` asks for besides: what hardens a pod."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.pod_security.baseline import added_capabilities, proc_mount, seccomp
from kube_lite.resources.pod_security.rules import (
    Rule,
    Violation,
    context_of,
    named,
    not_in_user_namespaces,
    not_on_windows,
    users,
    where,
    who_sets,
)

_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)


def _escalation(meta: Obj, spec: Obj) -> Violation | None:
    names = where(spec, lambda c: context_of(c).get("allowPrivilegeEscalation") is not False)
    detail = f"{named('container', names)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", detail) if names else None


def _dropped(meta: Obj, spec: Obj) -> Violation | None:
    names = where(spec, lambda c: "ALL" not in dig(context_of(c), "capabilities", "drop", default=[]))
    parts = [f'{named("container", names)} must set securityContext.capabilities.drop=["ALL"]'] if names else []
    if added := added_capabilities(spec, frozenset({"NET_BIND_SERVICE"})):
        parts.append(added)
    return Violation("unrestricted capabilities", "; ".join(parts)) if parts else None


def _volumes(meta: Obj, spec: Obj) -> Violation | None:
    def wrong(volume: Obj) -> set[str]:
        return {kind for kind, value in volume.items() if kind != "name" and value is not None} - _VOLUMES

    detail = users("volume", spec.get("volumes") or (), "restricted volume type", wrong)
    return Violation("restricted volume types", detail) if detail else None


def _lacking(spec: Obj, set_: Callable[[Obj], bool]) -> str:
    """Who lacks something that the pod may set for all: ``pod or container "a"``; '' for nobody."""
    if set_(context_of(spec)):
        return ""
    names = where(spec, lambda c: not set_(context_of(c)))
    return f"pod or {named('container', names)}" if names else ""


def _non_root(meta: Obj, spec: Obj) -> Violation | None:
    reason = "runAsNonRoot != true"
    names = where(spec, lambda c: context_of(c).get("runAsNonRoot") is False)
    setters = ["pod"] if context_of(spec).get("runAsNonRoot") is False else []
    if names:
        setters.append(named("container", names))
    if setters:
        return Violation(reason, f"{' and '.join(setters)} must not set securityContext.runAsNonRoot=false")
    lacking = _lacking(spec, lambda context: context.get("runAsNonRoot") is True)
    return Violation(reason, f"{lacking} must set securityContext.runAsNonRoot=true") if lacking else None


def _user(meta: Obj, spec: Obj) -> Violation | None:
    setters = who_sets(spec, lambda context: context.get("runAsUser") == 0)
    return Violation("runAsUser=0", f"{setters} must not set runAsUser=0") if setters else None


def _seccomp_set(meta: Obj, spec: Obj) -> Violation | None:
    if (wrong := seccomp(meta, spec)) is not None:
        return wrong
    lacking = _lacking(spec, lambda context: dig(context, "seccompProfile", "type") in ("RuntimeDefault", "Localhost"))
    detail = f'{lacking} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", detail) if lacking else None


RULES: Final = (
    Rule(((8, _escalation), (25, partial(not_on_windows, _escalation)))),
    Rule(((22, _dropped), (25, partial(not_on_windows, _dropped))), "capabilities"),
    Rule(((35, proc_mount),), "procMount"),
    Rule(((0, _volumes),), "hostPathVolumes"),
    Rule(((0, _non_root), (35, partial(not_in_user_namespaces, _non_root)))),
    Rule(((23, _user), (35, partial(not_in_user_namespaces, _user)))),
    Rule(((19, _seccomp_set), (25, partial(not_on_windows, _seccomp_set))), "seccompProfile"),
)
