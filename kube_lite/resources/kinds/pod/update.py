"""What an update may change of a pod, and the rules of its subresources."""

from __future__ import annotations

from typing import Any

from kube_lite.resources.field import Errors, child, forbidden, index, invalid, required, show
from kube_lite.resources.go.diff import go_diff
from kube_lite.resources.kinds.configmap import NO_PATH
from kube_lite.resources.kinds.pod import apparmor
from kube_lite.resources.kinds.pod.gates import validate_gates_update, validate_narrowed, with_old_choice
from kube_lite.resources.kinds.pod.scheduling import validate_tolerations
from kube_lite.resources.kinds.pod.validation import MIRROR, validate_pod_annotations, validate_whole_pod_spec
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import prepare_status_update

FORBIDDEN = (
    "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, "
    "`spec.activeDeadlineSeconds` or `spec.tolerations` (only additions to existing tolerations)"
)
_ADD_OR_REMOVE = "pod updates may not add or remove containers"


def _without(container: Obj, *keys: str) -> Obj:
    return {k: v for k, v in container.items() if k not in keys}


def _changed(new: Any, old: Any, path: str, out: list[str]) -> None:
    """Paths at which two JSON values differ, for the text after the message."""
    if isinstance(new, dict) and isinstance(old, dict):
        for name in sorted({*new, *old}):
            _changed(new.get(name), old.get(name), f"{path}.{name}", out)
    elif isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        for i, (a, b) in enumerate(zip(new, old, strict=True)):
            _changed(a, b, f"{path}[{i}]", out)
    elif new != old:
        out.append(path.removeprefix("."))


def _difference(new: Obj, old: Obj) -> str:
    """What changed, as Go's values differ; of fields that those did not have yet, their paths."""
    told = go_diff("core.PodSpec", new, old)
    if told:
        return told
    changed: list[str] = []
    _changed(new, old, "", changed)
    return f"  changed: {', '.join(changed)}\n"


def _comparable(spec: Obj, old: Obj) -> Obj:
    """``spec`` with what may change taken from ``old``."""
    munged = dict(spec)
    for name in ("containers", "initContainers"):
        before = old.get(name)
        if not before:
            continue
        munged[name] = [
            {**c, **({"image": o["image"]} if "image" in o else {})}
            for c, o in zip(spec.get(name) or [], before, strict=True)
        ]
    for name in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        munged.pop(name, None)
        if name in old:
            munged[name] = old[name]
    if old.get("schedulingGates"):
        munged = with_old_choice(munged, old)
    if (old.get("terminationGracePeriodSeconds") or 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        munged["terminationGracePeriodSeconds"] = old["terminationGracePeriodSeconds"]
    return munged


def _deadline(new: Obj, old: Obj) -> Errors:
    after, before = new.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds")
    at = "spec.activeDeadlineSeconds"
    if after is not None:
        if not 0 <= after <= 2**31 - 1:
            return [invalid(at, after, f"must be between 0 and {2**31 - 1}, inclusive")]
        if before is not None and after > before:
            return [invalid(at, after, "must be less than or equal to previous value")]
    elif before is not None:
        return [invalid(at, None, "must not update from a positive integer to nil value")]
    return []


def _tolerations(new: Obj, old: Obj) -> Errors:
    after, before = new.get("tolerations") or [], old.get("tolerations") or []
    if any(not any(_same_toleration(a, b) for a in after) for b in before):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        return [forbidden("spec.tolerations", detail)]
    return validate_tolerations(after, "spec.tolerations")


def _same_toleration(a: Obj, b: Obj) -> bool:
    return _without(a, "tolerationSeconds") == _without(b, "tolerationSeconds")


_FIXED_ANNOTATIONS = ((apparmor.CONTAINER, "AppArmor annotations"), (MIRROR, "mirror pod annotation"))


def annotation_changes(new: Obj, old: Obj) -> Errors:
    """Changes of annotations that were decided when the pod was made."""
    after = (new.get("metadata") or {}).get("annotations") or {}
    before = (old.get("metadata") or {}).get("annotations") or {}
    if after == before:
        return []
    found: Errors = []
    for start, what in _FIXED_ANNOTATIONS:
        for name in sorted({*after, *before}):
            if name.startswith(start) and after.get(name) != before.get(name):
                how = "remove or update" if name in before else "add"
                found.append(forbidden(f"metadata.annotations[{name}]", f"may not {how} {what}"))
    return found


def validate_pod_update(new: Obj, old: Obj) -> Errors:
    """Only images, the deadline and further tolerations may change, and metadata."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    meta = new.get("metadata") or {}
    found = validate_pod_annotations(meta, after)
    if after != before:
        found.extend(validate_whole_pod_spec(after, meta.get("name") or ""))
    found.extend(annotation_changes(new, old))
    for name in ("containers", "initContainers"):
        added = len(after.get(name) or ()) != len(before.get(name) or ())
        if added:
            # Upstream stops here: the rest compares containers one by one.
            return [*found, forbidden(f"spec.{name}", _ADD_OR_REMOVE)]
    if after == before:
        return found
    for name in ("containers", "initContainers"):
        for i, container in enumerate(after.get(name) or ()):
            image = container.get("image", "")
            at = child(index(f"spec.{name}", i), "image")
            if not image:
                found.append(required(at))
            elif image != image.strip():
                found.append(invalid(at, image, "must not have leading or trailing whitespace"))
    deadline = _deadline(after, before)
    found.extend(deadline)
    if deadline and after.get("activeDeadlineSeconds") is not None:
        return found  # as upstream does here too
    if after.get("tolerations") != before.get("tolerations"):
        found.extend(_tolerations(after, before))
    found.extend(validate_gates_update(after, before))
    if before.get("schedulingGates"):
        found.extend(validate_narrowed(after, before))
    munged = _comparable(after, before)
    if munged != before:
        found.append(forbidden("spec", f"{FORBIDDEN}\n{_difference(munged, before)}"))
    return found


def prepare_pod_update(new: Obj, old: Obj) -> None:
    """A plain update leaves status and ephemeral containers as they are."""
    new["status"] = old.get("status", {})
    spec, before = new.setdefault("spec", {}), old.get("spec") or {}
    spec.pop("ephemeralContainers", None)
    if "ephemeralContainers" in before:
        spec["ephemeralContainers"] = before["ephemeralContainers"]


def prepare_ephemeral_containers(new: Obj, old: Obj) -> None:
    """This subresource changes ephemeral containers only."""
    wanted = (new.get("spec") or {}).get("ephemeralContainers")
    prepare_status_update(new, old)
    new["status"] = old.get("status", {})
    new["spec"] = {k: v for k, v in (old.get("spec") or {}).items() if k != "ephemeralContainers"}
    if wanted is not None:
        new["spec"]["ephemeralContainers"] = wanted


def validate_ephemeral_update(new: Obj, old: Obj) -> Errors:
    """Ephemeral containers may be added, never changed or removed."""
    meta = old.get("metadata") or {}
    if MIRROR in (meta.get("annotations") or {}):
        return [forbidden(NO_PATH, "static pods do not support ephemeral containers")]
    found = validate_whole_pod_spec(new.get("spec") or {}, meta.get("name") or "")
    found.extend(annotation_changes(new, old))
    at = "spec.ephemeralContainers"
    after = {c.get("name"): c for c in (new.get("spec") or {}).get("ephemeralContainers") or ()}
    for container in (old.get("spec") or {}).get("ephemeralContainers") or ():
        name = container.get("name", "")
        if name not in after:
            found.append(forbidden(at, f"existing ephemeral containers {show(name)} may not be removed\n"))
        elif after[name] != container:
            told = go_diff("core.EphemeralContainer", after[name], container)
            found.append(forbidden(at, f"existing ephemeral containers {show(name)} may not be changed\n{told}"))
    return found
