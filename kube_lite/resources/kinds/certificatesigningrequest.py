"""CertificateSigningRequests: certificates asked for through the API."""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.registry import Resource, Subresource, status

RESOURCES = (
    Resource(
        kind="CertificateSigningRequest",
        plural="certificatesigningrequests",
        group="certificates.k8s.io",
        definition="io.k8s.api.certificates.v1.CertificateSigningRequest",
        namespaced=False,
        short_names=("csr",),
        subresources={
            "status": status(),
            "approval": Subresource(name="approval"),
        },
        name_rule=names.any_name,
        generation=False,
    ),
)
