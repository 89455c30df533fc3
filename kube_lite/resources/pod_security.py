"""The Pod Security Standards: what ``baseline`` and ``restricted`` forbid, with the words that clients see.

Each check looks at a pod's metadata and spec and gives a reason and a detail, or nothing. A namespace may be held at
the standards of an earlier minor version, so a check says from which on it holds, and what it looked like before.
Checks, order and texts are those of upstream's ``k8s.io/pod-security-admission/policy`` (v1.36).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

from kube_lite.resources.meta import Obj, dig

LEVELS = ("privileged", "baseline", "restricted")
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
    }
)
_SYSCTLS_27: Final = _SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
_SYSCTLS_29: Final = _SYSCTLS_27 | {
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
_SYSCTLS_32: Final = _SYSCTLS_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
_SELINUX_TYPES: Final = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
_SELINUX_TYPES_31: Final = _SELINUX_TYPES | {"container_engine_t"}
_SECCOMP: Final = "container.seccomp.security.alpha.kubernetes.io/"
SECCOMP_OF_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
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


class Violation(NamedTuple):
    """What a pod does that a level forbids."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


Check = Callable[[Obj, Obj], Violation | None]
"""``(metadata, spec)``."""


def _containers(spec: Obj) -> Iterator[Obj]:
    for part in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(part) or ()


def _quoted(values: Iterable[Any]) -> str:
    return ", ".join(f'"{value}"' for value in values)


def _named(noun: str, names: Sequence[str]) -> str:
    """``container "a"`` or ``containers "a", "b"``."""
    return f"{noun}{'s' if len(names) > 1 else ''} {_quoted(names)}"


def _context(holder: Obj) -> Obj:
    return holder.get("securityContext") or {}


def _where(spec: Obj, bad: Callable[[Obj], bool]) -> list[str]:
    return [c.get("name", "") for c in _containers(spec) if bad(c)]


def _setters(spec: Obj, bad: Callable[[Obj], bool]) -> str:
    """Who sets something bad: ``pod and container "a"``; '' for nobody."""
    parts = ["pod"] if bad(_context(spec)) else []
    if names := _where(spec, lambda c: bad(_context(c))):
        parts.append(_named("container", names))
    return " and ".join(parts)


def seccomp_annotation(container: str) -> str:
    """The annotation that gave a container its profile before there was a field."""
    return _SECCOMP + container


def _not_on_windows(check: Check, meta: Obj, spec: Obj) -> Violation | None:
    return None if dig(spec, "os", "name") == "windows" else check(meta, spec)


def _not_in_user_namespaces(check: Check, meta: Obj, spec: Obj) -> Violation | None:
    """Root of a user namespace is nobody outside, and its unmasked /proc shows nothing of the host."""
    return None if spec.get("hostUsers") is False else check(meta, spec)


# ---- baseline


def _apparmor(meta: Obj, spec: Obj) -> Violation | None:
    def bad(context: Obj) -> bool:
        return bool(dig(context, "appArmorProfile", "type") == "Unconfined")

    setters = [who] if (who := _setters(spec, bad)) else []
    values = ["Unconfined"] if setters else []
    wrong = [
        f'{key}="{value}"'
        for key, value in sorted((meta.get("annotations") or {}).items())
        if key.startswith(_APPARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    ]
    if wrong:
        setters.append("annotation" if len(wrong) == 1 else "annotations")
        values += wrong
    if not setters:
        return None
    reason = f"forbidden AppArmor profile{'s' if len(values) > 1 else ''}"
    return Violation(reason, f"{' and '.join(setters)} must not set AppArmor profile type to {_quoted(values)}")


def _added(spec: Obj, allowed: frozenset[str]) -> str:
    names, forbidden = [], set()
    for container in _containers(spec):
        wrong = set(dig(_context(container), "capabilities", "add", default=[])) - allowed
        if wrong:
            names.append(container.get("name", ""))
            forbidden |= wrong
    if not names:
        return ""
    listed = _quoted(sorted(forbidden))
    return f"{_named('container', names)} must not include {listed} in securityContext.capabilities.add"


def _capabilities(meta: Obj, spec: Obj) -> Violation | None:
    detail = _added(spec, _CAPABILITIES)
    return Violation("non-default capabilities", detail) if detail else None


def _host_namespaces(meta: Obj, spec: Obj) -> Violation | None:
    shared = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def _host_path(meta: Obj, spec: Obj) -> Violation | None:
    names = [v.get("name", "") for v in spec.get("volumes") or () if v.get("hostPath") is not None]
    return Violation("hostPath volumes", _named("volume", names)) if names else None


def _host_ports(meta: Obj, spec: Obj) -> Violation | None:
    names: list[str] = []
    ports: set[str] = set()
    for container in _containers(spec):
        used = {str(p["hostPort"]) for p in container.get("ports") or () if p.get("hostPort")}
        if used:
            names.append(container.get("name", ""))
            ports |= used
    if not names:
        return None
    verb = "use" if len(names) > 1 else "uses"
    noun = "hostPorts" if len(ports) > 1 else "hostPort"
    return Violation("hostPort", f"{_named('container', names)} {verb} {noun} {', '.join(sorted(ports))}")


def _hosts(container: Obj) -> Iterator[str]:
    handlers = [container.get(kind) for kind in ("livenessProbe", "readinessProbe", "startupProbe")]
    handlers += [dig(container, "lifecycle", when) for when in ("postStart", "preStop")]
    for handler in handlers:
        for kind in ("httpGet", "tcpSocket"):
            if host := dig(handler, kind, "host"):
                yield host


def _probe_hosts(meta: Obj, spec: Obj) -> Violation | None:
    names: list[str] = []
    hosts: set[str] = set()
    for container in _containers(spec):
        found = set(_hosts(container))
        if found:
            names.append(container.get("name", ""))
            hosts |= found
    if not names:
        return None
    verb = "use" if len(names) > 1 else "uses"
    noun = "probe or lifecycle hosts" if len(hosts) > 1 else "probe or lifecycle host"
    return Violation(
        "probe or lifecycle host", f"{_named('container', sorted(names))} {verb} {noun} {_quoted(sorted(hosts))}"
    )


def _privileged(meta: Obj, spec: Obj) -> Violation | None:
    names = _where(spec, lambda c: _context(c).get("privileged") is True)
    detail = f"{_named('container', names)} must not set securityContext.privileged=true"
    return Violation("privileged", detail) if names else None


def _proc_mount(meta: Obj, spec: Obj) -> Violation | None:
    bad = [c for c in _containers(spec) if _context(c).get("procMount") not in (None, "Default")]
    if not bad:
        return None
    values = _quoted(sorted({_context(c)["procMount"] for c in bad}))
    names = [c.get("name", "") for c in bad]
    return Violation("procMount", f"{_named('container', names)} must not set securityContext.procMount to {values}")


def _selinux(allowed: frozenset[str], meta: Obj, spec: Obj) -> Violation | None:
    types: set[str] = set()
    others: list[str] = []

    def bad(context: Obj) -> bool:
        options = context.get("seLinuxOptions") or {}
        wrong_type = (options.get("type") or "") not in allowed
        if wrong_type:
            types.add(options["type"])
        wrong = [f"{name} may not be set" for name in ("user", "role") if options.get(name)]
        others.extend(w for w in wrong if w not in others)
        return wrong_type or bool(wrong)

    setters = _setters(spec, bad)
    if not setters:
        return None
    parts = [f"type{'s' if len(types) > 1 else ''} {_quoted(sorted(types))}"] if types else []
    parts += sorted(others, reverse=True)
    return Violation("seLinuxOptions", f"{setters} set forbidden securityContext.seLinuxOptions: {'; '.join(parts)}")


def _seccomp(meta: Obj, spec: Obj) -> Violation | None:
    setters = _setters(spec, lambda context: dig(context, "seccompProfile", "type") == "Unconfined")
    detail = f'{setters} must not set securityContext.seccompProfile.type to "Unconfined"'
    return Violation("seccompProfile", detail) if setters else None


def _seccomp_annotations(meta: Obj, spec: Obj) -> Violation | None:
    annotations = meta.get("annotations") or {}
    keys = {SECCOMP_OF_POD, *(seccomp_annotation(c.get("name", "")) for c in _containers(spec))}
    wrong = [
        f'{key}="{value}"'
        for key in sorted(keys & annotations.keys())
        if (value := annotations[key]) not in ("runtime/default", "docker/default")
        and not value.startswith("localhost/")
    ]
    noun = "annotation" if len(wrong) == 1 else "annotations"
    return Violation("seccompProfile", f"forbidden {noun} {', '.join(wrong)}") if wrong else None


def _sysctls(allowed: frozenset[str], meta: Obj, spec: Obj) -> Violation | None:
    names = [s.get("name", "") for s in _context(spec).get("sysctls") or () if s.get("name") not in allowed]
    return Violation("forbidden sysctls", ", ".join(names)) if names else None


def _host_process(meta: Obj, spec: Obj) -> Violation | None:
    setters = _setters(spec, lambda context: dig(context, "windowsOptions", "hostProcess") is True)
    detail = f"{setters} must not set securityContext.windowsOptions.hostProcess=true"
    return Violation("hostProcess", detail) if setters else None


# ---- restricted


def _escalation(meta: Obj, spec: Obj) -> Violation | None:
    names = _where(spec, lambda c: _context(c).get("allowPrivilegeEscalation") is not False)
    detail = f"{_named('container', names)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", detail) if names else None


def _dropped(meta: Obj, spec: Obj) -> Violation | None:
    names = _where(spec, lambda c: "ALL" not in dig(_context(c), "capabilities", "drop", default=[]))
    parts = [f'{_named("container", names)} must set securityContext.capabilities.drop=["ALL"]'] if names else []
    if added := _added(spec, frozenset({"NET_BIND_SERVICE"})):
        parts.append(added)
    return Violation("unrestricted capabilities", "; ".join(parts)) if parts else None


def _volumes(meta: Obj, spec: Obj) -> Violation | None:
    names: list[str] = []
    kinds: set[str] = set()
    for volume in spec.get("volumes") or ():
        wrong = {kind for kind, value in volume.items() if kind != "name" and value is not None} - _VOLUMES
        if wrong:
            names.append(volume.get("name", ""))
            kinds |= wrong
    if not names:
        return None
    verb = "use" if len(names) > 1 else "uses"
    noun = "restricted volume types" if len(kinds) > 1 else "restricted volume type"
    return Violation("restricted volume types", f"{_named('volume', names)} {verb} {noun} {_quoted(sorted(kinds))}")


def _lacking(spec: Obj, set_: Callable[[Obj], bool]) -> str:
    """Who lacks something that the pod may set for all: ``pod or container "a"``; '' for nobody."""
    if set_(_context(spec)):
        return ""
    names = _where(spec, lambda c: not set_(_context(c)))
    return f"pod or {_named('container', names)}" if names else ""


def _non_root(meta: Obj, spec: Obj) -> Violation | None:
    reason = "runAsNonRoot != true"
    names = _where(spec, lambda c: _context(c).get("runAsNonRoot") is False)
    setters = ["pod"] if _context(spec).get("runAsNonRoot") is False else []
    if names:
        setters.append(_named("container", names))
    if setters:
        return Violation(reason, f"{' and '.join(setters)} must not set securityContext.runAsNonRoot=false")
    lacking = _lacking(spec, lambda context: context.get("runAsNonRoot") is True)
    return Violation(reason, f"{lacking} must set securityContext.runAsNonRoot=true") if lacking else None


def _user(meta: Obj, spec: Obj) -> Violation | None:
    setters = _setters(spec, lambda context: context.get("runAsUser") == 0)
    return Violation("runAsUser=0", f"{setters} must not set runAsUser=0") if setters else None


def _seccomp_set(meta: Obj, spec: Obj) -> Violation | None:
    if (wrong := _seccomp(meta, spec)) is not None:
        return wrong
    lacking = _lacking(spec, lambda context: dig(context, "seccompProfile", "type") in ("RuntimeDefault", "Localhost"))
    detail = f'{lacking} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", detail) if lacking else None


class _Rule(NamedTuple):
    """A check, and how it changed: ``since`` holds minor versions, oldest first."""

    since: tuple[tuple[int, Check], ...]
    replaces: str = ""
    """The baseline rule that it is stricter than."""


_BASELINE: Final[dict[str, _Rule]] = {
    "appArmorProfile": _Rule(((0, _apparmor),)),
    "capabilities": _Rule(((0, _capabilities),)),
    "hostNamespaces": _Rule(((0, _host_namespaces),)),
    "hostPathVolumes": _Rule(((0, _host_path),)),
    "hostPorts": _Rule(((0, _host_ports),)),
    "hostProbesAndHostLifecycle": _Rule(((34, _probe_hosts),)),
    "privileged": _Rule(((0, _privileged),)),
    "procMount": _Rule(((0, _proc_mount), (35, partial(_not_in_user_namespaces, _proc_mount)))),
    "seLinuxOptions": _Rule(((0, partial(_selinux, _SELINUX_TYPES)), (31, partial(_selinux, _SELINUX_TYPES_31)))),
    "seccompProfile": _Rule(((0, _seccomp_annotations), (19, _seccomp))),
    "sysctls": _Rule(
        (
            (0, partial(_sysctls, _SYSCTLS)),
            (27, partial(_sysctls, _SYSCTLS_27)),
            (29, partial(_sysctls, _SYSCTLS_29)),
            (32, partial(_sysctls, _SYSCTLS_32)),
        )
    ),
    "windowsHostProcess": _Rule(((0, _host_process),)),
}
_RESTRICTED: Final = (
    _Rule(((8, _escalation), (25, partial(_not_on_windows, _escalation)))),
    _Rule(((22, _dropped), (25, partial(_not_on_windows, _dropped))), "capabilities"),
    _Rule(((35, _proc_mount),), "procMount"),
    _Rule(((0, _volumes),), "hostPathVolumes"),
    _Rule(((0, _non_root), (35, partial(_not_in_user_namespaces, _non_root)))),
    _Rule(((23, _user), (35, partial(_not_in_user_namespaces, _user)))),
    _Rule(((19, _seccomp_set), (25, partial(_not_on_windows, _seccomp_set))), "seccompProfile"),
)
NEWEST: Final = 35
"""The minor version in which a rule changed last: what ``latest`` and later versions come to."""


def _at(rule: _Rule, minor: int) -> Check | None:
    return next((check for since, check in reversed(rule.since) if since <= minor), None)


@lru_cache(maxsize=128)
def _checks(level: str, minor: int) -> tuple[Check, ...]:
    """What a level asks for in a version, in the order in which it is told."""
    if level == "privileged":
        return ()
    stricter = [rule for rule in _RESTRICTED if level == "restricted" and _at(rule, minor) is not None]
    replaced = {rule.replaces for rule in stricter}
    rules = [rule for name, rule in _BASELINE.items() if name not in replaced] + stricter
    return tuple(check for rule in rules if (check := _at(rule, minor)) is not None)


def violations(level: str, metadata: Obj, spec: Obj, minor: int = NEWEST) -> list[Violation]:
    """What a pod does that ``level`` forbids, in upstream's order.

    :param minor: the minor version whose standards count
    """
    checks = _checks(level, min(minor, NEWEST))
    return [found for check in checks if (found := check(metadata, spec)) is not None]
