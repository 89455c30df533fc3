"""CertificateSigning: only who may sign for a signer writes its certificates and its verdicts."""

from __future__ import annotations

from kube_lite.api.admission.certificate_approval import REQUESTS, may
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.api.authz.authorizer import Authorizer
from kube_lite.resources.meta import dig


class CertificateSigning:
    """Asks the authorizer for the verb "sign" on the request's signer."""

    name = "CertificateSigning"
    resources = frozenset({REQUESTS})

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Refuse whoever may not sign, where certificate or conditions change. :raises Forbidden: so it is"""
        if not request.is_(REQUESTS, "status") or request.operation != "UPDATE":
            return
        new, old = request.obj or {}, request.old or {}
        if all(dig(new, "status", name) == dig(old, "status", name) for name in ("certificate", "conditions")):
            return
        signer = str(dig(old, "spec", "signerName", default=""))
        if not may(self._authorizer, request.user, "sign", signer):
            why = f'user not permitted to sign requests with signerName "{signer}"'
            raise request.refused(why)
