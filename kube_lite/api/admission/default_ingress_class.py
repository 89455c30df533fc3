"""DefaultIngressClass: an Ingress that names no class gets the cluster's default one."""

from __future__ import annotations

from kube_lite.api.admission.plugin import AdmissionRequest, Objects, default_class

CLASSES = "ingressclasses.networking.k8s.io"
DEFAULT = "ingressclass.kubernetes.io/is-default-class"
_LEGACY_CLASS = "kubernetes.io/ingress.class"


class DefaultIngressClass:
    """Sets ``spec.ingressClassName`` of new Ingresses; of several defaults the newest counts."""

    name = "DefaultIngressClass"
    resources = frozenset({"ingresses.networking.k8s.io"})

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Give an Ingress without a class the default one."""
        if not request.is_("ingresses.networking.k8s.io") or request.operation != "CREATE" or request.obj is None:
            return
        spec = request.obj.setdefault("spec", {})
        annotations = request.obj["metadata"].get("annotations") or {}
        if spec.get("ingressClassName") is not None or _LEGACY_CLASS in annotations:
            return
        found = default_class(objects.select(CLASSES), DEFAULT)
        if found is not None:
            spec["ingressClassName"] = found["metadata"]["name"]
