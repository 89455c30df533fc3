"""AppArmor profiles of containers: annotations, which came first, and fields, which replace them.

An annotation of a new pod sets the field of its container, the other way round nothing is copied any more
(upstream's ``pkg/registry/core/pod/strategy.go``). Annotations of a pod never change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from kube_lite.resources.field import Errors, child, forbidden, invalid, key, show
from kube_lite.resources.kinds.pod.each import each_container
from kube_lite.resources.meta import Obj

CONTAINER: Final = "container.apparmor.security.beta.kubernetes.io/"
DEPRECATED: Final = 'deprecated since v1.30; use the "appArmorProfile" field instead'
_LOCALHOST: Final = "localhost/"
_TYPES: Final = {"runtime/default": "RuntimeDefault", "unconfined": "Unconfined"}


def _profile(text: str) -> Obj | None:
    """The profile that an annotation names; None where it names none that a field could hold."""
    if text in _TYPES:
        return {"type": _TYPES[text]}
    name = text.removeprefix(_LOCALHOST)
    if name == text or not name or name != name.strip():
        return None
    return {"type": "Localhost", "localhostProfile": name}


def _annotated(annotations: Mapping[str, str], spec: Obj) -> Iterator[tuple[Obj, str]]:
    """Containers that have an annotation and no field, and what the annotation says."""
    if (spec.get("os") or {}).get("name") == "windows":
        return
    for container, _ in each_container(spec):
        text = annotations.get(CONTAINER + str(container.get("name", "")))
        if text is not None and (container.get("securityContext") or {}).get("appArmorProfile") is None:
            yield container, text


def _has_any(annotations: Mapping[str, str]) -> bool:
    return any(name.startswith(CONTAINER) for name in annotations)


def set_profiles(pod: Obj) -> None:
    """Copy annotations of a new pod to the fields, but for what the pod as a whole says already."""
    annotations, spec = (pod.get("metadata") or {}).get("annotations"), pod.get("spec") or {}
    if annotations is None or not _has_any(annotations):
        return
    whole = (spec.get("securityContext") or {}).get("appArmorProfile")
    for container, text in _annotated(annotations, spec):
        profile = _profile(text)
        if profile is not None and profile != whole:
            container["securityContext"] = {**(container.get("securityContext") or {}), "appArmorProfile": profile}


def unneeded(annotations: Mapping[str, str], spec: Obj) -> list[str]:
    """Annotations of a pod, after :func:`set_profiles`, that a field should stand for."""
    whole = (spec.get("securityContext") or {}).get("appArmorProfile")
    found = []
    for container, _ in each_container(spec):
        name = CONTAINER + str(container.get("name", ""))
        if (text := annotations.get(name)) is not None:
            profile = _profile(text)
            own = (container.get("securityContext") or {}).get("appArmorProfile")
            if profile is None or (profile == own and profile != whole):
                found.append(name)
    return found


def validate_apparmor(annotations: Mapping[str, str], spec: Obj, path: str, spec_path: str) -> Errors:
    """Annotations are about containers that exist, name profiles, and say what the fields say."""
    if not _has_any(annotations):
        return []
    names = {container.get("name") for container, _ in each_container(spec)}
    found: Errors = []
    for name, text in annotations.items():
        if not name.startswith(CONTAINER):
            continue
        container = name.removeprefix(CONTAINER)
        if container not in names:
            found.append(invalid(key(path, name), container, "container not found"))
        if text and text not in _TYPES and not text.startswith(_LOCALHOST):
            found.append(invalid(key(path, name), text, f"invalid AppArmor profile name: {show(text)}"))
    return found + _mismatches(annotations, spec, spec_path)


def _mismatches(annotations: Mapping[str, str], spec: Obj, path: str) -> Errors:
    found: Errors = []
    if (spec.get("os") or {}).get("name") == "windows":
        return found
    whole = (spec.get("securityContext") or {}).get("appArmorProfile")
    for container, at in each_container(spec, path):
        field = (container.get("securityContext") or {}).get("appArmorProfile") or whole
        text = annotations.get(CONTAINER + str(container.get("name", "")))
        if field is None or text is None:
            continue
        where = child(child(at, "securityContext"), "appArmorProfile")
        local = text.startswith(_LOCALHOST)
        named = "Localhost" if local else _TYPES.get(text)
        if field.get("type") in (*_TYPES.values(), "Localhost") and field.get("type") != named:
            found.append(forbidden(child(where, "type"), "apparmor type in annotation and field must match"))
        elif local and text.removeprefix(_LOCALHOST) != field.get("localhostProfile"):
            detail = "apparmor profile in annotation and field must match"
            found.append(forbidden(child(where, "localhostProfile"), detail))
    return found
