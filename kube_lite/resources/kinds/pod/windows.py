"""Validation of the Windows part of security contexts: who a process runs as, and its managed account."""

from __future__ import annotations

import re

from kube_lite.resources import names
from kube_lite.resources.field import Errors, child, invalid
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
