"""Certificate requests carry who made them, as the server knows it: signers and approvers go by that."""

from __future__ import annotations

from kube_lite.api.admission.plugin import AdmissionRequest
from kube_lite.api.verbs import Verbs

RESOURCE = "certificatesigningrequests.certificates.k8s.io"
_FIELDS = ("username", "uid", "groups", "extra")


def name_requester(request: AdmissionRequest) -> None:
    """Write the user into the spec of a new request, over whatever the request says of itself."""
    if request.operation != "CREATE" or request.obj is None:
        return
    spec = request.obj.setdefault("spec", {})
    for field in _FIELDS:
        spec.pop(field, None)
    spec.update(request.user.to_json())


def install(verbs: Verbs) -> None:
    """Put it before the writes of a verbs object."""
    verbs.guards[RESOURCE] = name_requester
