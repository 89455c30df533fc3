"""NamespaceLifecycle: nothing is created in a namespace that is missing or on its way out."""

from __future__ import annotations

from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.errors import not_found

IMMORTAL = ("default", "kube-system", "kube-public")
"""Namespaces that may not be deleted (upstream: plugin/namespace/lifecycle)."""

_REVIEWS = ("localsubjectaccessreviews.authorization.k8s.io",)


class NamespaceLifecycle:
    """Refuses creation in missing or terminating namespaces and deletion of the immortal ones."""

    name = "NamespaceLifecycle"
    resources = None

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Check the namespace of a creation. :raises NotFound: no such namespace"""
        if request.resource.group_resource == "namespaces":
            if request.operation == "DELETE" and not request.subresource and request.name in IMMORTAL:
                raise request.refused("this namespace may not be deleted")
            return
        if not request.namespace or request.operation != "CREATE" or request.resource.group_resource in _REVIEWS:
            return
        namespace = objects.lookup("namespaces", "", request.namespace)
        if namespace is None:
            raise not_found("namespaces", "", request.namespace)
        if (namespace.get("status") or {}).get("phase") != "Terminating":
            return
        if namespace["metadata"].get("deletionTimestamp") is None:
            return
        why = f"unable to create new content in namespace {request.namespace} because it is being terminated"
        error = request.refused(why)
        error.details["causes"] = [
            {
                "reason": "NamespaceTerminating",
                "message": f"namespace {request.namespace} is being terminated",
                "field": "metadata.namespace",
            }
        ]
        raise error
