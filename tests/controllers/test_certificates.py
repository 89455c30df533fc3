"""Requests for certificates: signed when approved, failed when a signer may not, forgotten when they are old."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from kube_lite import clock
from kube_lite.controllers.certificate_requests import (
    KUBE_APISERVER_CLIENT,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    REQUESTS,
    asked,
    problem,
)
from kube_lite.resources.meta import Obj
from tests.controllers.certificates import request_pem, signing_request
from tests.controllers.world import World, running

CLIENT = ("digital signature", "client auth")
SERVER = ("digital signature", "server auth")
NODE = ("system:node:n", ["system:nodes"])


@pytest.mark.parametrize(
    ("signer", "pem", "usages", "why"),
    [
        (KUBE_APISERVER_CLIENT, request_pem("jane"), CLIENT, ""),
        (
            KUBE_APISERVER_CLIENT,
            request_pem("jane"),
            SERVER,
            "invalid usage for client certificate: server auth",
        ),
        (
            KUBE_APISERVER_CLIENT,
            request_pem("jane"),
            CLIENT[:1],
            "missing required usage for client certificate: client auth",
        ),
        (KUBELET_CLIENT, request_pem(*NODE), CLIENT, ""),
        (KUBELET_CLIENT, request_pem(*NODE), (*CLIENT, "key encipherment"), ""),
        (
            KUBELET_CLIENT,
            request_pem(*NODE),
            SERVER,
            "usages did not match [client auth digital signature key encipherment]",
        ),
        (KUBELET_CLIENT, request_pem("jane"), CLIENT, "subject organization is not system:nodes"),
        (KUBELET_CLIENT, request_pem(*NODE, dns=["a"]), CLIENT, "DNS subjectAltNames are not allowed"),
        (
            KUBELET_CLIENT,
            request_pem("n", NODE[1]),
            CLIENT,
            "subject common name does not begin with system:node: prefix",
        ),
        (KUBELET_SERVING, request_pem(*NODE, dns=["n"], addresses=["10.0.0.1"]), SERVER, ""),
        (KUBELET_SERVING, request_pem(*NODE), SERVER, "DNS or IP subjectAltName is required"),
    ],
)
def test_what_each_signer_accepts(signer: str, pem: bytes, usages: Sequence[str], why: str) -> None:
    assert problem(signer, asked(pem), usages) == why


def _condition(kind: str) -> Obj:
    return {"type": kind, "status": "True", "reason": "R", "lastUpdateTime": clock.timestamp()}


async def _with_condition(world: World, name: str, kind: str) -> None:
    change = {"status": {"conditions": [_condition(kind)]}}
    await world.client.patch(REQUESTS, name, change, subresource="approval")


def test_only_what_was_approved_is_signed_and_for_as_long_as_asked() -> None:
    signed: list[tuple[tuple[str, ...], float]] = []

    def sign(pem: bytes, usages: Sequence[str], seconds: float) -> bytes:
        signed.append((tuple(usages), seconds))
        return b"CERTIFICATE"

    async def main() -> None:
        world = World()
        short = signing_request("short", request_pem("jane"), "kube-apiserver-client", CLIENT, expirationSeconds=60)
        for body in (short, signing_request("waits", request_pem("jane"), "kube-apiserver-client", CLIENT)):
            await world.client.create(REQUESTS, body)
        bad = signing_request("bad", request_pem("jane"), "kubelet-serving", SERVER)
        await world.client.create(REQUESTS, bad)
        async with running(world, ["csrsigning"], kubelet=False, sign_certificate=sign):
            await _with_condition(world, "short", "Approved")
            await _with_condition(world, "bad", "Approved")
            await anyio.sleep(1)
        assert signed == [(CLIENT, 600.0)]
        assert world.get(REQUESTS, "short", "")["status"]["certificate"] == "Q0VSVElGSUNBVEU="
        assert "certificate" not in world.get(REQUESTS, "waits", "").get("status", {})
        failed = world.get(REQUESTS, "bad", "")["status"]["conditions"][-1]
        assert (failed["type"], failed["reason"]) == ("Failed", "SignerValidationFailure")
        assert failed["message"] == "subject organization is not system:nodes"

    clock.run_virtual(main())


def test_requests_go_an_hour_after_their_answer_and_a_day_without_one() -> None:
    async def main() -> None:
        world = World()
        for name in ("denied", "pending"):
            body = signing_request(name, request_pem("jane"), "kube-apiserver-client", CLIENT)
            await world.client.create(REQUESTS, body)
        async with running(world, ["csrcleaner"], kubelet=False):
            await _with_condition(world, "denied", "Denied")
            await anyio.sleep(3500)
            assert len(world.objects(REQUESTS)) == 2
            await anyio.sleep(200)
            assert [request["metadata"]["name"] for request in world.objects(REQUESTS)] == ["pending"]
            await anyio.sleep(24 * 3600)
            assert world.objects(REQUESTS) == []

    clock.run_virtual(main())
