"""PodSecurity: a namespace's labels say which pods may run in it.

``enforce`` refuses pods; ``warn`` and ``audit`` tell of them, and of the workloads that would make them. The
levels themselves are in ``resources/pod_security.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kube_lite import errors
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.resources.field import Errors, invalid, key
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.pod_security import LEVELS, violations

PREFIX = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")
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


@dataclass(frozen=True, slots=True)
class _Policy:
    """One mode's level and version."""

    level: str
    version: str

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"


class PodSecurity:
    """Holds pods against their namespace's levels.

    :param default: the level enforced where a namespace has no label
    """

    name = "PodSecurity"

    def __init__(self, default: str = "privileged") -> None:
        self._default = default

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Check a pod, a workload or a namespace's labels. :raises Forbidden: the namespace does not take the pod"""
        if request.operation not in ("CREATE", "UPDATE") or request.obj is None:
            return
        kind = request.resource.group_resource
        if kind == "namespaces" and not request.subresource:
            self._check_namespace(request, objects)
        elif kind == "pods" and request.subresource in ("", "ephemeralcontainers"):
            if request.old is None or _images(request.obj) != _images(request.old):
                self._evaluate(request, objects, request.obj, enforced=True)
        elif kind in _TEMPLATES and not request.subresource:
            template = dig(request.obj, *_TEMPLATES[kind])
            if template is not None:
                self._evaluate(request, objects, template, enforced=False)

    def _policy(self, labels: Obj, mode: str) -> _Policy:
        level = labels.get(PREFIX + mode) or (self._default if mode == "enforce" else "privileged")
        version = labels.get(f"{PREFIX}{mode}-version") or "latest"
        if level not in LEVELS:
            return _Policy("restricted", "latest")  # a mistake does not open the namespace
        return _Policy(level, version if _VERSION.fullmatch(version) else "latest")

    def _evaluate(self, request: AdmissionRequest, objects: Objects, pod: Obj, *, enforced: bool) -> None:
        namespace = objects.lookup("namespaces", "", request.namespace)
        labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
        meta, spec = pod.get("metadata") or {}, pod.get("spec") or {}
        if enforced:
            policy = self._policy(labels, "enforce")
            request.annotations[f"{PREFIX}enforce-policy"] = str(policy)
            if found := violations(policy.level, meta, spec):
                why = f'violates PodSecurity "{policy}": {", ".join(map(str, found))}'
                raise errors.forbidden(request.resource.plural, request.resource.group, request.name, why)
        for mode in ("audit", "warn"):
            policy = self._policy(labels, mode)
            found = violations(policy.level, meta, spec)
            if not found:
                continue
            text = f'would violate PodSecurity "{policy}": {", ".join(map(str, found))}'
            if mode == "warn":
                request.warnings.append(text)
            else:
                request.annotations[f"{PREFIX}audit-violations"] = text

    def _check_namespace(self, request: AdmissionRequest, objects: Objects) -> None:
        assert request.obj is not None
        labels = request.obj["metadata"].get("labels") or {}
        old = ((request.old or {}).get("metadata") or {}).get("labels") or {}
        found = [error for error in _label_errors(labels) if error not in _label_errors(old)]
        if found:
            raise errors.invalid("Namespace", "", request.name, found)
        policy = self._policy(labels, "enforce")
        if request.operation != "UPDATE" or policy == self._policy(old, "enforce"):
            return
        warnings: dict[str, list[str]] = {}
        for pod in objects.select("pods", request.name):
            wrong = violations(policy.level, pod["metadata"], pod.get("spec") or {})
            if wrong:
                reasons = ", ".join(v.reason for v in wrong)
                warnings.setdefault(reasons, []).append(pod["metadata"]["name"])
        if warnings:
            request.warnings.append(
                f'existing pods in namespace "{request.name}" violate the new PodSecurity enforce level "{policy}"'
            )
            for reasons, names in sorted(warnings.items(), key=lambda item: item[1][0]):
                others = len(names) - 1
                more = f" (and {others} other pod{'s' if others > 1 else ''})" if others else ""
                request.warnings.append(f"{names[0]}{more}: {reasons}")


def _images(pod: Obj) -> list[tuple[str, str]]:
    spec = pod.get("spec") or {}
    parts = ("initContainers", "containers", "ephemeralContainers")
    return [(c.get("name", ""), c.get("image", "")) for part in parts for c in spec.get(part) or ()]


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
