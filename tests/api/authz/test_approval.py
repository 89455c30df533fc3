"""Certificate requests are approved and signed by those who may do so for the signer named."""

from __future__ import annotations

import base64

import pytest

from kube_lite import errors
from kube_lite.api.plane import Plane
from kube_lite.api.user import AUTHENTICATED, User
from kube_lite.resources.meta import Obj
from tests.plane import admin, started_plane

CSRS = "certificatesigningrequests.certificates.k8s.io"
JOE = User("joe", groups=(AUTHENTICATED,))
PEM = b"-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n"
APPROVED: Obj = {"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "x", "message": "y"}]}}


async def plane_where_joe_may(verb: str, signer: str) -> Plane:
    """Joe may write every part of requests, and ``verb`` for ``signer``."""
    plane = await started_plane()
    client = admin(plane)
    parts = ["certificatesigningrequests", "certificatesigningrequests/approval", "certificatesigningrequests/status"]
    group = ["certificates.k8s.io"]
    rules = [
        {"apiGroups": group, "resources": parts, "verbs": ["*"]},
        {"apiGroups": group, "resources": ["signers"], "resourceNames": [signer], "verbs": [verb]},
    ]
    rbac = "rbac.authorization.k8s.io"
    await client.create(f"clusterroles.{rbac}", {"metadata": {"name": "r"}, "rules": rules})
    reference = {"apiGroup": rbac, "kind": "ClusterRole", "name": "r"}
    subjects = [{"kind": "User", "apiGroup": rbac, "name": "joe"}]
    binding = {"metadata": {"name": "r"}, "roleRef": reference, "subjects": subjects}
    await client.create(f"clusterrolebindings.{rbac}", binding)
    spec = {"request": base64.b64encode(PEM).decode(), "signerName": "example.com/x", "usages": ["client auth"]}
    await client.create(CSRS, {"metadata": {"name": "csr"}, "spec": spec})
    return plane


@pytest.mark.anyio
@pytest.mark.parametrize("signer", ["example.com/x", "example.com/*"])
async def test_an_approver_of_the_signer_approves(signer: str) -> None:
    plane = await plane_where_joe_may("approve", signer)
    await plane.client(JOE, "test").patch(CSRS, "csr", APPROVED, subresource="approval")


@pytest.mark.anyio
@pytest.mark.parametrize(("verb", "signer"), [("approve", "example.com/y"), ("sign", "example.com/x")])
async def test_others_do_not(verb: str, signer: str) -> None:
    plane = await plane_where_joe_may(verb, signer)
    with pytest.raises(errors.Forbidden) as refused:
        await plane.client(JOE, "test").patch(CSRS, "csr", APPROVED, subresource="approval")
    assert 'user not permitted to approve requests with signerName "example.com/x"' in refused.value.message


@pytest.mark.anyio
async def test_a_certificate_is_written_by_a_signer_only() -> None:
    plane = await plane_where_joe_may("approve", "example.com/x")
    failed = {"type": "Failed", "status": "True", "reason": "x", "message": "y"}
    client = plane.client(JOE, "test")
    await client.patch(CSRS, "csr", {"status": {"conditions": [failed]}}, subresource="status")
    with pytest.raises(errors.Forbidden) as refused:
        await client.patch(CSRS, "csr", {"status": {"certificate": "QUJD"}}, subresource="status")
    assert "user not permitted to sign requests" in refused.value.message
