"""What a pod is given where it says nothing.

Two passes as upstream has them: :func:`default_pod_spec` fills what every PodSpec gets, in templates too;
:func:`default_pod` adds what only a Pod itself gets (upstream's ``SetDefaults_Pod``), so that templates of old
workloads do not change when a default is added.

Fields of features that are off by default in v1.36 go here as well: upstream drops them when an object is prepared,
unless it had them before, and here none ever had (``stopSignal``, ``schedulingGroup``, two sorts of projections).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kube_lite.resources import quantity
from kube_lite.resources.kinds.pod.requirements import HUGE_PAGES, POD_RESOURCES
from kube_lite.resources.meta import Obj
from kube_lite.resources.pod_resources import container_total
from kube_lite.resources.remembered import remembered

GRACE_PERIOD = 30
"""Seconds between SIGTERM and SIGKILL (upstream's DefaultTerminationGracePeriodSeconds)."""

FILE_MODE = 0o644
"""Mode of projected files."""

TOKEN_LIFETIME = 3600
"""Seconds a projected service account token lives."""

_REFERENCE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/|\[[0-9a-fA-F:]+\](?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?P<digest>@[A-Za-z][A-Za-z0-9+.-]*:[0-9a-fA-F]{32,})?"
)
"""An image reference, after the grammar of distribution/reference."""
_IDENTIFIER = re.compile(r"[0-9a-f]{64}")
"""An image's identifier, which is no reference."""


MAX_IMAGE_NAME = 255
"""Characters of a repository's name with the registry."""


@remembered(2048)
def pull_policy(image: str) -> str:
    """``Always`` for the tag ``latest``, which is also meant where neither tag nor digest is given."""
    parts = _REFERENCE.fullmatch(image)
    if (
        parts is None
        or _IDENTIFIER.fullmatch(image)
        or _name_length(image[: len(image) - len(parts["tag"] or "") - len(parts["digest"] or "")]) > MAX_IMAGE_NAME
    ):
        return "IfNotPresent"
    untagged = parts["tag"] is None and parts["digest"] is None
    return "Always" if untagged or parts["tag"] == ":latest" else "IfNotPresent"


def _name_length(name: str) -> int:
    """Characters of a repository's full name: a longer one than the limit is no reference (distribution/reference)."""
    first, slash, _ = name.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        return len(name)
    return len("docker.io/") + (0 if slash else len("library/")) + len(name)


def default_resource_list(amounts: dict[str, str]) -> None:
    """Round what is finer than a thousandth up, as upstream does."""
    for name, text in amounts.items():
        if text[-1:] in ("n", "u"):
            amounts[name] = f"{quantity.milli(text)}m"


def _default_http_get(action: Obj) -> None:
    if not action.get("path"):
        action["path"] = "/"
    if not action.get("scheme"):
        action["scheme"] = "HTTP"


_PROBE_NUMBERS = (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3))


def default_probe(probe: Obj) -> None:
    """Times and thresholds of a probe, and its handler."""
    for name, value in _PROBE_NUMBERS:
        if not probe.get(name):
            probe[name] = value
    if (action := probe.get("httpGet")) is not None:
        _default_http_get(action)
    if (grpc := probe.get("grpc")) is not None:
        grpc.setdefault("service", "")


def _default_field_source(source: Obj) -> None:
    """``fieldRef`` and ``resourceFieldRef``, in environment and volumes."""
    if (ref := source.get("fieldRef")) is not None:
        if not ref.get("apiVersion"):
            ref["apiVersion"] = "v1"
    elif (ref := source.get("resourceFieldRef")) is not None:
        ref.setdefault("divisor", "0")


def default_container(container: Obj) -> None:
    """A container, init container or ephemeral container."""
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image", ""))
    if not container.get("terminationMessagePath"):
        container["terminationMessagePath"] = "/dev/termination-log"
    if not container.get("terminationMessagePolicy"):
        container["terminationMessagePolicy"] = "File"
    resources = container.setdefault("resources", {})
    if resources:
        for name in ("limits", "requests"):
            if amounts := resources.get(name):
                default_resource_list(amounts)
    for port in container.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
    for variable in container.get("env") or ():
        if (source := variable.get("valueFrom")) is not None:
            _default_field_source(source)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (probe := container.get(name)) is not None:
            default_probe(probe)
    if (lifecycle := container.get("lifecycle")) is not None:
        for handler in lifecycle.values():
            if isinstance(handler, dict) and (action := handler.get("httpGet")) is not None:
                _default_http_get(action)
        if lifecycle.pop("stopSignal", None) is not None and not lifecycle:
            del container["lifecycle"]


def _mode(source: Obj) -> None:
    source.setdefault("defaultMode", FILE_MODE)


def _downward(source: Obj) -> None:
    _mode(source)
    for item in source.get("items") or ():
        _default_field_source(item)


_OFF_PROJECTIONS = ("clusterTrustBundle", "podCertificate")


def _projected(source: Obj) -> None:
    _mode(source)
    for part in source.get("sources") or ():
        for name in _OFF_PROJECTIONS:
            if name in part:
                del part[name]
        if (token := part.get("serviceAccountToken")) is not None:
            token.setdefault("expirationSeconds", TOKEN_LIFETIME)
        for item in (part.get("downwardAPI") or {}).get("items") or ():
            _default_field_source(item)


def _constants(**values: Any) -> Callable[[Obj], None]:
    def apply(source: Obj) -> None:
        for name, value in values.items():
            if source.get(name) in (None, ""):
                source[name] = value

    return apply


def _pointers(**values: Any) -> Callable[[Obj], None]:
    """As :func:`_constants`, for fields whose empty string says something, if only something wrong."""

    def apply(source: Obj) -> None:
        for name, value in values.items():
            source.setdefault(name, value)

    return apply


def _image(source: Obj) -> None:
    if not source.get("pullPolicy"):
        source["pullPolicy"] = pull_policy(source.get("reference", ""))


def default_claim_spec(spec: Obj) -> None:
    """A claim's spec: file system volumes unless said otherwise."""
    spec.setdefault("volumeMode", "Filesystem")
    spec.setdefault("resources", {})
    for name in ("limits", "requests"):
        if amounts := (spec.get("resources") or {}).get(name):
            default_resource_list(amounts)


def _ephemeral(source: Obj) -> None:
    if (template := source.get("volumeClaimTemplate")) is not None:
        template.setdefault("metadata", {})
        default_claim_spec(template.setdefault("spec", {}))


VOLUME_DEFAULTS: dict[str, Callable[[Obj], None]] = {
    "secret": _mode,
    "configMap": _mode,
    "downwardAPI": _downward,
    "projected": _projected,
    "hostPath": lambda source: source.setdefault("type", "") and None,
    "iscsi": _constants(iscsiInterface="default"),
    "rbd": _constants(pool="rbd", user="admin", keyring="/etc/ceph/keyring"),
    "azureDisk": _pointers(cachingMode="ReadWrite", kind="Shared", fsType="ext4", readOnly=False),
    "scaleIO": _constants(storageMode="ThinProvisioned", fsType="xfs"),
    "image": _image,
    "ephemeral": _ephemeral,
}
"""What a volume source is given, by its field name; persistent volumes share it."""


def default_volume(volume: Obj) -> None:
    """A volume's source; one that names none is an emptyDir."""
    if not any(name != "name" for name in volume):
        volume["emptyDir"] = {}
        return
    for name, source in volume.items():
        if (fill := VOLUME_DEFAULTS.get(name)) is not None and isinstance(source, dict):
            fill(source)


def default_pod_spec(spec: Obj) -> None:
    """What every PodSpec gets."""
    if not spec.get("dnsPolicy"):
        spec["dnsPolicy"] = "ClusterFirst"
    if not spec.get("restartPolicy"):
        spec["restartPolicy"] = "Always"
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", GRACE_PERIOD)
    if not spec.get("schedulerName"):
        spec["schedulerName"] = "default-scheduler"
    # serviceAccount is the old name of serviceAccountName; both are always shown.
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for name in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(name) or ():
            default_container(container)
    for volume in spec.get("volumes") or ():
        default_volume(volume)
    if overhead := spec.get("overhead"):
        default_resource_list(overhead)
    if "schedulingGroup" in spec:
        del spec["schedulingGroup"]


def _default_pod_resources(spec: Obj) -> None:
    """What the pod as a whole asks for and may use, where it states a part of that and its containers the rest."""
    resources = spec["resources"]
    if not resources.get("limits") and not resources.get("requests"):
        return
    limits, requests = dict(resources.get("limits") or {}), dict(resources.get("requests") or {})
    bounds = container_total(spec, "limits")
    for name, total in bounds.items():
        if name.startswith(HUGE_PAGES) and name not in requests:
            limits.setdefault(name, str(total))
    if limits:
        for name, total in container_total(spec, "requests").items():
            if name in POD_RESOURCES:
                requests.setdefault(name, str(total))
        for name, text in limits.items():
            if name in POD_RESOURCES or name.startswith(HUGE_PAGES):
                requests.setdefault(name, text)
    for name in () if limits else POD_RESOURCES & bounds.keys():
        if all(name in c["resources"].get("limits", {}) for part in _LIMITED for c in spec.get(part) or ()):
            limits[name] = str(bounds[name])
    for part, amounts in (("limits", limits), ("requests", requests)):
        if amounts:
            resources[part] = amounts


_LIMITED = ("containers", "initContainers")


def default_host_ports(spec: Obj) -> None:
    """On the node's own network every port is the node's."""
    if not spec.get("hostNetwork"):
        return
    for name in ("containers", "initContainers"):
        for container in spec.get(name) or ():
            for port in container.get("ports") or ():
                if not port.get("hostPort"):
                    port["hostPort"] = port.get("containerPort", 0)


def default_pod(pod: Obj) -> None:
    """What a Pod gets: everything of its spec, and requests where only limits are given."""
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    for name in ("containers", "initContainers"):
        for container in spec.get(name) or ():
            if limits := container["resources"].get("limits"):
                container["resources"]["requests"] = {**limits, **container["resources"].get("requests", {})}
    if "resources" in spec:
        _default_pod_resources(spec)
    spec.setdefault("enableServiceLinks", True)
    state = pod.get("status") or {}
    address, addresses = state.get("podIP"), state.get("podIPs")
    if address and (not addresses or addresses[0].get("ip") != address):
        state["podIPs"] = [{"ip": address}]  # two spellings of one value; the older one counts
    elif addresses and not address and (first := addresses[0].get("ip")):
        state["podIP"] = first
    default_host_ports(spec)
    pod.setdefault("status", {})
