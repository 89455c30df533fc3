"""Validation of a PodSpec, in upstream's order (``pkg/apis/core/validation``, ValidatePodSpec)."""

from __future__ import annotations

from typing import Any

from kube_lite.resources import names, quantity
from kube_lite.resources.addresses import address_errors
from kube_lite.resources.field import (
    Errors,
    child,
    duplicate,
    forbidden,
    index,
    invalid,
    not_supported,
    required,
    too_long,
)
from kube_lite.resources.kinds.configmap import NO_PATH
from kube_lite.resources.kinds.pod.apparmor import validate_apparmor
from kube_lite.resources.kinds.pod.containers import (
    PodFacts,
    validate_containers,
    validate_ephemeral_containers,
    validate_images_of_a_pod,
    validate_init_containers,
)
from kube_lite.resources.kinds.pod.each import LISTS, each_container
from kube_lite.resources.kinds.pod.lifecycle import RESTART_POLICIES
from kube_lite.resources.kinds.pod.requirements import HUGE_PAGES, validate_requirements
from kube_lite.resources.kinds.pod.scheduling import (
    validate_affinity,
    validate_gates,
    validate_spread_constraints,
    validate_tolerations,
)
from kube_lite.resources.kinds.pod.seccomp import validate_seccomp
from kube_lite.resources.kinds.pod.security import validate_pod_security
from kube_lite.resources.kinds.pod.volumes import validate_volumes
from kube_lite.resources.kinds.pod.windows import validate_host_process, validate_os
from kube_lite.resources.meta import Obj
from kube_lite.resources.metadata import validate_labels
from kube_lite.resources.pod_resources import container_total
from kube_lite.resources.rules import dns_label, dns_subdomain

DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_BAD_IP = "must be valid IP address"
MAX_NAMESERVERS = 3
"""As many as glibc reads."""
MAX_SEARCHES = 32
MAX_SEARCH_TEXT = 2048
MAX_DEADLINE = 2**31 - 1
MAX_HOSTNAME = 64
"""Bytes of a hostname in the Linux kernel (HOST_NAME_MAX)."""
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
MIRROR = "kubernetes.io/config.mirror"
"""Of a pod that its node runs whatever the API says."""


def _dns_config(spec: Obj, path: str) -> Errors:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [required(child(path, "nameservers"), detail)]
    if not config:
        return []
    found: Errors = []
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    at = child(path, "nameservers")
    if len(servers) > MAX_NAMESERVERS:
        found.append(invalid(at, servers, f"must not have more than {MAX_NAMESERVERS} nameservers"))
    for i, server in enumerate(servers):
        found.extend(address_errors(server, index(at, i), _BAD_IP))
    at = child(path, "searches")
    if len(searches) > MAX_SEARCHES:
        found.append(invalid(at, searches, f"must not have more than {MAX_SEARCHES} search paths"))
    if len(" ".join(searches)) > MAX_SEARCH_TEXT:
        detail = f"must not have more than {MAX_SEARCH_TEXT} characters (including spaces) in the search list"
        found.append(invalid(at, searches, detail))
    for i, search in enumerate(searches):
        if search == ".":
            continue
        trimmed = search.removesuffix(".")
        found.extend(invalid(index(at, i), trimmed, p) for p in names.dns_subdomain_with_underscore(trimmed))
    for i, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            found.append(required(index(child(path, "options"), i), "must not be empty"))
    return found


def _host_network_ports(spec: Obj, path: str, is_pod: bool) -> Errors:
    """On the node's network a port is the node's port; a template may leave saying so to the pod."""
    found: Errors = []
    for i, container in enumerate(spec.get("containers") or ()):
        for j, port in enumerate(container.get("ports") or ()):
            host = port.get("hostPort", 0)
            if host != port.get("containerPort", 0) and (is_pod or host):
                at = child(index(child(index(child(path, "containers"), i), "ports"), j), "containerPort")
                shown = port.get("containerPort", 0)
                found.append(invalid(at, shown, "must match `hostPort` when `hostNetwork` is true"))
    return found


_OWN_USERS = "when `hostUsers` is false"


def _security(spec: Obj, path: str, is_pod: bool) -> Errors:
    found: Errors = []
    if spec.get("hostNetwork"):
        found.extend(_host_network_ports(spec, path, is_pod))
    if spec.get("hostUsers") is False:
        for name, told in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
            if spec.get(name):  # spelt as upstream's errors do
                found.append(forbidden(child(path, told), _OWN_USERS))
        for container, at in each_container(spec, path):
            if container.get("volumeDevices"):
                found.append(forbidden(child(at, "volumeDevices"), _OWN_USERS))
    context = spec.get("securityContext") or {}
    if context or spec.get("shareProcessNamespace"):  # which is part of that context in upstream's rules
        found.extend(validate_pod_security(spec, context, child(path, "securityContext")))
    if "windowsOptions" in context or _has_windows_options(spec):
        found.extend(validate_host_process(spec, path))
    return found


def _has_windows_options(spec: Obj) -> bool:
    for name in LISTS:
        for container in spec.get(name) or ():
            if (context := container.get("securityContext")) and "windowsOptions" in context:
                return True
    return False


def _claims(spec: Obj, path: str) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for i, claim in enumerate(spec.get("resourceClaims") or ()):
        at = index(child(path, "resourceClaims"), i)
        name = claim.get("name", "")
        if not name:
            found.append(required(child(at, "name")))
        elif name in seen:
            found.append(duplicate(child(at, "name"), name))
        else:
            found.extend(dns_label(name, child(at, "name")))
        seen.add(name)
        given = [n for n in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(n) is not None]
        if len(given) > 1:
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            found.append(invalid(at, claim, detail))
        elif not given:
            detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            found.append(invalid(at, claim, detail))
        for n in given:
            found.extend(dns_subdomain(claim[n], child(at, n)))
    return found


def _pod_level_resources(spec: Obj, path: str) -> Errors:
    """``spec.resources``: its requests bear those of the containers together, its limits each of theirs."""
    resources = spec["resources"]
    if (spec.get("os") or {}).get("name") == "windows":
        return [forbidden(path, "may not be set for a windows pod")]
    found: Errors = []
    if resources.get("claims") is not None:
        found.append(forbidden(child(path, "claims"), "claims cannot be set for Resources at pod-level"))
    found.extend(validate_requirements(resources, path, whole_pod=True))
    asked, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for name, total in container_total(spec, "requests").items():
        text = asked.get(name)
        if text is not None and quantity.parse(text) < total:
            detail = f"must be greater than or equal to aggregate container requests of {total}"
            found.append(invalid(f"{path}.requests[{name}]", text, detail))
    for name, total in container_total(spec, "limits").items():
        if name.startswith(HUGE_PAGES) and name in limits and quantity.parse(limits[name]) < total:
            detail = f"must be greater than or equal to aggregate container limits of {total}"
            found.append(invalid(f"{path}.limits[{name}]", limits[name], detail))
    for i, container in enumerate(spec.get("containers") or ()):
        for name, text in ((container.get("resources") or {}).get("limits") or {}).items():
            if name in limits and quantity.parse(text) > quantity.parse(limits[name]):
                at = f"{path}.containers[{i}][{name}].limits"
                found.append(invalid(at, text, f"must be less than or equal to pod limits of {limits[name]}"))
    return found


def _placement(spec: Obj, path: str) -> Errors:
    found: Errors = []
    if affinity := spec.get("affinity"):
        found.extend(validate_affinity(affinity, child(path, "affinity")))
    if "dnsConfig" in spec or spec.get("dnsPolicy") == "None":
        found.extend(_dns_config(spec, child(path, "dnsConfig")))
    if "readinessGates" in spec or "schedulingGates" in spec:
        found.extend(validate_gates(spec, path))
    if constraints := spec.get("topologySpreadConstraints"):
        found.extend(validate_spread_constraints(constraints, child(path, "topologySpreadConstraints")))
    return found


def _identity(spec: Obj, path: str) -> Errors:
    """Names that a pod goes by, or refers to."""
    found: Errors = []
    if account := spec.get("serviceAccountName"):
        found.extend(dns_subdomain(account, child(path, "serviceAccountName")))
    if node := spec.get("nodeName"):
        found.extend(dns_subdomain(node, child(path, "nodeName")))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= MAX_DEADLINE:
        found.append(invalid(child(path, "activeDeadlineSeconds"), deadline, names.in_range(1, MAX_DEADLINE)))
    for name in ("hostname", "subdomain"):
        if text := spec.get(name):
            found.extend(dns_label(text, child(path, name)))
    if (text := spec.get("hostnameOverride")) is not None:
        found.extend(_whole_hostname(spec, text, path))
    return found


def _whole_hostname(spec: Obj, text: str, path: str) -> Errors:
    """A name that stands for the whole, as the kernel keeps it; nothing else may ask for one."""
    at = child(path, "hostnameOverride")
    found = [
        forbidden(at, f"may not be specified when {name} is true")
        for name in ("setHostnameAsFQDN", "hostNetwork")
        if spec.get(name)
    ]
    if len(text) > MAX_HOSTNAME:
        found.append(too_long(at, MAX_HOSTNAME))
    return found + dns_subdomain(text, at)


def _rest(spec: Obj, path: str) -> Errors:
    found: Errors = []
    if tolerations := spec.get("tolerations"):
        found.extend(validate_tolerations(tolerations, child(path, "tolerations")))
    for alias in spec.get("hostAliases") or ():
        at = child(path, "hostAliases")
        found.extend(address_errors(alias.get("ip", ""), child(at, "ip"), _BAD_IP))
        for hostname in alias.get("hostnames") or ():
            found.extend(dns_subdomain(hostname, child(at, "hostnames")))
    if name := spec.get("priorityClassName"):
        found.extend(dns_subdomain(name, child(path, "priorityClassName")))
    if (name := spec.get("runtimeClassName")) is not None:
        found.extend(dns_subdomain(name, child(path, "runtimeClassName")))
    if overhead := spec.get("overhead"):
        for error in validate_requirements({"limits": overhead}, child(path, "overhead")):
            found.append(error)
    policy = spec.get("preemptionPolicy")
    if policy is not None and policy not in ("Never", "PreemptLowerPriority"):
        at, choices = child(path, "preemptionPolicy"), ("PreemptLowerPriority", "Never")
        found.append(not_supported(at, policy, choices) if policy else required(at))
    if spec.get("os") is not None:
        found.extend(validate_os(spec, path))
    return found


def _facts(spec: Obj, volumes: dict[str, Obj]) -> PodFacts:
    return PodFacts(
        volumes=volumes,
        claims=[claim.get("name", "") for claim in spec.get("resourceClaims") or ()],
        grace_period=spec.get("terminationGracePeriodSeconds", 30),
        restart_policy=spec.get("restartPolicy", ""),
        host_users=spec.get("hostUsers") is not False,
    )


def validate_pod_spec(spec: Obj, path: str, *, is_pod: bool = True, pod: str = "") -> Errors:
    """Validate a defaulted PodSpec, of a pod of that name or (``is_pod`` false) of a template."""
    found, volumes = validate_volumes(spec.get("volumes") or [], child(path, "volumes"), pod)
    if "resourceClaims" in spec:
        found.extend(_claims(spec, path))
    facts = _facts(spec, volumes)
    containers, init = spec.get("containers") or [], spec.get("initContainers") or []
    found.extend(validate_containers(containers, child(path, "containers"), facts))
    if init:
        found.extend(validate_init_containers(init, containers, child(path, "initContainers"), facts))
    if ephemeral := spec.get("ephemeralContainers"):
        at = child(path, "ephemeralContainers")
        found.extend(validate_ephemeral_containers(ephemeral, containers, init, at, facts))
    if spec.get("resources"):
        found.extend(_pod_level_resources(spec, child(path, "resources")))
    policy = spec.get("restartPolicy", "")
    if policy not in RESTART_POLICIES:
        at = child(path, "restartPolicy")
        found.append(not_supported(at, policy, RESTART_POLICIES) if policy else required(at))
    policy = spec.get("dnsPolicy", "")
    if policy not in DNS_POLICIES:
        at = child(path, "dnsPolicy")
        found.append(not_supported(at, policy, DNS_POLICIES) if policy else required(at))
    if selector := spec.get("nodeSelector"):
        found.extend(validate_labels(selector, child(path, "nodeSelector")))
    found.extend(_security(spec, path, is_pod))
    found.extend(_placement(spec, path))
    found.extend(_identity(spec, path))
    found.extend(_rest(spec, path))
    return found


def validate_pod_annotations(
    meta: dict[str, Any], spec: Obj, path: str = "metadata", spec_path: str = "spec"
) -> Errors:
    """Annotations of a pod that Kubernetes itself reads."""
    annotations = meta.get("annotations")
    if not annotations:
        return []
    found: Errors = []
    at = child(path, "annotations")
    if MIRROR in annotations and not spec.get("nodeName"):
        detail = "must set spec.nodeName if mirror pod annotation is set"
        found.append(invalid(f"{at}[{MIRROR}]", annotations[MIRROR], detail))
    if MIRROR in annotations and spec.get("resourceClaims"):
        found.append(forbidden(NO_PATH, "static pods do not support resource claims"))
    if (cost := annotations.get(DELETION_COST)) is not None:
        digits = cost.removeprefix("-")
        plain = digits.isdecimal() and digits.isascii() and (digits == "0" or not digits.startswith("0"))
        if not plain or not -(2**31) <= int(cost) < 2**31:
            found.append(invalid(f"{at}[{DELETION_COST}]", cost, "must be a 32bit integer"))
    found.extend(validate_seccomp(annotations, spec, at, spec_path))
    found.extend(validate_apparmor(annotations, spec, at, spec_path))
    return found


def validate_whole_pod_spec(spec: Obj, pod: str = "") -> Errors:
    """Validate the spec of a pod of that name, with what holds for pods only and not for templates."""
    found = validate_pod_spec(spec, "spec", pod=pod)
    if not spec.get("serviceAccountName"):
        for i, volume in enumerate(spec.get("volumes") or ()):
            at = child(child(index("spec.volumes", i), "projected"), "sources")
            for j, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
                if source.get("serviceAccountToken") is not None:
                    detail = "must not be specified when serviceAccountName is not set"
                    found.append(forbidden(child(index(at, j), "serviceAccountToken"), detail))
    found.extend(validate_images_of_a_pod(spec.get("containers") or [], "spec.containers"))
    found.extend(validate_images_of_a_pod(spec.get("initContainers") or [], "spec.initContainers"))
    return found


def validate_pod(pod: Obj) -> Errors:
    """Validate a new pod, metadata apart."""
    spec = pod.get("spec") or {}
    meta = pod.get("metadata") or {}
    found = validate_pod_annotations(meta, spec)
    found.extend(validate_whole_pod_spec(spec, meta.get("name") or ""))
    if spec.get("ephemeralContainers"):
        found.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("schedulingGates") and spec.get("nodeName"):
        found.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    return found
