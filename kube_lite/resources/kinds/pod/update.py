"""What an update may change of a pod, and the rules of its subresources."""

from __future__ import annotations

from typing import Any

from kube_lite.resources.field import Errors, child, duplicate, forbidden, index, invalid, required
from kube_lite.resources.go.diff import go_diff
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.pod.qos import qos_class
from kube_lite.resources.kinds.pod.scheduling import validate_tolerations
from kube_lite.resources.kinds.pod.validation import (
    validate_pod_annotations,
    validate_pod_spec,
    validate_whole_pod_spec,
)
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import prepare_status_update
from kube_lite.resources.rules import dns_subdomain, nonnegative, parse_ip, qualified_name

FORBIDDEN = (
    "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, "
    "`spec.activeDeadlineSeconds` or `spec.tolerations` (only additions to existing tolerations)"
)
EPHEMERAL_FORBIDDEN = 'existing ephemeral containers "{}" may not be changed'
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
    for name in ("activeDeadlineSeconds", "tolerations", "nodeSelector", "affinity"):
        may_change = name in ("activeDeadlineSeconds", "tolerations") or old.get("schedulingGates")
        if may_change:
            munged.pop(name, None)
            if name in old:
                munged[name] = old[name]
    if old.get("schedulingGates"):
        munged["schedulingGates"] = old["schedulingGates"]
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


def _gates(new: Obj, old: Obj) -> Errors:
    before = {gate.get("name") for gate in old.get("schedulingGates") or ()}
    added = [gate.get("name", "") for gate in new.get("schedulingGates") or () if gate.get("name") not in before]
    if not added:
        return []
    return [forbidden("spec.schedulingGates", f"only deletion is allowed, but found new scheduling gate '{added[0]}'")]


def validate_pod_update(new: Obj, old: Obj) -> Errors:
    """Only images, the deadline and further tolerations may change, and metadata."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    found = validate_pod_annotations(new.get("metadata") or {}, after)
    if after != before:
        found.extend(validate_whole_pod_spec(after))
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
    found.extend(_gates(after, before))
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


def prepare_pod_status(new: Obj, old: Obj) -> None:
    """A status write keeps the spec, and the class of service once it is there."""
    prepare_status_update(new, old)
    status = new.setdefault("status", {})
    status["qosClass"] = (old.get("status") or {}).get("qosClass") or qos_class(new.get("spec") or {})


def validate_pod_status(new: Obj, old: Obj) -> Errors:
    """A status is plausible: names of nodes, and no finished container that runs again."""
    status, before = new.get("status") or {}, old.get("status") or {}
    found: Errors = []
    if node := status.get("nominatedNodeName"):
        found.extend(dns_subdomain(node, "status.nominatedNodeName"))
    spec = new.get("spec") or {}
    # A container that ended and may not be restarted stays ended.
    if spec.get("restartPolicy") != "Always":
        found.extend(_terminated_stays(status, before, spec, "containerStatuses"))
    for i, entry in enumerate(status.get("containerStatuses") or ()):
        at = child(index("status.containerStatuses", i), "restartCount")
        found.extend(nonnegative(entry.get("restartCount"), at))
    return found + _addresses(status.get("podIPs") or []) + _conditions(status.get("conditions") or [])


def _conditions(conditions: list[Obj]) -> Errors:
    """Types of conditions look like label keys; upstream has them in metadata."""
    found: Errors = []
    for i, condition in enumerate(conditions):
        kind = condition.get("type", "")
        found.extend(qualified_name(kind, child(index("metadata.conditions", i), "Type")))
    return found


def _addresses(entries: list[Obj]) -> Errors:
    """A pod's addresses are real, at most one a family, and none twice (upstream: ``validatePodIPs``)."""
    found: Errors = []
    texts = [entry.get("ip", "") for entry in entries]
    for i, text in enumerate(texts):
        at = index("status.podIPs", i)
        if parse_ip(text) is None:
            found.append(invalid(at, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"))
        elif text in texts[:i]:
            found.append(duplicate(at, {"ip": text}))
    families = [address.version for text in texts if (address := parse_ip(text)) is not None]
    if len(entries) > 1 and len(families) == len(entries) and sorted(families) != [4, 6]:
        detail = "may specify no more than one IP for each IP family"
        found.append(invalid("status.podIPs", go_value("[]core.PodIP", entries), detail))
    return found


def _terminated_stays(status: Obj, before: Obj, spec: Obj, name: str) -> Errors:
    found: Errors = []
    now = {entry.get("name"): entry for entry in status.get(name) or ()}
    for i, old in enumerate(before.get(name) or ()):
        ended = (old.get("state") or {}).get("terminated")
        if not ended or (ended.get("exitCode") and spec.get("restartPolicy") == "OnFailure"):
            continue
        new = now.get(old.get("name"))
        if new is not None and not (new.get("state") or {}).get("terminated"):
            at = child(index(f"status.{name}", i), "state")
            found.append(forbidden(at, "may not be transitioned to non-terminated state"))
    return found


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
    found = validate_pod_spec(new.get("spec") or {}, "spec")
    at = "spec.ephemeralContainers"
    after = {c.get("name"): c for c in (new.get("spec") or {}).get("ephemeralContainers") or ()}
    for container in (old.get("spec") or {}).get("ephemeralContainers") or ():
        name = container.get("name", "")
        if name not in after:
            found.append(forbidden(at, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif after[name] != container:
            found.append(forbidden(at, EPHEMERAL_FORBIDDEN.format(name) + "\n"))
    return found


def prepare_resize(new: Obj, old: Obj) -> None:
    """This subresource changes resources of containers only."""
    wanted = new.get("spec") or {}
    prepare_status_update(new, old)
    new["status"] = old.get("status", {})
    spec = dict(old.get("spec") or {})
    for name in ("containers", "initContainers"):
        asked = {c.get("name"): c for c in wanted.get(name) or ()}
        if name in spec:
            spec[name] = [
                {**c, "resources": asked.get(c.get("name"), c).get("resources", {})} if asked.get(c.get("name")) else c
                for c in spec[name]
            ]
    new["spec"] = spec


def validate_resize(new: Obj, old: Obj) -> Errors:
    """A resize keeps the class of service, and changes cpu and memory only."""
    found = validate_pod_spec(new.get("spec") or {}, "spec")
    if qos_class(new.get("spec") or {}) != qos_class(old.get("spec") or {}):
        found.append(
            invalid("spec", qos_class(new.get("spec") or {}), "Pod QOS Class may not change as a result of resizing")
        )
    return found
