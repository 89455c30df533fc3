"""Signs the CertificateSigningRequests that were approved, for the signers that upstream's controller manager keeps.

It stands beside the API because it holds the CA's key. Requests come as events of the store; the queue is a set of
names, so it is bounded by the requests there are. What a signer must not sign is marked Failed, as upstream does.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import anyio

from kube_lite import clock, errors
from kube_lite.api.certs import LEAF_YEARS, Authority
from kube_lite.api.http import decode_json, encode_json
from kube_lite.api.options import WriteOptions
from kube_lite.api.plane import Plane
from kube_lite.api.user import MASTERS, NODES, User
from kube_lite.api.verbs import Target
from kube_lite.resources.meta import Obj, dig, name_of
from kube_lite.store.store import Event

logger = logging.getLogger(__name__)

REQUESTS: Final = "certificatesigningrequests.certificates.k8s.io"
CLIENT: Final = "kubernetes.io/kube-apiserver-client"
NODE_CLIENT: Final = "kubernetes.io/kube-apiserver-client-kubelet"
NODE_SERVING: Final = "kubernetes.io/kubelet-serving"
LEGACY: Final = "kubernetes.io/legacy-unknown"
_SERVED: Final = (CLIENT, NODE_CLIENT, NODE_SERVING, LEGACY)
_BASE_USAGES: Final = frozenset({"digital signature", "key encipherment"})
_USAGES: Final = {
    CLIENT: _BASE_USAGES | {"client auth"},
    NODE_CLIENT: _BASE_USAGES | {"client auth"},
    NODE_SERVING: _BASE_USAGES | {"server auth"},
}
"""What each signer may certify (certificates ``v1`` signer names)."""
RETRY: Final = 1.0
"""Seconds after which a request is tried again that could not be written."""
_USER: Final = User("system:kube-controller-manager", groups=(MASTERS,), how="in-process")


class Signer:
    """Watches one plane's requests."""

    def __init__(self, plane: Plane, authority: Authority) -> None:
        self._plane = plane
        self._authority = authority
        found = plane.storage.registry.named(REQUESTS)
        assert found is not None
        self._resource = found
        self._prefix = plane.storage.prefix(found)
        self._dirty: dict[str, None] = {name_of(obj): None for obj in plane.storage.select(REQUESTS)}
        self._wake = anyio.Event()
        plane.storage.store.subscribe(self._committed)

    def _committed(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.key.startswith(self._prefix) and not event.deleted:
                self._dirty[event.key[len(self._prefix) :]] = None
                self._wake.set()

    async def run(self) -> None:
        """Sign what is approved; never returns."""
        while True:
            if not self._dirty:
                self._wake = anyio.Event()
                await self._wake.wait()
            names, self._dirty = list(self._dirty), {}
            for name in names:
                try:
                    await self.reconcile(name)
                except Exception:
                    logger.exception("%s: will be tried again", name)
                    self._dirty[name] = None
                    await anyio.sleep(RETRY)

    async def reconcile(self, name: str) -> None:
        """Sign one request, if it is to be signed here. :raises ApiError: the result could not be stored"""
        request = self._plane.storage.lookup(REQUESTS, "", name)
        if request is None or not _due(request):
            return
        try:
            certificate = await clock.run_in_thread(self._sign, request["spec"])
        except ValueError as error:
            await self._write(name, {"type": "Failed", "reason": "SignerValidationFailure", "message": str(error)}, "")
            return
        await self._write(name, None, base64.b64encode(certificate).decode())

    def _sign(self, spec: Obj) -> bytes:
        """:raises ValueError: what is asked for is not the signer's to certify"""
        from cryptography import x509
        from cryptography.x509.oid import NameOID

        signer, usages = str(spec.get("signerName", "")), set(spec.get("usages") or ())
        try:
            pem = base64.b64decode(spec.get("request") or "", validate=True)
        except binascii.Error as error:
            raise ValueError("the request is not base64") from error
        subject = x509.load_pem_x509_csr(pem).subject
        groups = [str(part.value) for part in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        names = [str(part.value) for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if signer == CLIENT and MASTERS in groups:
            raise ValueError(f"use of {CLIENT} signer with {MASTERS} group is not allowed")
        if signer in (NODE_CLIENT, NODE_SERVING) and (
            groups != [NODES] or not all(name.startswith("system:node:") for name in names)
        ):
            raise ValueError(f'the subject must be of organization "{NODES}", and begin with "system:node:"')
        allowed = _USAGES.get(signer)
        if allowed is not None and (usages - allowed or not usages & {"client auth", "server auth"}):
            raise ValueError(f"usages did not match {sorted(allowed)}")
        longest = timedelta(days=365 * LEAF_YEARS)
        seconds = spec.get("expirationSeconds")
        lifetime = min(longest, timedelta(seconds=int(seconds))) if seconds else longest
        return self._authority.sign_as_asked(pem, usages, lifetime)

    async def _write(self, name: str, condition: Obj | None, certificate: str) -> None:
        async def signed(old: Obj) -> Obj:
            new: Obj = decode_json(encode_json(old))
            status = new.setdefault("status", {})
            if certificate:
                status["certificate"] = certificate
            if condition is not None:
                now = clock.timestamp()
                told = {**condition, "status": "True", "lastUpdateTime": now, "lastTransitionTime": now}
                status["conditions"] = [*(status.get("conditions") or ()), told]
            return new

        target = Target(self._resource, "", name, self._resource.subresources["status"])
        options = WriteOptions(field_manager="kube-controller-manager")
        with contextlib.suppress(errors.NotFound):  # it went meanwhile
            await self._plane.verbs.guaranteed_update(target, signed, _USER, options)


def _due(request: Obj) -> bool:
    """Approved, not denied or failed, not signed yet, and for a signer that is kept here."""
    if dig(request, "spec", "signerName") not in _SERVED or dig(request, "status", "certificate"):
        return False
    kinds = {c.get("type") for c in dig(request, "status", "conditions", default=[]) if c.get("status") != "False"}
    return "Approved" in kinds and not kinds & {"Denied", "Failed"}
