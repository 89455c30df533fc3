"""Seccomp profiles of new pods, as fields and as the annotations that older clients and nodes read.

Servers up to v1.26 keep both alike (``pkg/registry/core/pod/strategy.go``): a field without its annotation gets
one, and an annotation without its field sets the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kube_lite.resources.meta import Obj

POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
CONTAINER: Final = "container.seccomp.security.alpha.kubernetes.io/"
_LOCALHOST: Final = "localhost/"


def synchronise_seccomp(pod: Obj) -> None:
    """Make fields and annotations of a new pod say the same, in place."""
    spec = pod.get("spec") or {}
    annotations = dict((pod.get("metadata") or {}).get("annotations") or {})
    before = len(annotations)
    _synchronise(spec, annotations, POD)
    for container in _containers(spec):
        _synchronise(container, annotations, CONTAINER + str(container.get("name", "")))
    if len(annotations) != before:
        pod["metadata"]["annotations"] = annotations


def _containers(spec: Obj) -> Iterator[Obj]:
    for name in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(name) or ()


def _synchronise(holder: Obj, annotations: dict[str, str], key: str) -> None:
    profile = (holder.get("securityContext") or {}).get("seccompProfile")
    given = annotations.get(key)
    if profile is not None and given is None:
        text = _text(profile)
        if text:
            annotations[key] = text
    elif profile is None and given is not None:
        made = _profile(given)
        if made is not None:
            holder["securityContext"] = {**(holder.get("securityContext") or {}), "seccompProfile": made}


def _text(profile: Obj) -> str:
    """The annotation for a profile; '' where there is none."""
    kind = profile.get("type")
    if kind == "Localhost":
        return _LOCALHOST + profile["localhostProfile"] if profile.get("localhostProfile") else ""
    return {"Unconfined": "unconfined", "RuntimeDefault": "runtime/default"}.get(str(kind), "")


def _profile(text: str) -> Obj | None:
    """The profile that an annotation names; None when it names none."""
    if text in ("runtime/default", "docker/default"):
        return {"type": "RuntimeDefault"}
    if text == "unconfined":
        return {"type": "Unconfined"}
    if text.startswith(_LOCALHOST) and len(text) > len(_LOCALHOST):
        return {"type": "Localhost", "localhostProfile": text.removeprefix(_LOCALHOST)}
    return None
