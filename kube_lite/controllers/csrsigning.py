"""Signs approved CertificateSigningRequests for the cluster's own signers.

What a signer may not sign gets the condition Failed, for good (upstream: ``pkg/controller/certificates/signer``).
"""

from __future__ import annotations

import base64
import json

from kube_lite import clock
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.controllers.certificate_requests import (
    APPROVED,
    DENIED,
    FAILED,
    REQUESTS,
    SIGNERS,
    CertificateRequest,
    asked,
    problem,
)
from kube_lite.resources.meta import Obj

NAMES = ("csrsigning", "certificatesigningrequest-signing-controller")

LONGEST = 365 * 86400.0
"""Seconds that a certificate is valid, unless a shorter time was asked for (``--cluster-signing-duration``)."""
SHORTEST = 600.0
"""Seconds that any certificate is valid at least."""


class Signing(Controller):
    """Keys are requests."""

    name = "csrsigning"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("certificate-controller")
        self._sign = ctx.sign_certificate
        self._requests = self.source(ctx.informers.get(REQUESTS, CertificateRequest))

    async def reconcile(self, key: str) -> Requeue | None:
        """Sign the request, or say why not, when it is approved and not answered yet."""
        request = self._requests.get(key)
        if request is None or request.spec.signer_name not in SIGNERS or self._sign is None:
            return None
        if request.status.certificate or request.condition(APPROVED) is None:
            return None
        if request.condition(DENIED) is not None or request.condition(FAILED) is not None:
            return None
        try:
            why_not = problem(request.spec.signer_name, asked(request.pem), request.spec.usages)
        except ValueError as error:
            why_not = f'unable to parse csr "{key}": {error}'
        if why_not:
            await self._write(request, {}, why_not)
            return None
        wanted = request.spec.expiration_seconds
        seconds = LONGEST if wanted is None else min(LONGEST, max(SHORTEST, float(wanted)))
        certificate = await clock.run_in_thread(self._sign, request.pem, request.spec.usages, seconds)
        await self._write(request, {"certificate": base64.b64encode(certificate).decode()})
        return None

    async def _write(self, request: CertificateRequest, change: Obj, failure: str = "") -> None:
        name = request.metadata.name
        obj: Obj = json.loads(await self._client.get(REQUESTS, name))
        obj["metadata"]["resourceVersion"] = request.metadata.resource_version
        status = obj["status"] = {**(obj.get("status") or {}), **change}
        if failure:
            now = clock.timestamp()
            failed = {
                "type": FAILED,
                "status": "True",
                "reason": "SignerValidationFailure",
                "message": failure,
                "lastUpdateTime": now,
                "lastTransitionTime": now,
            }
            status["conditions"] = [*(status.get("conditions") or ()), failed]
        await self._client.update(REQUESTS, name, obj, subresource="status")


def build(ctx: Context) -> Controller:
    """The controller."""
    return Signing(ctx)
