"""PodSecurity: a namespace's labels say which pods may run in it.

``enforce`` refuses pods; ``warn`` and ``audit`` tell of them, and of the workloads that would make them. The
levels themselves are in ``resources/pod_security.py``; what is told, noted and passed over is upstream's
(``k8s.io/pod-security-admission/admission``).
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

import msgspec

from kube_lite import errors
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.resources.field import Errors, invalid, key
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.pod_security import LEVELS, NEWEST, violations
from kube_lite.resources.pod_security.baseline import SECCOMP_OF_POD, seccomp_annotation
from kube_lite.resources.pod_security.rules import Violation

PREFIX = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")
MOST_PODS: Final = 3000
"""How many of a namespace's pods are looked at when it becomes stricter (upstream's number)."""
_CONCERN: Final = re.compile(re.escape(PREFIX)).match
_VERSION = re.compile(r"latest|v1\.(0|[1-9][0-9]*)")
_TEMPLATES = {
    "deployments.apps": ("spec", "template"),
    "replicasets.apps": ("spec", "template"),
    "statefulsets.apps": ("spec", "template"),
    "daemonsets.apps": ("spec", "template"),
    "replicationcontrollers": ("spec", "template"),
    "jobs.batch": ("spec", "template"),
    "cronjobs.batch": ("spec", "jobTemplate", "spec", "template"),
    "podtemplates": ("template",),
}
"""Where workloads keep the pods that they will make."""
_OTHER_SUBRESOURCES: Final = frozenset(
    {"attach", "binding", "eviction", "exec", "log", "portforward", "proxy", "status"}
)
"""Subresources of pods that change nothing here."""


class _Policy(msgspec.Struct, frozen=True):
    """One mode's level and version."""

    level: str
    version: str

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"

    def violations(self, metadata: Obj, spec: Obj) -> list[Violation]:
        """What a pod does against it."""
        minor = NEWEST if self.version == "latest" else int(self.version.removeprefix("v1."))
        return violations(self.level, metadata, spec, minor)


class PodSecurity:
    """Holds pods against their namespace's levels.

    :param default: the level enforced where a namespace has no label
    """

    name = "PodSecurity"
    resources = frozenset({"namespaces", "pods", *_TEMPLATES})

    def __init__(self, default: str = "privileged") -> None:
        self._default = default

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Check a pod, a workload or a namespace's labels. :raises Forbidden: the namespace does not take the pod"""
        if request.operation not in ("CREATE", "UPDATE") or request.obj is None:
            return
        kind = request.resource.group_resource
        if kind == "namespaces" and not request.subresource:
            self._check_namespace(request, objects)
        elif kind == "pods" and request.subresource not in _OTHER_SUBRESOURCES:
            if request.old is None or _significant(request.obj, request.old):
                self._evaluate(request, objects, request.obj, enforced=True)
        elif kind in _TEMPLATES and not request.subresource:
            template = dig(request.obj, *_TEMPLATES[kind])
            if template is not None:
                self._evaluate(request, objects, template, enforced=False)

    def _policy(self, labels: Obj, mode: str) -> _Policy:
        level = labels.get(PREFIX + mode)
        if level is None:
            level = self._default if mode == "enforce" else "privileged"
        elif level not in LEVELS:
            level = "restricted" if mode == "enforce" else "privileged"  # a mistake does not open the namespace
        version = labels.get(f"{PREFIX}{mode}-version") or "latest"
        return _Policy(level, version if _VERSION.fullmatch(version) else "latest")

    def _evaluate(self, request: AdmissionRequest, objects: Objects, pod: Obj, *, enforced: bool) -> None:
        namespace = objects.lookup("namespaces", "", request.namespace)
        labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
        if self._default == "privileged" and not any(map(_CONCERN, labels)):
            return  # as in nearly all namespaces
        enforce, audit, warn = (self._policy(labels, mode) for mode in MODES)
        wrong = _label_errors(labels)
        if not wrong and all(p.level == "privileged" for p in (audit, warn, *([enforce] if enforced else ()))):
            return
        if wrong:
            told = list(map(str, wrong))
            text = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
            request.annotations[f"{PREFIX}error"] = f"Failed to parse policy: {text}"
        meta, spec = pod.get("metadata") or {}, pod.get("spec") or {}
        refused = enforce.violations(meta, spec) if enforced else []
        if enforced:
            request.annotations[f"{PREFIX}enforce-policy"] = str(enforce)
        if found := audit.violations(meta, spec):
            request.annotations[f"{PREFIX}audit-violations"] = f"would violate {_told(audit, found)}"
        if refused:
            why = f"violates {_told(enforce, refused)}"
            raise request.refused(why)
        if found := warn.violations(meta, spec):
            request.warnings.append(f"would violate {_told(warn, found)}")

    def _check_namespace(self, request: AdmissionRequest, objects: Objects) -> None:
        assert request.obj is not None
        labels = request.obj["metadata"].get("labels") or {}
        old = ((request.old or {}).get("metadata") or {}).get("labels") or {}
        found = _label_errors(labels)
        if found and (request.operation == "CREATE" or found != _label_errors(old)):
            raise errors.invalid("Namespace", "", request.name, found)
        policy, before = self._policy(labels, "enforce"), self._policy(old, "enforce")
        stricter = LEVELS.index(policy.level) > LEVELS.index(before.level)
        if request.operation != "UPDATE" or policy.level == "privileged" or policy == before:
            return
        if policy.version != before.version or stricter:
            request.warnings += _told_of_pods(request.name, policy, objects.select("pods", request.name))


def _told(policy: _Policy, found: list[Violation]) -> str:
    return f'PodSecurity "{policy}": {", ".join(map(str, found))}'


def _told_of_pods(namespace: str, policy: _Policy, pods: list[Obj]) -> list[str]:
    """Which pods of a namespace break its new level: those that break it alike together, by their first."""
    by_reasons: dict[str, list[str]] = {}
    for pod in islice(_one_of_each_controller_first(pods), MOST_PODS):
        if wrong := policy.violations(pod["metadata"], pod.get("spec") or {}):
            by_reasons.setdefault(", ".join(v.reason for v in wrong), []).append(pod["metadata"]["name"])
    warnings = []
    if len(pods) > MOST_PODS:
        checked = f"the first {MOST_PODS} of {len(pods)} existing pods"
        warnings.append(f"new PodSecurity enforce level only checked against {checked}")
    if by_reasons:
        warnings.append(
            f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{policy}"'
        )
    lines = []
    for reasons, names in by_reasons.items():
        others = len(names) - 1
        more = f" (and {others} other pod{'s' if others > 1 else ''})" if others else ""
        lines.append(f"{min(names)}{more}: {reasons}")
    return warnings + sorted(lines)


def _one_of_each_controller_first(pods: list[Obj]) -> list[Obj]:
    first: list[Obj] = []
    rest: list[Obj] = []
    seen: set[str | None] = set()
    for pod in pods:
        owners = pod["metadata"].get("ownerReferences") or ()
        uid = next((owner["uid"] for owner in owners if owner.get("controller")), None)
        (rest if uid is not None and uid in seen else first).append(pod)
        seen.add(uid)
    return first + rest


def _significant(new: Obj, old: Obj) -> bool:
    """Whether an update changes what the levels look at: images, added containers, old seccomp annotations."""

    def seen(pod: Obj, part: str) -> list[tuple[str, str]]:
        annotations = pod["metadata"].get("annotations") or {}
        containers = dig(pod, "spec", part, default=[])
        return [(c.get("image", ""), annotations.get(seccomp_annotation(c.get("name", "")), "")) for c in containers]

    profiles = [(pod["metadata"].get("annotations") or {}).get(SECCOMP_OF_POD) for pod in (new, old)]
    parts = ("containers", "initContainers", "ephemeralContainers")
    return profiles[0] != profiles[1] or any(seen(new, part) != seen(old, part) for part in parts)


def _label_errors(labels: Obj) -> Errors:
    found: Errors = []
    for mode in MODES:
        level, version = labels.get(PREFIX + mode), labels.get(f"{PREFIX}{mode}-version")
        if level is not None and level not in LEVELS:
            detail = f"must be one of {', '.join(LEVELS)}"
            found.append(invalid(key("metadata.labels", PREFIX + mode), level, detail))
        if version is not None and not _VERSION.fullmatch(version):
            at = key("metadata.labels", f"{PREFIX}{mode}-version")
            found.append(invalid(at, version, 'must be "latest" or "v1.x"'))
    return found
