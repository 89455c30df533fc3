"""Validation of what depends on the operating system, above all of the Windows part of security contexts."""

from __future__ import annotations

import re

from kube_lite.resources import names
from kube_lite.resources.field import Errors, child, forbidden, invalid, not_supported, required
from kube_lite.resources.kinds.pod.each import each_container
from kube_lite.resources.meta import Obj

MAX_CREDENTIAL_SPEC = 64
"""KiB of a credential spec of a group managed service account."""
MAX_DOMAIN, MAX_USER = 256, 104
"""Characters of a user's domain, and of the user, in Active Directory."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
_is_net_bios = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}').fullmatch
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_is_dns_domain = re.compile(rf"{_LABEL}(?:\.{_LABEL})*").fullmatch
_only_dots_and_spaces = re.compile(r"[. ]+").fullmatch
_BAD_CHARACTERS = re.compile(r'["/\\:;|=,+*?<>@\[\]]').search


def _parts(user_name: str) -> list[str]:
    """What is wrong with ``DOMAIN\\user`` or ``user``."""
    domain, backslash, user = user_name.rpartition("\\")
    found: list[str] = []
    if len(domain) >= MAX_DOMAIN:
        found.append(f"runAsUserName's Domain length must be under {MAX_DOMAIN} characters")
    if backslash and not (_is_net_bios(domain) or _is_dns_domain(domain)):
        found.append("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
    if not user:
        found.append("runAsUserName's User cannot be empty")
    elif len(user) > MAX_USER:
        found.append(f"runAsUserName's User length must not be longer than {MAX_USER} characters")
    if _only_dots_and_spaces(user):
        found.append("runAsUserName's User cannot contain only periods or spaces")
    if _BAD_CHARACTERS(user):
        found.append("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]")
    return found


def _user_name(user_name: str) -> list[str]:
    if not user_name:
        return ["runAsUserName cannot be an empty string"]
    if _CONTROL(user_name):
        return ["runAsUserName cannot contain control characters"]
    if user_name.count("\\") > 1:
        return ["runAsUserName cannot contain more than one backslash"]
    return _parts(user_name)


def validate_windows_options(options: Obj, path: str) -> Errors:
    """``windowsOptions`` of a pod's or a container's security context."""
    found: Errors = []
    if (name := options.get("gmsaCredentialSpecName")) is not None:
        at = child(path, "gmsaCredentialSpecName")
        found.extend(invalid(at, name, problem) for problem in names.dns_subdomain(name))
    if (spec := options.get("gmsaCredentialSpec")) is not None:
        at = child(path, "gmsaCredentialSpec")
        if not spec:
            found.append(invalid(at, spec, "gmsaCredentialSpec cannot be an empty string"))
        elif len(spec.encode()) > MAX_CREDENTIAL_SPEC * 1024:
            found.append(invalid(at, spec, f"gmsaCredentialSpec size must be under {MAX_CREDENTIAL_SPEC} KiB"))
    if (user_name := options.get("runAsUserName")) is not None:
        at = child(path, "runAsUserName")
        found.extend(invalid(at, user_name, problem) for problem in _user_name(user_name))
    return found


_WINDOWS_ONLY = ("windowsOptions",)
_NOT_ON_WINDOWS = ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace")
_NOT_IN_POD = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
)
_NOT_IN_CONTAINER = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)


def validate_os(spec: Obj, path: str) -> Errors:
    """``os``, and that nothing is asked for that the system named does not have."""
    system, at = spec["os"].get("name", ""), child(path, "os")
    if not system:
        return [required(child(at, "name"), "cannot be empty")]
    if system not in ("linux", "windows"):
        return [not_supported(at, system, ("linux", "windows"))]
    windows = system == "windows"
    detail = f"{'' if windows else 'windows options '}cannot be set for a {system} pod"
    alien = _NOT_IN_POD if windows else _WINDOWS_ONLY
    alien_in_container = _NOT_IN_CONTAINER if windows else _WINDOWS_ONLY
    context, where = spec.get("securityContext") or {}, child(path, "securityContext")
    found = [forbidden(child(where, name), detail) for name in alien if context.get(name) is not None]
    if windows:  # booleans that are false count as unset where upstream has no pointer
        unset = {"hostPID": (None, False), "hostIPC": (None, False)}
        found.extend(
            forbidden(child(path, name), detail)
            for name in _NOT_ON_WINDOWS
            if spec.get(name) not in unset.get(name, (None,))
        )
    for container, at in each_container(spec, path):
        context = container.get("securityContext") or {}
        given = (name for name in alien_in_container if context.get(name) is not None)
        found.extend(forbidden(f"{at}.securityContext.{name}", detail) for name in given)
    return found


def validate_host_process(spec: Obj, path: str) -> Errors:
    """Windows containers that are processes of the node: all of a pod or none, and on the node's network."""
    whole = ((spec.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    found: Errors = []
    count = processes = 0
    for container, at in each_container(spec, path):
        own = ((container.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
        if whole is not None and own is not None and whole != own:
            value = str(whole).lower()
            detail = f"pod hostProcess value must be identical if both are specified, was {value}"
            found.append(invalid(f"{at}.securityContext.windowsOptions.hostProcess", own, detail))
        count += 1
        processes += bool(whole if own is None else own)
    if processes and processes != count:
        detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        found.append(invalid(path, "", detail))
    if processes and not spec.get("hostNetwork"):
        detail = "hostNetwork must be true if pod contains any hostProcess containers"
        found.append(invalid(child(path, "hostNetwork"), False, detail))
    return found
