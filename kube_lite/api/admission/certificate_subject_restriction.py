"""CertificateSubjectRestriction: nobody asks for a client certificate of the group that may do everything."""

from __future__ import annotations

import base64

from kube_lite import errors
from kube_lite.api.admission.certificate_approval import REQUESTS
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.api.user import MASTERS
from kube_lite.resources.meta import dig

SIGNER = "kubernetes.io/kube-apiserver-client"


class CertificateSubjectRestriction:
    """Reads the subject of new requests for client certificates."""

    name = "CertificateSubjectRestriction"
    resources = frozenset({REQUESTS})

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Refuse requests for ``system:masters``. :raises Forbidden: so it is, or nobody can read it"""
        if not request.is_(REQUESTS) or request.operation != "CREATE" or request.obj is None:
            return
        if dig(request.obj, "spec", "signerName") != SIGNER:
            return
        from cryptography import x509
        from cryptography.x509.oid import NameOID

        try:
            asked = x509.load_pem_x509_csr(base64.b64decode(str(dig(request.obj, "spec", "request", default=""))))
        except ValueError as error:
            raise self._refusal(request, f"unable to parse CSR: {error}") from error
        organizations = asked.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        if any(organization.value == MASTERS for organization in organizations):
            raise self._refusal(request, f"use of {SIGNER} signer with {MASTERS} group is not allowed")

    @staticmethod
    def _refusal(request: AdmissionRequest, why: str) -> errors.Forbidden:
        return request.refused(why)
