"""What is legal in a pod, but most likely not what its author means: texts of Warning headers, which kubectl prints.

Upstream's ``pkg/api/pod/warnings.go``. Asked of every new pod, so each rule looks first whether its field is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from kube_lite.resources import names, quantity
from kube_lite.resources.field import child, index, key, show
from kube_lite.resources.ip_warnings import ip_warnings
from kube_lite.resources.kinds.pod import apparmor, seccomp
from kube_lite.resources.kinds.pod.each import LISTS, each_container
from kube_lite.resources.meta import Obj
from kube_lite.resources.remembered import remembered

Texts = list[str]

DEPRECATED_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
"""Labels of nodes that newer ones stand for."""

_DEPRECATED_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
DEPRECATED_VOLUMES = {
    "photonPersistentDisk": "photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "scaleIO: deprecated in v1.16, non-functional in v1.22+",
    "flocker": "flocker: deprecated in v1.22, non-functional in v1.25+",
    "storageos": "storageOS: deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "quobyte: deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "glusterfs: deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "cephfs: deprecated in v1.28, non-functional in v1.31+",
    "rbd": "rbd: deprecated in v1.28, non-functional in v1.31+",
}
"""By the field of the volume: how the path ends, and since when."""
_NO_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NO_SELECTOR = "a null labelSelector results in matching no pod"
_WHOLE = ("memory", "ephemeral-storage")
"""Resources counted in bytes, which have no fractions."""


def pod_warnings(new: Obj, old: Obj | None) -> Texts:
    """About a new pod; people do not change pods themselves, so changes are not looked at."""
    if old is not None:
        return []
    meta = new.get("metadata") or {}
    found: Texts = []
    if problems := names.dns_label(meta.get("name") or ""):
        told = " ".join(problems)
        hostname = "this is used in the Pod's hostname, which can result in surprising behavior"
        found.append(f"metadata.name: {hostname}; a DNS label is recommended: [{told}]")
    return found + _warnings(new.get("spec") or {}, meta, "")


def template_warnings(template: Obj | None, path: str) -> Texts:
    """About the pods of a workload, whose template is at ``path``."""
    if not template:
        return []
    return _warnings(template.get("spec") or {}, template.get("metadata") or {}, path)


def claim_spec_warnings(spec: Obj, path: str) -> Texts:
    """About a claim's sizes, of a claim or of an ephemeral volume."""
    resources = spec.get("resources") or {}
    return [
        text
        for part in ("requests", "limits")
        for text in _fractions(resources.get(part), child(child(path, "resources"), part), ("storage",))
    ]


def selector_warnings(selector: Obj, path: str) -> Texts:
    """About the labels that the expressions of a selector name."""
    return list(_expressions(selector, path))


def term_warnings(terms: Iterable[Obj], path: str) -> Texts:
    """About the labels that terms of a node selector name."""
    return [text for i, term in enumerate(terms) for text in _expressions(term, index(path, i))]


def _warnings(spec: Obj, meta: Obj, path: str) -> Texts:
    at = child(path, "spec")
    found: Texts = []
    if selector := spec.get("nodeSelector"):
        where = child(at, "nodeSelector")
        found.extend(f"{key(where, k)}: {DEPRECATED_LABELS[k]}" for k in selector if k in DEPRECATED_LABELS)
    affinity = spec.get("affinity")
    if affinity:
        found.extend(_node_affinity(affinity.get("nodeAffinity") or {}, child(child(at, "affinity"), "nodeAffinity")))
    if constraints := spec.get("topologySpreadConstraints"):
        found.extend(_spread(constraints, child(at, "topologySpreadConstraints")))
    annotations = meta.get("annotations")
    if annotations:
        found.extend(_annotations(annotations, spec, path))
    if volumes := spec.get("volumes"):
        found.extend(_volumes(volumes, child(at, "volumes")))
    found.extend(_lists(spec, at))
    if overhead := spec.get("overhead"):
        found.extend(_fractions(overhead, child(at, "overhead"), _WHOLE))
    found.extend(_containers(spec, at))
    for i, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        found.extend(ip_warnings(server, index(child(child(at, "dnsConfig"), "nameservers"), i)))
    for i, alias in enumerate(spec.get("hostAliases") or ()):
        found.extend(ip_warnings(alias.get("ip", ""), child(index(child(at, "hostAliases"), i), "ip")))
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        detail = "must be >= 0; negative values are invalid and will be treated as 1"
        found.append(f"{child(at, 'terminationGracePeriodSeconds')}: {detail}")
    if affinity:
        for name in ("podAffinity", "podAntiAffinity"):
            found.extend(_pod_affinity(affinity.get(name) or {}, child(child(at, "affinity"), name)))
    return found


def _expressions(term: Obj, path: str, *, values: bool = False) -> Iterator[str]:
    """``values`` asks for values that no label can have; only where those are no errors."""
    for i, expression in enumerate(term.get("matchExpressions") or ()):
        at, label = index(child(path, "matchExpressions"), i), expression.get("key", "")
        if label in DEPRECATED_LABELS:
            yield f"{child(at, 'key')}: {label} is {DEPRECATED_LABELS[label]}"
        for j, value in enumerate(expression.get("values") or ()) if values else ():
            for problem in names.label_value(value):
                yield f"{index(child(at, 'values'), j)}: {value} is invalid, {problem}"


def _node_affinity(affinity: Obj, path: str) -> Texts:
    terms = (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ()
    found = term_warnings(terms, child(child(path, _REQUIRED), "nodeSelectorTerms"))
    for i, wish in enumerate(affinity.get(_PREFERRED) or ()):
        at = child(index(child(path, _PREFERRED), i), "preference")
        found.extend(_expressions(wish.get("preference") or {}, at, values=True))
    return found


def _pod_affinity(affinity: Obj, path: str) -> Texts:
    found: Texts = []
    for i, term in enumerate(affinity.get(_REQUIRED) or ()):
        if term.get("labelSelector") is None:
            found.append(f"{child(index(child(path, _REQUIRED), i), 'labelSelector')}: {_NO_SELECTOR}")
    for i, wish in enumerate(affinity.get(_PREFERRED) or ()):
        if (wish.get("podAffinityTerm") or {}).get("labelSelector") is None:
            at = child(child(index(child(path, _PREFERRED), i), "podAffinityTerm"), "labelSelector")
            found.append(f"{at}: {_NO_SELECTOR}")
    return found


def _spread(constraints: Sequence[Obj], path: str) -> Texts:
    found: Texts = []
    for i, constraint in enumerate(constraints):
        at, label = index(path, i), constraint.get("topologyKey", "")
        if label in DEPRECATED_LABELS:
            found.append(f"{child(at, 'topologyKey')}: {label} is {DEPRECATED_LABELS[label]}")
        if constraint.get("labelSelector") is None:
            found.append(f"{child(at, 'labelSelector')}: {_NO_SELECTOR}")
    return found


def _annotations(annotations: Mapping[str, str], spec: Obj, path: str) -> Texts:
    at = child(child(path, "metadata"), "annotations")
    found = [f"{key(at, k)}: {text}" for k, text in _DEPRECATED_ANNOTATIONS.items() if k in annotations]
    context = spec.get("securityContext") or {}
    if seccomp.POD in annotations and context.get("seccompProfile") is None:
        found.append(f"{key(at, seccomp.POD)}: {_NO_SECCOMP}")
    if not any(k.startswith((seccomp.CONTAINER, apparmor.CONTAINER)) for k in annotations):
        return found
    for container, _ in each_container(spec):
        own, name = container.get("securityContext") or {}, container.get("name", "")
        if (k := seccomp.CONTAINER + name) in annotations and own.get("seccompProfile") is None:
            found.append(f"{key(at, k)}: {_NO_SECCOMP}")
        profiled = "appArmorProfile" in own or "appArmorProfile" in context
        if path and (k := apparmor.CONTAINER + name) in annotations and not profiled:
            found.append(f"{key(at, k)}: {apparmor.DEPRECATED}")
    if not path:
        found.extend(f"{key(at, k)}: {apparmor.DEPRECATED}" for k in apparmor.unneeded(annotations, spec))
    return found


def _volumes(volumes: Sequence[Obj], path: str) -> Texts:
    found: Texts = []
    for i, volume in enumerate(volumes):
        for name in volume:
            if name in DEPRECATED_VOLUMES:
                found.append(f"{index(path, i)}.{DEPRECATED_VOLUMES[name]}")
        if claim := (volume.get("ephemeral") or {}).get("volumeClaimTemplate"):
            at = child(child(child(index(path, i), "ephemeral"), "volumeClaimTemplate"), "spec")
            found.extend(claim_spec_warnings(claim.get("spec") or {}, at))
    for volume in volumes:
        for name in ("configMap", "secret", "downwardAPI", "projected"):
            if source := volume.get(name):
                found.extend(_overlaps(volume.get("name", ""), name, source))
    return found


_SHOWN = {"configMap": "ConfigMap", "secret": "Secret", "downwardAPI": "DownwardAPI"}


def _overlaps(volume: str, kind: str, source: Obj) -> Texts:
    """Files of one volume that hide one another."""
    if kind == "projected":
        # nearly every pod has one, for its account's token, and nearly all of them are the same
        return [f"volume {show(volume)} (Projected){text}" for text in _projected(_encode(source))]
    if not (items := source.get("items")):
        return []
    name, told = source.get("secretName" if kind == "secret" else "name"), _SHOWN[kind]
    told = told if name is None else f"{told} {show(name)}"
    return [f"volume {show(volume)} ({told}){text}" for text in _hiding([(item.get("path", ""), "") for item in items])]


_encode = msgspec.json.Encoder().encode


@remembered(256, longest=4096)
def _projected(source: bytes) -> tuple[str, ...]:
    """About a projected volume, encoded."""
    parts = msgspec.json.decode(source).get("sources") or ()
    empty = [" has no sources provided" for part in parts if not part]
    return (*empty, *_hiding([placed for part in parts for placed in _placed(part)]))


def _hiding(placed: Sequence[tuple[str, str]]) -> Texts:
    """Of paths, each with where it comes from."""
    found: Texts = []
    seen: list[tuple[str, str]] = []
    for path, origin in placed:
        path = path.rstrip("/")
        for other, whose in seen:
            if _within(path, other) or _within(other, path):
                found.append(f": overlapping paths: {show(path)}{origin} with {show(other)}{whose}")
        seen.append((path, origin))
    return found


def _within(path: str, other: str) -> bool:
    return bool(path and other) and (path == other or path.startswith(f"{other}/"))


def _placed(part: Obj) -> Iterator[tuple[str, str]]:
    """Paths of one source of a projected volume, with its name."""
    for kind, shown in _SHOWN.items():
        if (source := part.get(kind)) is not None:
            name = f" ({shown})" if kind == "downwardAPI" else f" ({shown} {show(source.get('name', ''))})"
            for item in source.get("items") or ():
                yield item.get("path", ""), name
            return
    if (token := part.get("serviceAccountToken")) is not None:
        yield token.get("path", ""), " (ServiceAccountToken)"


def _lists(spec: Obj, path: str) -> Texts:
    """Entries that stand twice where each should stand once."""
    found: Texts = []
    if aliases := spec.get("hostAliases"):
        found.extend(_repeated(aliases, "ip", child(path, "hostAliases")))
    if secrets := spec.get("imagePullSecrets"):
        at = child(path, "imagePullSecrets")
        found.extend(_repeated(secrets, "name", at))
        for i, secret in enumerate(secrets):
            if not secret.get("name"):
                found.append(f'{child(index(at, i), "name")}: invalid empty name ""')
    return found


def _repeated(entries: Sequence[Obj], name: str, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for i, entry in enumerate(entries):
        value = entry.get(name, "")
        if value in seen:
            yield f"{child(index(path, i), name)}: duplicate {name} {show(value)}"
        seen.add(value)


def _fractions(amounts: Mapping[str, str] | None, path: str, whole: Sequence[str]) -> Iterator[str]:
    for name in whole if amounts else ():
        text = (amounts or {}).get(name)
        if text and text[-1] in "mun" and quantity.milli(text) % 1000:
            yield f"{key(path, name)}: fractional byte value {show(text)} is invalid, must be an integer"


def _containers(spec: Obj, path: str) -> Texts:
    found: Texts = []
    ports = 0
    for name in LISTS:
        for i, container in enumerate(spec.get(name) or ()):
            if resources := container.get("resources"):
                for part in ("limits", "requests"):
                    if (amounts := resources.get(part)) and _is_fraction(amounts):
                        found.extend(_fractions(amounts, f"{path}.{name}[{i}].resources.{part}", _WHOLE))
            env = container.get("env")
            if env and len(env) > 1 and len({variable.get("name") for variable in env}) < len(env):
                found.extend(_hidden(env, f"{path}.{name}[{i}].env"))
            for port in container.get("ports") or ():
                ports += 2 if "hostIP" in port else 1
    return found + _ports(spec, path) if ports > 1 else found


def _is_fraction(amounts: Mapping[str, str]) -> bool:
    return amounts.get("memory", "0")[-1] in "mun" or amounts.get("ephemeral-storage", "0")[-1] in "mun"


def _hidden(env: Sequence[Obj], path: str) -> Iterator[str]:
    """Variables set twice, but for a second value that builds on the first."""
    seen: set[str] = set()
    for i, variable in enumerate(env):
        name, value = variable.get("name", ""), variable.get("value", "")
        if name in seen:
            before = f"$({name})"
            if "valueFrom" in variable or value == before or before not in value:
                detail = f"hides previous definition of {show(name)}, which may be dropped when using apply"
                yield f"{index(path, i)}: {detail}"
        seen.add(name)


def _ports(spec: Obj, path: str) -> Texts:
    found: Texts = []
    taken: dict[tuple[int, str], list[tuple[str, str, int]]] = {}
    for container, at in each_container(spec, path):
        for i, port in enumerate(container.get("ports") or ()):
            where, address, host = index(child(at, "ports"), i), port.get("hostIP", ""), port.get("hostPort", 0)
            if address and not host:
                found.append(f"{where}: hostIP set without hostPort: {_go_port(port)}")
            others = taken.setdefault((port.get("containerPort", 0), port.get("protocol", "")), [])
            for other, its_address, its_host in others:
                if (address, host) == (its_address, its_host):
                    found.append(f"{where}: duplicate port definition with {other}")
                elif not host or not its_host:
                    found.append(f"{where}: overlapping port definition with {other}")
                elif host == its_host and bool(address) != bool(its_address):
                    found.append(f"{where}: dangerously ambiguous port definition with {other}")
            others.append((where, address, host))
    return found


def _go_port(port: Obj) -> str:
    """A port as Go's ``%+v`` prints it."""
    numbers = f"HostPort:{port.get('hostPort', 0)} ContainerPort:{port.get('containerPort', 0)}"
    return f"{{Name:{port.get('name', '')} {numbers} Protocol:{port.get('protocol', '')} HostIP:{port.get('hostIP')}}}"
