"""RuntimeClass: a pod carries the overhead and the placement of the runtime that it asks for."""

from __future__ import annotations

from typing import Any

from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.errors import Forbidden
from kube_lite.resources.meta import Obj, dig

CLASSES = "runtimeclasses.node.k8s.io"


class RuntimeClass:
    """Sets ``spec.overhead``, ``nodeSelector`` and ``tolerations`` of new pods from their class."""

    name = "RuntimeClass"

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
        self._overhead(request, spec, found)
        self._scheduling(request, spec, found)

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Refuse overhead that is not the class's own. :raises Forbidden: it is not"""
        if not request.is_("pods") or request.operation != "CREATE" or request.obj is None:
            return
        spec = request.obj.get("spec") or {}
        if spec.get("overhead") and not spec.get("runtimeClassName"):
            why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            raise request.refused(why)

    @staticmethod
    def _overhead(request: AdmissionRequest, spec: Obj, runtime_class: Obj) -> None:
        fixed = dig(runtime_class, "overhead", "podFixed") or {}
        given = spec.get("overhead") or {}
        if given and given != fixed:
            why = (
                "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
                if fixed
                else "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )
            raise request.refused(why)
        if fixed:
            spec["overhead"] = dict(fixed)

    @staticmethod
    def _scheduling(request: AdmissionRequest, spec: Obj, runtime_class: Obj) -> None:
        scheduling = runtime_class.get("scheduling") or {}
        chosen = dict(spec.get("nodeSelector") or {})
        for label, value in (scheduling.get("nodeSelector") or {}).items():
            if chosen.setdefault(label, value) != value:
                raise _conflict(request, label, chosen[label], value)
        if chosen:
            spec["nodeSelector"] = chosen
        present: list[Any] = list(spec.get("tolerations") or ())
        added = [t for t in scheduling.get("tolerations") or () if t not in present]
        if added:
            spec["tolerations"] = [*present, *map(dict, added)]


def _conflict(request: AdmissionRequest, label: str, own: str, wanted: str) -> Forbidden:
    why = f"conflict: runtimeClass.scheduling.nodeSelector[{label}] = {wanted}; pod.spec.nodeSelector[{label}] = {own}"
    return request.refused(why)
