"""Certificate requests name who sent them."""

from __future__ import annotations

import base64

import anyio
import msgspec
import pytest

from kube_lite.api.certificate_requests import RESOURCE
from kube_lite.api.user import AUTHENTICATED, MASTERS, User
from kube_lite.resources.meta import Obj
from tests.controllers.certificates import request_pem
from tests.plane import started_plane

SENDER = User("alice", "a-1", (MASTERS, AUTHENTICATED), {"k": ("v",)})
CLAIM: Obj = {"username": "admin", "uid": "0", "groups": ["system:masters"], "extra": {"a": ["b"]}}
SPEC: Obj = {
    "request": base64.b64encode(request_pem("a")).decode(),
    "signerName": "example.com/s",
    "usages": ["client auth"],
}
OWN = {"username": "alice", "uid": "a-1", "groups": [MASTERS, AUTHENTICATED], "extra": {"k": ["v"]}}


@pytest.mark.parametrize("claimed", [{}, CLAIM], ids=["nobody", "somebody else"])
def test_the_sender_is_written_down_whoever_it_claims_to_be(claimed: Obj) -> None:
    async def main() -> None:
        client = (await started_plane()).client(SENDER, "test")
        made = msgspec.json.decode(
            await client.create(RESOURCE, {"metadata": {"name": "r"}, "spec": {**SPEC, **claimed}})
        )
        assert made["spec"] == {**SPEC, **OWN}

    anyio.run(main)
