"""Priority: turns a pod's priorityClassName into its number."""

from __future__ import annotations

from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.resources.meta import Obj

PRIORITY_CLASSES = "priorityclasses.scheduling.k8s.io"


class Priority:
    """Sets ``spec.priority`` and ``spec.preemptionPolicy`` of new pods; one global default class at most."""

    name = "Priority"
    resources = frozenset({"pods", PRIORITY_CLASSES})

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Resolve the class of a new pod. :raises Forbidden: no such class, or a number that contradicts it"""
        if not request.is_("pods") or request.obj is None:
            return
        if request.operation == "UPDATE" and request.old is not None:
            _keep(request.obj, request.old)
        if request.operation != "CREATE":
            return
        spec = request.obj.setdefault("spec", {})
        found = self._class_of(request, objects, spec.get("priorityClassName") or "")
        value = int(found.get("value") or 0) if found else 0
        policy = (found or {}).get("preemptionPolicy") or "PreemptLowerPriority"
        if found and not spec.get("priorityClassName"):
            spec["priorityClassName"] = found["metadata"]["name"]
        given = spec.get("priority")
        if given is not None and given != value:
            why = (
                f"the integer value of priority ({given}) must not be provided in pod spec; "
                f"priority admission controller computed {value} from the given PriorityClass name"
            )
            raise request.refused(why)
        spec["priority"] = value
        stated = spec.get("preemptionPolicy")
        if stated is not None and stated != policy:
            why = (
                f"the string value of PreemptionPolicy ({stated}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name"
            )
            raise request.refused(why)
        spec["preemptionPolicy"] = policy

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Let one class alone be the default. :raises Forbidden: there is one already"""
        if not request.is_(PRIORITY_CLASSES) or request.obj is None or not request.obj.get("globalDefault"):
            return
        if request.operation not in ("CREATE", "UPDATE"):
            return
        present = _default(objects)
        name = present["metadata"]["name"] if present else ""
        if name and (request.operation == "CREATE" or name != request.name):
            why = f"PriorityClass {name} is already marked as default. Only one default can exist"
            raise request.refused(why)

    def _class_of(self, request: AdmissionRequest, objects: Objects, name: str) -> Obj | None:
        if name:
            found = objects.lookup(PRIORITY_CLASSES, "", name)
            if found is None:
                why = f"no PriorityClass with name {name} was found"
                raise request.refused(why)
            return found
        return _default(objects)


def _default(objects: Objects) -> Obj | None:
    """The default class; where two came to be at once the lower one, so that nobody is raised by accident."""
    defaults = [c for c in objects.select(PRIORITY_CLASSES) if c.get("globalDefault")]
    return min(defaults, key=lambda c: int(c.get("value") or 0)) if defaults else None


def _keep(new: Obj, old: Obj) -> None:
    """An update that leaves out what was set here keeps it; validation refuses to change it."""
    spec, before = new.setdefault("spec", {}), old.get("spec") or {}
    for name in ("priority", "preemptionPolicy"):
        if spec.get(name) is None and before.get(name) is not None:
            spec[name] = before[name]
