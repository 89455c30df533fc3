"""Who asks for a certificate: written into the request by the server, whatever the client says of it.

Approvers decide by these fields, so a client must not be able to choose them; signers put them into certificates
(kube-apiserver ``registry/certificates/certificates/strategy.go``).
"""

from __future__ import annotations

from typing import Final

from kube_lite.api.admission.plugin import AdmissionRequest
from kube_lite.api.verbs import Verbs

RESOURCE: Final = "certificatesigningrequests.certificates.k8s.io"


def install(verbs: Verbs) -> None:
    """Have every new request name its sender."""
    verbs.guards[RESOURCE] = name_requester


def name_requester(request: AdmissionRequest) -> None:
    """Put the user of a creation into the object."""
    if request.operation != "CREATE" or request.subresource or request.obj is None:
        return
    spec = request.obj.setdefault("spec", {})
    for name in ("username", "uid", "groups", "extra"):
        spec.pop(name, None)
    spec.update(request.user.to_json())
