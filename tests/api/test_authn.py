"""Authentication: credentials that are no good are refused, whatever is wrong with them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.api.authn import PEER_CERTIFICATE, PEER_UID
from kube_lite.api.plane import Plane, PlaneOptions
from kube_lite.api.token_signer import Signer
from kube_lite.api.tokens import ISSUER, LEGACY_ISSUER
from kube_lite.api.user import AUTHENTICATED, User
from kube_lite.errors import BadRequest, Invalid
from tests.api.wire import ask
from tests.plane import admin, started_plane

Obj = dict[str, Any]
POD: Obj = {
    "metadata": {"name": "p"},
    "spec": {"serviceAccountName": "robot", "containers": [{"name": "c", "image": "i"}]},
}


def b64(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


async def world() -> Plane:
    """A token ``alice``, and the service account ``robot`` with a pod."""
    plane = await started_plane()
    plane.authenticator.add_token("alice", User("alice", groups=(AUTHENTICATED,)))
    client = admin(plane)
    await client.create("serviceaccounts", {"metadata": {"name": "robot"}}, "default")
    await client.create("pods", POD, "default")
    return plane


async def request_token(plane: Plane, **spec: Any) -> str:
    answer = await admin(plane).create(
        "serviceaccounts",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
        "default",
        name="robot",
        subresource="token",
    )
    return str(json.loads(answer)["status"]["token"])


def parts(token: str) -> tuple[Obj, Obj, str]:
    head, body, signature = token.split(".")

    def decoded(text: str) -> Obj:
        found: Obj = json.loads(base64.urlsafe_b64decode(text + "=="))
        return found

    return decoded(head), decoded(body), signature


async def altered(plane: Plane, **claims: Any) -> str:
    """A good token with other claims, signed with the right key."""
    _, body, _ = parts(await request_token(plane))
    return plane.tokens.signer.sign({**body, **claims})


async def unsigned(plane: Plane) -> str:
    head, body, _ = parts(await request_token(plane))
    return f"{b64({**head, 'alg': 'none'})}.{b64(body)}."


async def signed_with_the_public_key(plane: Plane) -> str:
    """HS256 with what everybody knows as the secret: the classic confusion of algorithms."""
    head, body, _ = parts(await request_token(plane))
    message = f"{b64({**head, 'alg': 'HS256'})}.{b64(body)}"
    secret = json.dumps(plane.tokens.signer.jwks()["keys"][0]).encode()
    return f"{message}.{b64(hmac.new(secret, message.encode(), hashlib.sha256).digest())}"


async def with_a_path_for_a_key(plane: Plane) -> str:
    head, body, signature = parts(await request_token(plane))
    return f"{b64({**head, 'kid': '../../dev/null'})}.{b64(body)}.{signature}"


async def of_another_cluster(plane: Plane) -> str:
    _, body, _ = parts(await request_token(plane))
    return Signer(None).sign(body)


async def with_claims_exchanged(plane: Plane) -> str:
    head, body, signature = parts(await request_token(plane))
    return f"{b64(head)}.{b64({**body, 'sub': 'system:serviceaccount:kube-system:admin'})}.{signature}"


async def of_a_deleted_account(plane: Plane) -> str:
    token = await request_token(plane)
    await admin(plane).delete("serviceaccounts", "robot", "default")
    return token


async def of_an_account_made_anew(plane: Plane) -> str:
    token = await of_a_deleted_account(plane)
    await admin(plane).create("serviceaccounts", {"metadata": {"name": "robot"}}, "default")
    return token


async def of_a_deleted_pod(plane: Plane) -> str:
    bound = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    token = await request_token(plane, boundObjectRef=bound)
    assert (await ask(plane, "/api", token=token)).code == 200
    await admin(plane).delete("pods", "p", "default", grace_period_seconds=0)
    return token


async def of_a_deleted_node(plane: Plane) -> str:
    await admin(plane).create("nodes", {"metadata": {"name": "n"}})
    token = await request_token(plane, boundObjectRef={"kind": "Node", "apiVersion": "v1", "name": "n"})
    assert (await ask(plane, "/api", token=token)).code == 200
    await admin(plane).delete("nodes", "n")
    return token


async def legacy_that_was_made_invalid(plane: Plane) -> str:
    token = legacy_secret(plane)
    data = {"token": base64.b64encode(token.encode()).decode()}
    labels = {"kubernetes.io/legacy-token-invalid-since": "2026-01-01"}
    await admin(plane).create("secrets", {"metadata": {"name": "s", "labels": labels}, "data": data}, "default")
    return token


async def of_a_pod_made_anew(plane: Plane) -> str:
    token = await of_a_deleted_pod(plane)
    await admin(plane).create("pods", POD, "default")
    return token


def legacy_secret(plane: Plane, name: str = "s") -> str:
    account = plane.storage.lookup("serviceaccounts", "default", "robot")
    assert account is not None
    return plane.tokens.legacy("default", "robot", account["metadata"]["uid"], name)


async def legacy_without_its_secret(plane: Plane) -> str:
    return legacy_secret(plane)


async def legacy_replaced_in_its_secret(plane: Plane) -> str:
    data = {"token": base64.b64encode(b"another").decode()}
    await admin(plane).create("secrets", {"metadata": {"name": "s"}, "data": data}, "default")
    return legacy_secret(plane)


def changed(**claims: Any) -> Callable[[Plane], Awaitable[str]]:
    return lambda plane: altered(plane, **claims)


def fixed(token: str) -> Callable[[Plane], Awaitable[str]]:
    async def make(plane: Plane) -> str:
        return token

    return make


@pytest.mark.parametrize(
    "make",
    [
        fixed("unknown"),
        fixed("alice "),
        fixed("Alice"),
        fixed("a.b.c"),
        fixed(".."),
        fixed("...."),
        fixed("é"),
        fixed("x" * 100_000),
        fixed(f"{b64({'alg': 'ES256'})}.{b64([])}.x"),
        fixed(f"{b64({'alg': 'ES256'})}.{b64({'iss': ISSUER})}.x"),
        fixed(f"{b64({'alg': 'ES256'})}.{b64({'iss': LEGACY_ISSUER})}.{b64(b'x' * 64)}"),
        fixed(f"{b64([])}.{b64({'iss': ISSUER})}.{b64(b'x' * 64)}"),
        changed(exp=0),
        changed(nbf=1 << 40),
        changed(aud=["elsewhere"]),
        changed(aud=[]),
        changed(iss="https://elsewhere"),
        changed(**{"kubernetes.io": {}}),
        changed(**{"kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "robot", "uid": "x"}}}),
        unsigned,
        signed_with_the_public_key,
        with_a_path_for_a_key,
        of_another_cluster,
        with_claims_exchanged,
        of_a_deleted_account,
        of_an_account_made_anew,
        of_a_deleted_pod,
        of_a_pod_made_anew,
        of_a_deleted_node,
        legacy_that_was_made_invalid,
        legacy_without_its_secret,
        legacy_replaced_in_its_secret,
    ],
)
def test_a_token_that_is_no_good_is_refused(make: Callable[[Plane], Awaitable[str]]) -> None:
    async def main() -> None:
        plane = await world()
        token = await make(plane)
        header = [("Authorization", f"Bearer {token}".encode().decode("latin-1"))]
        if token == "alice ":
            header = [("Authorization", "Bearer ali ce")]
        answer = await ask(plane, "/api", headers=header)
        assert (answer.code, answer.json()["message"]) == (401, "Unauthorized")

    anyio.run(main)


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "bearer   "])
def test_a_bearer_without_a_token_is_refused(value: str) -> None:
    async def main() -> None:
        answer = await ask(await world(), "/api", headers=[("Authorization", value)])
        assert answer.code == 401

    anyio.run(main)


@pytest.mark.parametrize("value", ["Basic YWxpY2U6YWxpY2U=", "alice", "Token alice", ""])
def test_other_schemes_prove_nothing(value: str) -> None:
    async def main() -> None:
        answer = await ask(await world(), "/api", headers=[("Authorization", value)])
        assert (answer.code, "system:anonymous" in answer.json()["message"]) == (403, True)

    anyio.run(main)


@pytest.mark.parametrize("path", ["/api?token=alice", "/api?access_token=alice", "/api?authorization=Bearer%20alice"])
def test_a_token_in_the_url_is_not_looked_at(path: str) -> None:
    async def main() -> None:
        assert (await ask(await world(), path)).code == 403

    anyio.run(main)


def test_front_proxy_headers_prove_nothing() -> None:
    async def main() -> None:
        headers = [("X-Remote-User", "root"), ("X-Remote-Group", "system:masters")]
        assert (await ask(await world(), "/api", headers=headers)).code == 403

    anyio.run(main)


def subject(*names: tuple[str, str]) -> Obj:
    return {"subject": tuple(((kind, value),) for kind, value in names)}


def test_a_certificate_gives_name_and_groups_as_they_are_written() -> None:
    async def main() -> None:
        plane, path = await world(), "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        certificate = subject(("organizationName", "System:Masters"), ("commonName", "Bob"))
        answer = await ask(plane, path, method="POST", body={}, scope={PEER_CERTIFICATE: certificate})
        found = answer.json()["status"]["userInfo"]
        assert (found["username"], found["groups"]) == ("Bob", ["System:Masters", AUTHENTICATED])
        nobody = subject(("organizationName", "system:masters"))
        assert (await ask(plane, "/api", scope={PEER_CERTIFICATE: nobody})).code == 401
        wrong = [("Authorization", "Bearer wrong")]
        assert (await ask(plane, "/api", headers=wrong, scope={PEER_CERTIFICATE: certificate})).code == 401

    anyio.run(main)


def test_the_socket_is_its_owners() -> None:
    async def main() -> None:
        plane = await started_plane()
        assert plane.options == PlaneOptions(disabled_admission_plugins=())
        assert (await ask(plane, "/metrics", scope={PEER_UID: 0})).code != 403
        assert (await ask(plane, "/api", scope={PEER_UID: 4711})).code == 401

    anyio.run(main)


def test_a_legacy_token_is_good_while_its_secret_holds_it() -> None:
    async def main() -> None:
        plane = await world()
        token = legacy_secret(plane)
        data = {"token": base64.b64encode(token.encode()).decode()}
        await admin(plane).create("secrets", {"metadata": {"name": "s"}, "data": data}, "default")
        assert (await ask(plane, "/api", token=token)).code == 200
        # and tells when it was last used, at most once a day
        used = {"kubernetes.io/legacy-token-last-used": clock.now().date().isoformat()}
        first = json.loads(await admin(plane).get("secrets", "s", "default"))["metadata"]
        assert first["labels"] == used
        assert (await ask(plane, "/api", token=token)).code == 200
        again = json.loads(await admin(plane).get("secrets", "s", "default"))["metadata"]
        assert again["resourceVersion"] == first["resourceVersion"]
        for old, wanted in (("2026-01-01", used), ("yesterday", used)):
            labels = {"metadata": {"labels": dict.fromkeys(used, old)}}
            await admin(plane).patch("secrets", "s", labels, "default")
            assert (await ask(plane, "/api", token=token)).code == 200
            assert json.loads(await admin(plane).get("secrets", "s", "default"))["metadata"]["labels"] == wanted
        await admin(plane).delete("secrets", "s", "default")
        assert (await ask(plane, "/api", token=token)).code == 401

    anyio.run(main)


def test_a_token_ends_when_it_says() -> None:
    async def main() -> None:
        plane = await world()
        _, body, _ = parts(await request_token(plane, expirationSeconds=600))
        assert body["exp"] - body["iat"] == 600
        assert abs(body["iat"] - clock.now().timestamp()) < 60
        # what is mounted into every pod: some clients read it once only
        _, body, _ = parts(await request_token(plane, expirationSeconds=3607))
        assert body["exp"] - body["iat"] == 365 * 24 * 3600
        assert body["kubernetes.io"]["warnafter"] - body["iat"] == 3607
        _, body, _ = parts(await request_token(plane, expirationSeconds=3607, audiences=["vault"]))
        assert body["exp"] - body["iat"] == 3607

    anyio.run(main)


def test_the_tokens_of_a_pod_end_a_minute_after_it_should_have() -> None:
    async def main() -> None:
        plane = await world()
        await admin(plane).patch("pods", "p", {"metadata": {"finalizers": ["a/b"]}}, "default")
        token = await of_a_deleted_pod(plane)
        assert (await ask(plane, "/api", token=token)).code == 200
        await anyio.sleep(61)
        assert (await ask(plane, "/api", token=token)).code == 401

    clock.run_virtual(main())


@pytest.mark.parametrize(("metadata", "words"), [({"name": "x"}, "must match the"), ({"namespace": "x"}, "namespace")])
def test_a_token_is_asked_for_the_account_of_the_path(metadata: Obj, words: str) -> None:
    async def main() -> None:
        plane = await world()
        wanted = {"metadata": metadata, "spec": {}}
        with pytest.raises(BadRequest if words == "namespace" else Invalid, match=words):
            await admin(plane).create("serviceaccounts", wanted, "default", name="robot", subresource="token")

    anyio.run(main)


def test_others_can_check_our_tokens() -> None:
    async def main() -> None:
        plane = await world()
        token = await request_token(plane)
        document = (await ask(plane, "/.well-known/openid-configuration", token=token)).json()
        keys = await ask(plane, "/openid/v1/jwks", token=token)
        assert document["issuer"] == ISSUER == parts(token)[1]["iss"]
        assert document["jwks_uri"].endswith("/openid/v1/jwks")
        assert keys.header("content-type") == "application/jwk-set+json"
        assert keys.header("cache-control") == "public, max-age=3600"
        assert [key["kid"] for key in keys.json()["keys"]] == [parts(token)[0]["kid"]]
        assert (await ask(plane, "/openid/v1/jwks", token="alice")).code == 403

    anyio.run(main)
