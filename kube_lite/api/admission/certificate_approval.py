"""CertificateApproval: only who may approve for a signer approves or denies its requests."""

from __future__ import annotations

from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.authz.authorizer import Authorizer
from kube_lite.api.user import User
from kube_lite.resources.meta import dig

GROUP = "certificates.k8s.io"
REQUESTS = f"certificatesigningrequests.{GROUP}"


class CertificateApproval:
    """Asks the authorizer for the verb "approve" on the request's signer."""

    name = "CertificateApproval"
    resources = frozenset({REQUESTS})

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Refuse whoever may not approve. :raises Forbidden: so it is"""
        if not request.is_(REQUESTS, "approval") or request.operation != "UPDATE" or request.old is None:
            return
        signer = str(dig(request.old, "spec", "signerName", default=""))
        if not may(self._authorizer, request.user, "approve", signer):
            why = f'user not permitted to approve requests with signerName "{signer}"'
            raise request.refused(why)


def may(authorizer: Authorizer, user: User, verb: str, signer: str) -> bool:
    """Whether ``user`` has ``verb`` on a signer by its name, or on all signers of its domain (``example.com/*``)."""
    domain = signer.partition("/")[0]
    return any(
        authorizer.allows(Attributes(user, verb, GROUP, "*", "signers", name=name)) for name in (signer, f"{domain}/*")
    )
