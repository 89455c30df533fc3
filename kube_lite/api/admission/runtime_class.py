"""RuntimeClass: a pod carries the overhead and the placement of the runtime that it asks for."""

from __future__ import annotations

from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.errors import Forbidden
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.pod_resources import amounts

CLASSES = "runtimeclasses.node.k8s.io"


class RuntimeClass:
    """Sets ``spec.overhead``, ``nodeSelector`` and ``tolerations`` of new pods from their class."""

    name = "RuntimeClass"
    resources = frozenset({"pods"})

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Apply the class. :raises Forbidden: there is no such class, or the pod contradicts it"""
        if not request.is_("pods") or request.operation != "CREATE" or request.obj is None:
            return
        spec = request.obj.setdefault("spec", {})
        name = spec.get("runtimeClassName")
        if not name:
            return
        found = objects.lookup(CLASSES, "", name)
        if found is None:
            why = f'pod rejected: RuntimeClass "{name}" not found'
            raise request.refused(why)
        fixed = _overhead(request, spec, found)
        if fixed:
            spec["overhead"] = dict(fixed)
        self._scheduling(request, spec, found)

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Refuse overhead that is not the class's own. :raises Forbidden: it is not"""
        if not request.is_("pods") or request.operation != "CREATE" or request.obj is None:
            return
        spec = request.obj.get("spec") or {}
        if spec.get("overhead"):
            name = spec.get("runtimeClassName")
            _overhead(request, spec, (objects.lookup(CLASSES, "", name) if name else None) or {})

    @staticmethod
    def _scheduling(request: AdmissionRequest, spec: Obj, runtime_class: Obj) -> None:
        scheduling = runtime_class.get("scheduling") or {}
        chosen = dict(spec.get("nodeSelector") or {})
        for label, value in (scheduling.get("nodeSelector") or {}).items():
            if chosen.setdefault(label, value) != value:
                raise _conflict(request, label, chosen[label], value)
        if chosen:
            spec["nodeSelector"] = chosen
        tolerations = [*(spec.get("tolerations") or ()), *(scheduling.get("tolerations") or ())]
        if scheduling and tolerations:
            spec["tolerations"] = _merged(tolerations)


def _overhead(request: AdmissionRequest, spec: Obj, runtime_class: Obj) -> Obj:
    """What the class says that a pod costs besides its containers. :raises Forbidden: the pod says otherwise"""
    fixed: Obj = dig(runtime_class, "overhead", "podFixed") or {}
    given = spec.get("overhead") or {}
    if given and amounts(given) != amounts(fixed):
        why = (
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
            if fixed
            else "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
        )
        raise request.refused(why)
    return fixed


def _merged(tolerations: list[Obj]) -> list[Obj]:
    """Those that no other one covers; of equal ones the first."""
    kept: list[Obj] = []
    for index, own in enumerate(tolerations):
        later = (other for other in tolerations[index + 1 :] if other != own)
        if not any(_covers(other, own) for other in (*kept, *later)):
            kept.append(dict(own))
    return kept


def _covers(wide: Obj, narrow: Obj) -> bool:
    if wide == narrow:
        return True
    everything = not wide.get("key") and wide.get("operator") == "Exists"
    if wide.get("key") != narrow.get("key") and not everything:
        return False
    if wide.get("effect") and wide["effect"] != narrow.get("effect"):
        return False
    if wide.get("effect") == "NoExecute" and wide.get("tolerationSeconds") is not None:
        seconds = narrow.get("tolerationSeconds")
        if seconds is None or seconds > wide["tolerationSeconds"]:
            return False
    match wide.get("operator") or "Equal":
        case "Equal":
            alike = (narrow.get("value") or "") == (wide.get("value") or "")
            return narrow.get("operator") == "Equal" and alike
        case "Exists":
            return True
    return False


def _conflict(request: AdmissionRequest, label: str, own: str, wanted: str) -> Forbidden:
    why = f"conflict: runtimeClass.scheduling.nodeSelector[{label}] = {wanted}; pod.spec.nodeSelector[{label}] = {own}"
    return request.refused(why)
