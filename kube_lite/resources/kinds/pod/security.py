"""Validation of security contexts, of pods and of containers."""

from __future__ import annotations

import re

from kube_lite.resources.field import Errors, child, duplicate, index, invalid, not_supported, required, too_long
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.pod.windows import validate_windows_options
from kube_lite.resources.meta import Obj
from kube_lite.resources.names import in_range
from kube_lite.resources.rules import no_backsteps

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


MAX_PROFILE = 4095
"""Bytes of the name of a local AppArmor profile: a path's, without the end of the string."""


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
        if local is None:
            found.append(required(at, f"must be set when {what} type is Localhost"))
        else:
            found.extend(_seccomp_path(local, at) if what == "seccomp" else _apparmor_name(local, at))
    elif local is not None and (what == "seccomp" or kind in choices):
        shown = go_value("core.SeccompProfile", profile) if what == "seccomp" else local
        found.append(invalid(at, shown, f"can only be set when {what} type is Localhost"))
    return found


def _seccomp_path(local: str, path: str) -> Errors:
    absolute = [invalid(path, local, "must be a relative path")] if local.startswith("/") else []
    return absolute + no_backsteps(local, path)


def _apparmor_name(local: str, path: str) -> Errors:
    found: Errors = []
    if local != local.strip():
        found.append(invalid(path, local, "must not be padded with whitespace"))
    elif not local:
        found.append(required(path, "must be set when AppArmor type is Localhost"))
    if len(local.encode()) > MAX_PROFILE:
        found.append(too_long(path, MAX_PROFILE))
    return found


_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")


def _profiles(context: Obj, path: str) -> Errors:
    found: Errors = []
    if (profile := context.get("seccompProfile")) is not None:
        found.extend(_profile(profile, child(path, "seccompProfile"), "seccomp", _PROFILES))
    if (profile := context.get("appArmorProfile")) is not None:
        found.extend(_profile(profile, child(path, "appArmorProfile"), "AppArmor", _PROFILES))
    return found


_SHARED_SYSCTLS = (
    ("hostNetwork", re.compile(r"net[./].*").fullmatch),
    (
        "hostIPC",
        re.compile(r"kernel[./](sem|shm(all|max|mni|_rmid_forced)?|msg(max|mnb|mni)?)|fs[./]mqueue[./].*").fullmatch,
    ),
)
"""Settings that belong to a namespace, which a pod on the node's own does not have (``component-helpers/sysctl``)."""


def _sysctls(spec: Obj, sysctls: list[Obj], path: str) -> Errors:
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
        seen.add(name)
        for shared, belongs in _SHARED_SYSCTLS:
            if spec.get(shared) and belongs(name):
                found.append(invalid(at, name, f"may not be specified when '{shared}' is true"))
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
        found.extend(_sysctls(spec, sysctls, child(path, "sysctls")))
    policies = (
        ("fsGroupChangePolicy", ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", ("Merge", "Strict")),
        ("seLinuxChangePolicy", ("Recursive",)),  # SELinuxMount is off
    )
    for name, choices in policies:
        if (value := context.get(name)) is not None and value not in choices:
            found.append(not_supported(child(path, name), value, choices))
    found.extend(_profiles(context, path))
    if windows := context.get("windowsOptions"):
        found.extend(validate_windows_options(windows, child(path, "windowsOptions")))
    return found


def validate_container_security(context: Obj, path: str, *, host_users: bool = True) -> Errors:
    """``securityContext`` of a container; ``host_users``: whether its pod uses the node's user ids."""
    found = _ids(context, path, ("runAsUser", "runAsGroup"))
    mount = context.get("procMount")
    if mount is not None and mount not in ("Default", "Unmasked"):
        found.append(not_supported(child(path, "procMount"), mount, ("Default", "Unmasked")))
    if mount == "Unmasked" and host_users:
        found.append(invalid(child(path, "procMount"), mount, "`hostUsers` must be false to use `Unmasked`"))
    found.extend(_profiles(context, path))
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            found.append(invalid(path, go_value("core.SecurityContext", context), detail))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            found.append(invalid(path, go_value("core.SecurityContext", context), detail))
    if windows := context.get("windowsOptions"):
        found.extend(validate_windows_options(windows, child(path, "windowsOptions")))
    return found
