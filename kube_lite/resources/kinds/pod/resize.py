"""``pods/x/resize``: cpu and memory of a pod and its containers, and how those take a change."""

from __future__ import annotations

from kube_lite.resources.field import Errors, child, forbidden, index, invalid
from kube_lite.resources.kinds.configmap import NO_PATH
from kube_lite.resources.kinds.pod.qos import qos_class
from kube_lite.resources.kinds.pod.validation import MIRROR, validate_whole_pod_spec
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import prepare_status_update

_LISTS = ("containers", "initContainers")
_SIZED = ("cpu", "memory")
_PARTS = ("requests", "limits")


def _same_names(new: list[Obj], old: list[Obj]) -> bool:
    return [c.get("name") for c in new] == [c.get("name") for c in old]


def _resized(container: Obj, asked: Obj) -> Obj:
    made = {k: v for k, v in container.items() if k != "resizePolicy"}
    made["resources"] = asked.get("resources") or {}
    if "resizePolicy" in asked:
        made["resizePolicy"] = asked["resizePolicy"]
    return made


def prepare_resize(new: Obj, old: Obj) -> None:
    """Only sizes are taken over; containers that come, go or swap places are left for the rules to refuse."""
    wanted, before = new.get("spec") or {}, old.get("spec") or {}
    prepare_status_update(new, old)
    new["status"] = old.get("status", {})
    if any(len(wanted.get(name) or ()) != len(before.get(name) or ()) for name in _LISTS):
        new["spec"] = wanted
        return
    spec = dict(before)
    for name in _LISTS:
        asked, had = wanted.get(name) or [], before.get(name) or []
        if had:
            same = _same_names(asked, had)
            spec[name] = [_resized(c, a) for c, a in zip(had, asked, strict=True)] if same else asked
    spec.pop("resources", None)
    if "resources" in wanted:
        spec["resources"] = wanted["resources"]
    new["spec"] = spec


def _order(new: Obj, old: Obj) -> Errors:
    found: Errors = []
    for name in _LISTS:
        after, before = new.get(name) or [], old.get(name) or []
        at = child("spec", name)
        if len(after) != len(before):
            found.append(forbidden(at, f"{name} may not be added or removed on resize"))
            continue
        found.extend(
            forbidden(child(index(at, i), "name"), f"{name} may not be renamed or reordered on resize")
            for i, (a, b) in enumerate(zip(after, before, strict=True))
            if a.get("name") != b.get("name")
        )
    return found


def _lost(new: Obj, old: Obj) -> list[str]:
    """The parts of ``resources`` in which an amount is taken away."""
    return [part for part in _PARTS if (old.get(part) or {}).keys() - (new.get(part) or {}).keys()]


def _fixed(resources: Obj) -> Obj:
    """The amounts that do not change."""
    return {part: {k: v for k, v in (resources.get(part) or {}).items() if k not in _SIZED} for part in _PARTS}


def _same_but_for_size(new: Obj, old: Obj) -> bool:
    """Whether nothing else of a container changes; one with devices is not resized, as upstream leaves those out."""
    after, before = new.get("resources") or {}, old.get("resources") or {}
    if before.get("claims") or _fixed(after) != _fixed(before):
        return False
    return {**new, "resources": None} == {**old, "resources": None}


def _whole(new: Obj, old: Obj) -> Errors:
    """``spec.resources``, where the pod has or gets any."""
    after, before = new.get("resources"), old.get("resources")
    if before is not None and after is None:
        return [forbidden("spec.resources", "pod-level resources cannot be removed")]
    after, before = after or {}, before or {}
    found = [
        forbidden(child("spec.resources", part), f"pod-level resource {part} cannot be removed")
        for part in _lost(after, before)
    ]
    if _fixed(after) != _fixed(before) or (after.get("claims") or []) != (before.get("claims") or []):
        found.append(forbidden("spec", "only cpu and memory resources are mutable at pod-level"))
    return found


def _unsupported(old: Obj) -> bool:
    """Whether the node that runs the pod is one that does not resize; it would tell what its containers have."""
    running = [
        entry
        for entry in (old.get("status") or {}).get("containerStatuses") or ()
        if (entry.get("state") or {}).get("running") is not None
    ]
    return bool(running) and running[0].get("resources") is None


def _sizes(new: Obj, old: Obj) -> Errors:
    found: Errors = []
    for name in ("initContainers", "containers"):
        for i, (after, before) in enumerate(zip(new.get(name) or (), old.get(name) or (), strict=True)):
            at = child(index(child("spec", name), i), "resources")
            for part in _lost(after.get("resources") or {}, before.get("resources") or {}):
                found.append(forbidden(child(at, part), f"resource {part} cannot be removed"))
    for name, what in (("containers", "resources"), ("initContainers", "resources for init or sidecar containers")):
        for i, (after, before) in enumerate(zip(new.get(name) or (), old.get(name) or (), strict=True)):
            if not _same_but_for_size(after, before):
                at = "spec" if name == "containers" else index(child("spec", name), i)
                found.append(forbidden(at, f"only cpu and memory {what} are mutable"))
    return found


def validate_resize(new: Obj, old: Obj) -> Errors:
    """A resize keeps the class of service and every other field, and takes no amount away."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    meta, status = old.get("metadata") or {}, old.get("status") or {}
    found = validate_whole_pod_spec(after, meta.get("name") or "")
    if MIRROR in (meta.get("annotations") or {}):
        return [forbidden(NO_PATH, "static pods cannot be resized")]
    if (before.get("os") or {}).get("name") == "windows":
        return [forbidden(NO_PATH, "windows pods cannot be resized")]
    qos = status.get("qosClass") or qos_class(before)
    if qos_class(after) != qos:
        found.append(invalid("spec", qos, "Pod QOS Class may not change as a result of resizing"))
    if _unsupported(old):
        found.append(forbidden("spec", "Pod running on node without support for resize"))
    if after.get("resources") or before.get("resources"):
        found.extend(_whole(after, before))
    order = _order(after, before)
    return found + (order or _sizes(after, before))
