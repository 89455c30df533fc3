"""Seccomp profiles of new pods, as fields and as the annotations that older clients and nodes read.

Servers up to v1.26 keep both alike (``pkg/registry/core/pod/strategy.go``): a field without its annotation gets
one, and an annotation without its field sets the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kube_lite.resources.field import Errors, child, forbidden, invalid
from kube_lite.resources.kinds.pod.each import LISTS, each_container
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import no_backsteps

POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
CONTAINER: Final = "container.seccomp.security.alpha.kubernetes.io/"
_LOCALHOST: Final = "localhost/"


def synchronise_seccomp(pod: Obj) -> None:
    """Make fields and annotations of a new pod say the same, in place."""
    spec = pod.get("spec") or {}
    annotations = dict((pod.get("metadata") or {}).get("annotations") or {})
    before = len(annotations)
    _synchronise(spec, annotations, POD)
    for name in LISTS:
        for container in spec.get(name) or ():
            if annotations or "securityContext" in container:
                _synchronise(container, annotations, CONTAINER + str(container.get("name", "")))
    if len(annotations) != before:
        pod["metadata"]["annotations"] = annotations


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


def validate_seccomp(annotations: Mapping[str, str], spec: Obj, path: str, spec_path: str) -> Errors:
    """Annotations name profiles, and say what the fields say."""
    given = [name for name in annotations if name == POD or name.startswith(CONTAINER)]
    if not given:
        return []
    found: Errors = []
    for name in given:
        text, at = annotations[name], child(path, name)
        if text.startswith(_LOCALHOST):
            local = text.removeprefix(_LOCALHOST)
            found.extend([invalid(at, local, "must be a relative path")] if local.startswith("/") else [])
            found.extend(no_backsteps(local, at))
        elif _profile(text) is None:
            found.append(invalid(at, text, "must be a valid seccomp profile"))
    found.extend(_mismatch(spec, annotations.get(POD), spec_path))
    for container, at in each_container(spec, spec_path):
        found.extend(_mismatch(container, annotations.get(CONTAINER + str(container.get("name", ""))), at))
    return found


def _mismatch(holder: Obj, text: str | None, path: str) -> Errors:
    profile = (holder.get("securityContext") or {}).get("seccompProfile")
    if profile is None or text is None or profile.get("type") not in ("Localhost", "RuntimeDefault", "Unconfined"):
        return []
    at = child(child(path, "securityContext"), "seccompProfile")
    said = "Localhost" if text.startswith(_LOCALHOST) else (_profile(text) or {}).get("type")
    if said != profile["type"]:
        return [forbidden(child(at, "type"), "seccomp type in annotation and field must match")]
    if said == "Localhost" and text.removeprefix(_LOCALHOST) != profile.get("localhostProfile"):
        return [forbidden(child(at, "localhostProfile"), "seccomp profile in annotation and field must match")]
    return []
