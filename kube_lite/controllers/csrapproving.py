"""Approves CertificateSigningRequests of kubelets whose sender may ask for such a certificate.

Whether it may is asked of the authorizer: "create" on ``certificatesigningrequests/selfnodeclient`` for the node's
own next certificate, ``/nodeclient`` for its first. Upstream: ``pkg/controller/certificates/approver``.
"""

from __future__ import annotations

import json

from kube_lite import clock
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.controllers.certificate_requests import (
    APPROVED,
    DENIED,
    KUBELET_CLIENT,
    REQUESTS,
    CertificateRequest,
    asked,
    kubelet_client_problem,
)
from kube_lite.resources.meta import Obj, dig

NAMES = ("csrapproving", "certificatesigningrequest-approving-controller")

RETRY = 30.0
"""Seconds until a refused request is looked at again: the right to it may be granted meanwhile."""

_SELF = ("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview.")
_OTHER = ("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")


class Approving(Controller):
    """Keys are requests."""

    name = "csrapproving"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("certificate-controller")
        self._requests = self.source(ctx.informers.get(REQUESTS, CertificateRequest))

    async def reconcile(self, key: str) -> Requeue | None:
        """Approve the request if it is a kubelet's and its sender may ask for that."""
        request = self._requests.get(key)
        if request is None or request.spec.signer_name != KUBELET_CLIENT or request.status.certificate:
            return None
        if request.condition(APPROVED) is not None or request.condition(DENIED) is not None:
            return None
        try:
            wanted = asked(request.pem)
        except ValueError:
            return None
        if kubelet_client_problem(wanted, request.spec.usages):
            return None
        for subresource, message in (_SELF, _OTHER):
            if subresource == _SELF[0] and request.spec.username != wanted.common_name:
                continue
            if await self._may(request, subresource):
                await self._approve(request, message)
                return None
        return Requeue(RETRY)

    async def _may(self, request: CertificateRequest, subresource: str) -> bool:
        spec = request.spec
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": spec.username,
                "uid": spec.uid,
                "groups": spec.groups,
                "extra": spec.extra,
                "resourceAttributes": {
                    "verb": "create",
                    "group": "certificates.k8s.io",
                    "version": "*",
                    "resource": "certificatesigningrequests",
                    "subresource": subresource,
                },
            },
        }
        answer = json.loads(await self._client.create("subjectaccessreviews.authorization.k8s.io", review))
        return bool(dig(answer, "status", "allowed"))

    async def _approve(self, request: CertificateRequest, message: str) -> None:
        name, now = request.metadata.name, clock.timestamp()
        obj: Obj = json.loads(await self._client.get(REQUESTS, name))
        obj["metadata"]["resourceVersion"] = request.metadata.resource_version
        approval = {
            "type": APPROVED,
            "status": "True",
            "reason": "AutoApproved",
            "message": message,
            "lastUpdateTime": now,
            "lastTransitionTime": now,
        }
        status = obj.setdefault("status", {})
        status["conditions"] = [*(status.get("conditions") or ()), approval]
        await self._client.update(REQUESTS, name, obj, subresource="approval")


def build(ctx: Context) -> Controller:
    """The controller."""
    return Approving(ctx)
