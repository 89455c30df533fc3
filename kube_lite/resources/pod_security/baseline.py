"""What ``baseline`` forbids: known ways out of a container."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.pod_security.rules import (
    Rule,
    Violation,
    containers,
    context_of,
    named,
    not_in_user_namespaces,
    quoted,
    users,
    where,
    who_sets,
)

_SECCOMP: Final = "container.seccomp.security.alpha.kubernetes.io/"
SECCOMP_OF_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
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


def seccomp_annotation(container: str) -> str:
    """The annotation that gave a container its profile before there was a field."""
    return _SECCOMP + container


def _apparmor(meta: Obj, spec: Obj) -> Violation | None:
    def bad(context: Obj) -> bool:
        return bool(dig(context, "appArmorProfile", "type") == "Unconfined")

    setters = [who] if (who := who_sets(spec, bad)) else []
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
    return Violation(reason, f"{' and '.join(setters)} must not set AppArmor profile type to {quoted(values)}")


def added_capabilities(spec: Obj, allowed: frozenset[str]) -> str:
    """Which containers add capabilities that are not allowed, and which ones; '' for none."""
    names, forbidden = [], set()
    for container in containers(spec):
        wrong = set(dig(context_of(container), "capabilities", "add", default=[])) - allowed
        if wrong:
            names.append(container.get("name", ""))
            forbidden |= wrong
    if not names:
        return ""
    listed = quoted(sorted(forbidden))
    return f"{named('container', names)} must not include {listed} in securityContext.capabilities.add"


def _capabilities(meta: Obj, spec: Obj) -> Violation | None:
    detail = added_capabilities(spec, _CAPABILITIES)
    return Violation("non-default capabilities", detail) if detail else None


def _host_namespaces(meta: Obj, spec: Obj) -> Violation | None:
    shared = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def _host_path(meta: Obj, spec: Obj) -> Violation | None:
    names = [v.get("name", "") for v in spec.get("volumes") or () if v.get("hostPath") is not None]
    return Violation("hostPath volumes", named("volume", names)) if names else None


def _host_ports(meta: Obj, spec: Obj) -> Violation | None:
    def used(container: Obj) -> set[str]:
        return {str(p["hostPort"]) for p in container.get("ports") or () if p.get("hostPort")}

    detail = users("container", containers(spec), "hostPort", used, ", ".join)
    return Violation("hostPort", detail) if detail else None


def _hosts(container: Obj) -> Iterator[str]:
    handlers = [container.get(kind) for kind in ("livenessProbe", "readinessProbe", "startupProbe")]
    handlers += [dig(container, "lifecycle", when) for when in ("postStart", "preStop")]
    for handler in handlers:
        for kind in ("httpGet", "tcpSocket"):
            if host := dig(handler, kind, "host"):
                yield host


def _probe_hosts(meta: Obj, spec: Obj) -> Violation | None:
    by_name = sorted(containers(spec), key=lambda c: str(c.get("name", "")))
    detail = users("container", by_name, "probe or lifecycle host", lambda c: set(_hosts(c)))
    return Violation("probe or lifecycle host", detail) if detail else None


def _privileged(meta: Obj, spec: Obj) -> Violation | None:
    names = where(spec, lambda c: context_of(c).get("privileged") is True)
    detail = f"{named('container', names)} must not set securityContext.privileged=true"
    return Violation("privileged", detail) if names else None


def proc_mount(meta: Obj, spec: Obj) -> Violation | None:
    """/proc stays masked."""
    bad = [c for c in containers(spec) if context_of(c).get("procMount") not in (None, "Default")]
    if not bad:
        return None
    values = quoted(sorted({context_of(c)["procMount"] for c in bad}))
    names = [c.get("name", "") for c in bad]
    return Violation("procMount", f"{named('container', names)} must not set securityContext.procMount to {values}")


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

    setters = who_sets(spec, bad)
    if not setters:
        return None
    parts = [f"type{'s' if len(types) > 1 else ''} {quoted(sorted(types))}"] if types else []
    parts += sorted(others, reverse=True)
    return Violation("seLinuxOptions", f"{setters} set forbidden securityContext.seLinuxOptions: {'; '.join(parts)}")


def seccomp(meta: Obj, spec: Obj) -> Violation | None:
    """Nobody asks to be unconfined."""
    setters = who_sets(spec, lambda context: dig(context, "seccompProfile", "type") == "Unconfined")
    detail = f'{setters} must not set securityContext.seccompProfile.type to "Unconfined"'
    return Violation("seccompProfile", detail) if setters else None


def _seccomp_annotations(meta: Obj, spec: Obj) -> Violation | None:
    annotations = meta.get("annotations") or {}
    keys = {SECCOMP_OF_POD, *(seccomp_annotation(c.get("name", "")) for c in containers(spec))}
    wrong = [
        f'{key}="{value}"'
        for key in sorted(keys & annotations.keys())
        if (value := annotations[key]) not in ("runtime/default", "docker/default")
        and not value.startswith("localhost/")
    ]
    noun = "annotation" if len(wrong) == 1 else "annotations"
    return Violation("seccompProfile", f"forbidden {noun} {', '.join(wrong)}") if wrong else None


def _sysctls(allowed: frozenset[str], meta: Obj, spec: Obj) -> Violation | None:
    names = [s.get("name", "") for s in context_of(spec).get("sysctls") or () if s.get("name") not in allowed]
    return Violation("forbidden sysctls", ", ".join(names)) if names else None


def _host_process(meta: Obj, spec: Obj) -> Violation | None:
    setters = who_sets(spec, lambda context: dig(context, "windowsOptions", "hostProcess") is True)
    detail = f"{setters} must not set securityContext.windowsOptions.hostProcess=true"
    return Violation("hostProcess", detail) if setters else None


RULES: Final[dict[str, Rule]] = {
    "appArmorProfile": Rule(((0, _apparmor),)),
    "capabilities": Rule(((0, _capabilities),)),
    "hostNamespaces": Rule(((0, _host_namespaces),)),
    "hostPathVolumes": Rule(((0, _host_path),)),
    "hostPorts": Rule(((0, _host_ports),)),
    "hostProbesAndHostLifecycle": Rule(((34, _probe_hosts),)),
    "privileged": Rule(((0, _privileged),)),
    "procMount": Rule(((0, proc_mount), (35, partial(not_in_user_namespaces, proc_mount)))),
    "seLinuxOptions": Rule(((0, partial(_selinux, _SELINUX_TYPES)), (31, partial(_selinux, _SELINUX_TYPES_31)))),
    "seccompProfile": Rule(((0, _seccomp_annotations), (19, seccomp))),
    "sysctls": Rule(
        (
            (0, partial(_sysctls, _SYSCTLS)),
            (27, partial(_sysctls, _SYSCTLS_27)),
            (29, partial(_sysctls, _SYSCTLS_29)),
            (32, partial(_sysctls, _SYSCTLS_32)),
        )
    ),
    "windowsHostProcess": Rule(((0, _host_process),)),
}
