"""Deletes CertificateSigningRequests that nobody needs any more (upstream: ``pkg/controller/certificates/cleaner``).

A request is a message: once it was answered it is kept for an hour, so that its sender can fetch the answer, and
one that nobody answers for a day.
"""

from __future__ import annotations

import base64
import binascii

from kube_lite import clock
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.controllers.certificate_requests import APPROVED, DENIED, FAILED, REQUESTS, CertificateRequest
from kube_lite.controllers.removal import delete_seen

NAMES = ("csrcleaner", "certificatesigningrequest-cleaner-controller")

ANSWERED = 3600.0
"""Seconds that an issued, denied or failed request is kept."""
PENDING = 24 * 3600.0
"""Seconds that a request is kept that nobody approved or denied."""


class Cleaner(Controller):
    """Keys are requests."""

    name = "csrcleaner"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("certificate-controller")
        self._requests = self.source(ctx.informers.get(REQUESTS, CertificateRequest))

    async def reconcile(self, key: str) -> Requeue | None:
        """Delete the request when its time is up, else come back then."""
        request = self._requests.get(key)
        if request is None:
            return None
        left = self._left(request)
        if left is None:
            return None
        if left > 0:
            return Requeue(left)
        await delete_seen(self._client, REQUESTS, request.metadata)
        return None

    @staticmethod
    def _left(request: CertificateRequest) -> float | None:
        """Seconds that the request is still kept; None for one that waits for its signer."""
        now = clock.now()
        left = []
        for kind in (APPROVED, DENIED, FAILED):
            condition = request.condition(kind)
            if condition is None or condition.last_update_time is None:
                continue
            if kind != APPROVED or request.status.certificate:
                age = (now - clock.parse_timestamp(condition.last_update_time)).total_seconds()
                left.append(ANSWERED - age)
        if request.condition(APPROVED) is None and request.condition(DENIED) is None:
            created = clock.parse_timestamp(request.metadata.creation_timestamp or clock.timestamp())
            left.append(PENDING - (now - created).total_seconds())
        if request.status.certificate:
            left.append(_valid_for(request.status.certificate))
        return min(left, default=None)


def _valid_for(certificate: str) -> float:
    """Seconds until a certificate (PEM in base64) ends; many when it cannot be read."""
    from cryptography import x509

    try:
        read = x509.load_pem_x509_certificate(base64.b64decode(certificate))
    except (ValueError, binascii.Error):
        return PENDING
    return (read.not_valid_after_utc - clock.now()).total_seconds()


def build(ctx: Context) -> Controller:
    """The controller."""
    return Cleaner(ctx)
