"""Validation of security contexts, of pods and of containers."""

from __future__ import annotations

import re

from kube_lite.resources.field import Errors, child, duplicate, index, invalid, not_supported, required
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.pod.windows import validate_windows_options
from kube_lite.resources.meta import Obj
from kube_lite.resources.names import in_range

MAX_ID = 2**31 - 1
"""Largest user or group id that validation lets through."""

SYSCTL_LENGTH = 253
_SYSCTL = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL_SHOWN = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?\.)*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_is_sysctl = re.compile(_SYSCTL).fullmatch


def _ids(context: Obj, path: str, names: tuple[str, ...]) -> Errors:
    found: Errors = []
    for name in names:
        value = context.get(name)
        if value is not None and not 0 <= value <= MAX_ID:
            found.append(invalid(child(path, name), value, in_range(0, MAX_ID)))
    return found


def _profile(profile: Obj, path: str, what: str, choices: tuple[str, ...]) -> Errors:
    """A seccomp or AppArmor profile."""
    found: Errors = []
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    at = child(path, "localhostProfile")
    if not kind:
        name = "seccompProfile" if what == "seccomp" else "appArmorProfile"
        found.append(required(child(path, "type"), f"type is required when {name} is set"))
    elif kind not in choices:
        found.append(not_supported(child(path, "type"), kind, choices))
    if kind == "Localhost":
        if not local:
            found.append(required(at, f"must be set when {what} type is Localhost"))
        elif what == "seccomp" and local.startswith("/"):
            found.append(invalid(at, local, "must be a relative path"))
        elif what == "seccomp" and ".." in local.split("/"):
            found.append(invalid(at, local, "must not contain '..'"))
    elif local is not None:
        shown = go_value("core.SeccompProfile", profile) if what == "seccomp" else local
        found.append(invalid(at, shown, f"can only be set when {what} type is Localhost"))
    return found


_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")


def _profiles(context: Obj, path: str) -> Errors:
    found: Errors = []
    if (profile := context.get("seccompProfile")) is not None:
        found.extend(_profile(profile, child(path, "seccompProfile"), "seccomp", _PROFILES))
    if (profile := context.get("appArmorProfile")) is not None:
        found.extend(_profile(profile, child(path, "appArmorProfile"), "AppArmor", _PROFILES))
    return found


def _sysctls(sysctls: list[Obj], path: str) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for i, sysctl in enumerate(sysctls):
        name = sysctl.get("name", "")
        at = child(index(path, i), "name")
        if not name:
            found.append(required(at))
        elif len(name) > SYSCTL_LENGTH or not _is_sysctl(name):
            detail = f"must have at most {SYSCTL_LENGTH} characters and match regex {_SYSCTL_SHOWN}"
            found.append(invalid(at, name, detail))
        elif name in seen:
            found.append(duplicate(at, name))
        seen.add(name.replace("/", "."))
    return found


def validate_pod_security(spec: Obj, context: Obj, path: str) -> Errors:
    """``spec.securityContext``."""
    found = _ids(context, path, ("fsGroup", "runAsUser", "runAsGroup"))
    for i, group in enumerate(context.get("supplementalGroups") or ()):
        if not 0 <= group <= MAX_ID:
            found.append(invalid(index(child(path, "supplementalGroups"), i), group, in_range(0, MAX_ID)))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        found.append(invalid(child(path, "shareProcessNamespace"), True, detail))
    if sysctls := context.get("sysctls"):
        found.extend(_sysctls(sysctls, child(path, "sysctls")))
    policies = (
        ("fsGroupChangePolicy", ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", ("Merge", "Strict")),
    )
    for name, choices in policies:
        if (value := context.get(name)) is not None and value not in choices:
            found.append(not_supported(child(path, name), value, choices))
    found.extend(_profiles(context, path))
    if windows := context.get("windowsOptions"):
        found.extend(validate_windows_options(windows, child(path, "windowsOptions")))
    return found


def validate_container_security(context: Obj, path: str) -> Errors:
    """``securityContext`` of a container."""
    found = _ids(context, path, ("runAsUser", "runAsGroup"))
    mount = context.get("procMount")
    if mount is not None and mount not in ("Default", "Unmasked"):
        found.append(not_supported(child(path, "procMount"), mount, ("Default", "Unmasked")))
    found.extend(_profiles(context, path))
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            found.append(invalid(path, go_value("core.SecurityContext", context), detail))
        if {"CAP_SYS_ADMIN", "SYS_ADMIN"} & set((context.get("capabilities") or {}).get("add") or ()):
            detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            found.append(invalid(path, go_value("core.SecurityContext", context), detail))
    if windows := context.get("windowsOptions"):
        found.extend(validate_windows_options(windows, child(path, "windowsOptions")))
    return found
