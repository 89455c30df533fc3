"""Who may approve and sign certificate requests: upstream's CertificateApproval and CertificateSigning plugins.

Writing ``approval`` or ``status`` is not enough: it takes the verb ``approve`` or ``sign`` on the signer that the
request names, or on all of its domain (``example.com/*``). It is a guard, since no setting takes it away.
"""

from __future__ import annotations

from typing import Final

from kube_lite import errors
from kube_lite.api.admission.plugin import AdmissionRequest
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.authz.authorizer import Authorizer
from kube_lite.api.user import MASTERS
from kube_lite.api.verbs import Verbs
from kube_lite.resources.meta import dig

GROUP: Final = "certificates.k8s.io"
RESOURCE: Final = f"certificatesigningrequests.{GROUP}"


class Approval:
    """The check, put before the writes of a verbs object, after any that is there already."""

    def __init__(self, verbs: Verbs, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self._first = verbs.guards.get(RESOURCE)
        verbs.guards[RESOURCE] = self.check

    def check(self, request: AdmissionRequest) -> None:
        """Check one write. :raises Forbidden: the user is none of the signer's approvers or signers"""
        if self._first is not None:
            self._first(request)
        if request.operation != "UPDATE" or request.old is None or MASTERS in request.user.groups:
            return
        if request.subresource == "approval":
            self._require(request, "approve")
        elif request.subresource == "status" and self._signs(request):
            self._require(request, "sign")

    @staticmethod
    def _signs(request: AdmissionRequest) -> bool:
        new, old = (dig(obj or {}, "status", "certificate") for obj in (request.obj, request.old))
        return bool(new != old)

    def _require(self, request: AdmissionRequest, verb: str) -> None:
        signer = str(dig(request.old or {}, "spec", "signerName", default=""))
        for name in (signer, f"{signer.partition('/')[0]}/*"):
            if self._authorizer.allows(Attributes(request.user, verb, GROUP, "*", "signers", name=name)):
                return
        why = f'user not permitted to {verb} requests with signerName "{signer}"'
        raise errors.forbidden(request.resource.plural, GROUP, request.name, why)
