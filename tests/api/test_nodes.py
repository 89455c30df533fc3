"""The nodes' side doors: joining, the control channel, answers that come back through it, logs."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kube_lite import clock, errors
from kube_lite.api import nodes
from kube_lite.api.aggregation.proxying import Proxying
from kube_lite.api.authn import PEER_CERTIFICATE
from kube_lite.api.certs import Authority
from kube_lite.api.nodes import NodeEndpoints, choose_container
from kube_lite.api.plane import Plane
from tests.api.wire import Answer, call, opened, scope
from tests.plane import admin, started_plane

BASE = "/apis/node.kube-lite.io/v1/nodes/n"
POD = "/api/v1/namespaces/default/pods/p"
SECRET = "the-node-secret"
Story = Callable[[Plane, NodeEndpoints], Awaitable[None]]


def node(name: str) -> dict[str, Any]:
    """The scope of a node, which has a client certificate."""
    return {
        PEER_CERTIFICATE: {
            "subject": ((("organizationName", "system:nodes"),), (("commonName", f"system:node:{name}"),))
        }
    }


def run(directory: Path, story: Story) -> None:
    """A story on an API with the node paths and a pod p on node n, in virtual time."""

    async def main() -> None:
        plane = await started_plane(disabled=["ServiceAccount"])
        endpoints = NodeEndpoints(plane, Authority(directory), SECRET, "10.244.0.0/16")
        spec = {"nodeName": "n", "containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]}
        await admin(plane).create("pods", {"metadata": {"name": "p"}, "spec": spec}, "default")
        await story(plane, endpoints)

    clock.run_virtual(main())


async def _answering(plane: Plane, tunnel: Answer, header: Any, *chunks: bytes, as_: str = "n") -> tuple[Any, Answer]:
    """Be the node: take the next question from the tunnel and answer it with a stream."""
    await anyio.sleep(0.1)
    asked = tunnel.lines()[-1]
    first = json.dumps(header).encode() + b"\n"
    path = f"/apis/node.kube-lite.io/v1/nodes/{as_}/streams/{asked['id']}"
    return asked, await call(plane.app, "POST", path, chunks=[first, *chunks], peer=node(as_))


# ---- joining


def _request() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "system:admin")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def test_the_node_token_gives_a_node_its_certificate_and_nothing_else(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        body = {"request": _request().decode()}
        bearer = {"authorization": f"Bearer {SECRET}"}
        joined = await call(plane.app, "POST", BASE + "/join", body, bearer, peer={})
        assert joined.code == 201
        assert (joined.json()["clusterCIDR"], joined.json()["serviceCIDR"]) == ("10.244.0.0/16", "10.96.0.0/12")
        certificate = x509.load_pem_x509_certificate(joined.json()["certificate"].encode())
        assert certificate.subject.rfc4514_string() == "CN=system:node:n,O=kube-lite:nodes,O=system:nodes"
        for path in ("/api/v1/secrets", "/api/v1/nodes", BASE + "/tunnel"):
            assert (await call(plane.app, "GET", path, headers=bearer, peer={})).refusal() == (403, "Forbidden")

    run(tmp_path, story)


def test_nobody_else_joins(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        body = {"request": _request().decode()}
        wrong = await call(plane.app, "POST", BASE + "/join", body, {"authorization": "Bearer no"}, peer={})
        assert wrong.refusal() == (401, "Unauthorized")
        assert (await call(plane.app, "POST", BASE + "/join", body, peer={})).refusal()[0] in (401, 403)
        other = await call(plane.app, "POST", BASE + "/join", body, peer=node("m"))
        assert other.refusal() == (403, "Forbidden")

    run(tmp_path, story)


def test_a_name_is_not_given_to_a_second_node_while_the_first_is_connected(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        bearer = {"authorization": f"Bearer {SECRET}"}
        body = {"request": _request().decode()}
        async with opened(plane.app, BASE + "/tunnel"):
            refused = await call(plane.app, "POST", BASE + "/join", body, bearer, peer={})
            assert refused.refusal() == (409, "Conflict")
            assert 'a node named "n" is connected: choose another name' in refused.json()["message"]
            other = await call(plane.app, "POST", BASE.removesuffix("n") + "m/join", body, bearer, peer={})
            assert other.code == 201
        assert (await call(plane.app, "POST", BASE + "/join", body, bearer, peer={})).code == 201

    run(tmp_path, story)


def test_a_join_without_a_request_is_a_bad_request(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        bearer = {"authorization": f"Bearer {SECRET}"}
        for body in (b"", b"[]", b"{}", b'"x"', b'{"request": "nonsense"}', b'{"request": 5}'):
            refused = await call(plane.app, "POST", BASE + "/join", body, bearer, peer={})
            assert refused.refusal() == (400, "BadRequest"), body
        strange = await call(plane.app, "GET", BASE + "/nonsense")
        assert strange.refusal() == (404, "NotFound")

    run(tmp_path, story)


def test_anybody_may_fetch_the_ca(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        answer = await call(plane.app, "GET", "/kube-lite/cacerts", peer={})
        assert (answer.code, answer.body) == (200, (tmp_path / "ca.crt").read_bytes())

    run(tmp_path, story)


# ---- logs through the tunnel


def test_a_log_is_asked_of_the_pods_node_and_handed_through(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        got: list[Answer] = []

        async def read() -> None:
            got.append(await call(plane.app, "GET", POD + "/log?container=c&tailLines=5&follow=true"))

        async with opened(plane.app, BASE + "/tunnel") as tunnel, anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            asked, answered = await _answering(plane, tunnel, {"status": 200}, b"one\n", b"two\n")
            assert answered.code == 200
        (log,) = got
        assert (log.code, log.body, log.header("content-type")) == (200, b"one\ntwo\n", "text/plain")
        wanted = {"namespace": "default", "pod": "p", "container": "c", "tailLines": 5, "follow": True}
        assert (asked["op"], {k: asked["params"][k] for k in wanted}) == ("logs", wanted)
        assert not endpoints._answers
        assert not endpoints._asked
        assert not endpoints._channels

    run(tmp_path, story)


def test_an_answer_that_nobody_begins_to_read_is_not_kept(tmp_path: Path) -> None:
    """As where only the head was asked for; a generator that was never begun has no end that could be noticed."""

    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        async def ask() -> None:
            _, body = await endpoints.ask("n", "kubelet", {"path": "/logs/"})
            await body.aclose()  # type: ignore[attr-defined]

        async with opened(plane.app, BASE + "/tunnel") as tunnel, anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await _answering(plane, tunnel, {"status": 200}, b"one\n", b"two\n")
        assert not endpoints._answers
        assert not endpoints._asked

    run(tmp_path, story)


def test_what_the_node_refuses_is_refused(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        got: list[Answer] = []

        async def read() -> None:
            got.append(await call(plane.app, "GET", POD + "/log?container=c"))

        header = {"status": 400, "reason": "BadRequest", "message": "container is waiting to start", "code": 400}
        async with opened(plane.app, BASE + "/tunnel") as tunnel, anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await _answering(plane, tunnel, header)
        assert got[0].refusal() == (400, "BadRequest")
        assert got[0].json()["message"] == "container is waiting to start"
        assert not endpoints._answers

    run(tmp_path, story)


def test_a_node_answers_its_own_questions_only(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        got: list[Answer] = []

        async def read() -> None:
            got.append(await call(plane.app, "GET", POD + "/log?container=c"))

        async with opened(plane.app, BASE + "/tunnel") as tunnel, anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            _, other = await _answering(plane, tunnel, {"status": 200}, b"forged", as_="m")
            assert other.refusal() == (404, "NotFound")
            forged = await call(plane.app, "POST", BASE + "/streams/1", b"", peer=node("m"))
            assert forged.refusal() == (403, "Forbidden")
            await _answering(plane, tunnel, {"status": 200}, b"true")
        assert got[0].body == b"true"

    run(tmp_path, story)


def test_a_node_that_is_not_there_or_silent_is_an_error_in_time(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        absent = await call(plane.app, "GET", POD + "/log?container=c")
        assert absent.refusal() == (404, "NotFound")
        node = {"metadata": {"name": "n"}}
        await admin(plane).create("nodes", node)
        mute = await call(plane.app, "GET", POD + "/log?container=c")
        assert mute.refusal() == (500, "")
        assert mute.json()["message"] == "no preferred addresses found; known addresses: []"
        addresses = {"status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}}
        await admin(plane).patch("nodes", "n", addresses, subresource="status")
        absent = await call(plane.app, "GET", POD + "/log?container=c")
        assert absent.refusal() == (500, "InternalError")
        assert 'node "n" is not connected' in absent.json()["message"]
        async with opened(plane.app, BASE + "/tunnel"):
            began = clock.monotonic()
            silent = await call(plane.app, "GET", POD + "/log?container=c")
            assert silent.refusal() == (503, "ServiceUnavailable")
            assert clock.monotonic() - began == pytest.approx(nodes.ANSWER_TIMEOUT, abs=0.1)
        gone = await call(plane.app, "GET", POD + "/log?container=c")
        assert gone.refusal() == (500, "InternalError")
        assert not endpoints._answers

    run(tmp_path, story)


def test_more_questions_than_a_channel_holds_are_refused(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        send, receive = anyio.create_memory_object_stream[bytes](1)
        with send, receive:
            endpoints._channels["n"] = send
            send.send_nowait(b"waits")
            began = clock.monotonic()
            with pytest.raises(errors.ServiceUnavailable):
                await endpoints.ask("n", "logs", {})
            assert clock.monotonic() == began
            assert not endpoints._answers

    run(tmp_path, story)


def test_a_reader_that_goes_away_ends_the_nodes_answer(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        answered = Answer()

        async def endless() -> Any:
            await anyio.sleep(0.1)
            first = b'{"status": 200}\n' if not endpoints_answered else b""
            endpoints_answered.append(1)
            return {"type": "http.request", "body": first + b"line\n", "more_body": True}

        endpoints_answered: list[int] = []
        async with (
            opened(plane.app, BASE + "/tunnel") as tunnel,
            anyio.create_task_group() as tasks,
            opened(plane.app, POD + "/log?container=c&follow=true") as reader,
        ):
            await anyio.sleep(0.1)
            path = f"{BASE}/streams/{tunnel.lines()[0]['id']}"
            tasks.start_soon(plane.app, scope("POST", path, {}, node("n")), endless, answered.take)
            await anyio.sleep(2)
            assert reader.body.count(b"line\n") > 10
        assert answered.refusal() == (404, "NotFound")
        assert clock.monotonic() < 10
        assert not endpoints._answers

    run(tmp_path, story)


def test_a_node_that_hangs_up_in_mid_answer_ends_the_log(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        got: list[Answer] = []
        messages: list[Any] = [
            {"type": "http.request", "body": b'{"status": 200}\nhalf', "more_body": True},
            {"type": "http.disconnect"},
        ]

        async def receive() -> Any:
            return messages.pop(0)

        async def read() -> None:
            got.append(await call(plane.app, "GET", POD + "/log?container=c&follow=true"))

        async with opened(plane.app, BASE + "/tunnel") as tunnel, anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.sleep(0.1)
            path = f"{BASE}/streams/{tunnel.lines()[0]['id']}"
            await plane.app(scope("POST", path, {}, node("n")), receive, Answer().take)
        assert (got[0].body, got[0].complete) == (b"half", True)

    run(tmp_path, story)


def test_a_node_that_comes_back_takes_over_its_channel(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        async with opened(plane.app, BASE + "/tunnel") as first:
            await anyio.sleep(20)
            assert first.body == b"\n"
            async with opened(plane.app, BASE + "/tunnel") as second:
                await anyio.sleep(0.1)
                assert (first.complete, second.complete) == (True, False)
                assert "n" in endpoints._channels
            assert not endpoints._channels

    run(tmp_path, story)


# ---- what is asked for


def test_a_log_needs_a_pod_and_sensible_options_and_is_empty_without_a_node(tmp_path: Path) -> None:
    cases = {
        "none/log": (404, "NotFound"),
        "p/log": (400, "BadRequest"),
        "p/log?container=x": (400, "BadRequest"),
        "p/log?container=c&tailLines=-1": (422, "Invalid"),
        "p/log?container=c&tailLines=x": (400, "BadRequest"),
        "p/log?container=c&limitBytes=0": (422, "Invalid"),
        "p/log?container=c&sinceSeconds=0": (422, "Invalid"),
        "p/log?container=c&sinceSeconds=5&sinceTime=2026-01-01T00:00:00Z": (422, "Invalid"),
        "p/log?container=c&sinceTime=yesterday": (400, "BadRequest"),
    }

    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        free = {"metadata": {"name": "free"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        await admin(plane).create("pods", free, "default")
        for path, wanted in cases.items():
            answer = await call(plane.app, "GET", f"/api/v1/namespaces/default/pods/{path}")
            assert answer.refusal() == wanted, path
        silent = await call(plane.app, "GET", "/api/v1/namespaces/default/pods/free/log")
        assert (silent.code, silent.body) == (204, b"")

    run(tmp_path, story)


def test_the_container_is_the_only_one_or_named_or_the_default() -> None:
    two = {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]}
    default = {"kubectl.kubernetes.io/default-container": "b"}
    assert choose_container({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}]}}, "") == "a"
    assert choose_container({"metadata": {"name": "p"}, "spec": two}, "i") == "i"
    assert choose_container({"metadata": {"name": "p", "annotations": default}, "spec": two}, "") == "b"
    with pytest.raises(errors.BadRequest) as caught:
        choose_container({"metadata": {"name": "p"}, "spec": two}, "")
    assert caught.value.message == (
        "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]"
    )


# ---- the node's own paths


PROXY = "/api/v1/nodes/n/proxy"


async def _proxied(plane: Plane, target: str, header: Any, *chunks: bytes, **more: Any) -> tuple[Any, Answer]:
    """Ask node n something through its proxy subresource while it answers: what it was asked, and the answer."""
    got: list[Answer] = []

    async def read() -> None:
        got.append(await call(plane.app, "GET", target, **more))

    async with opened(plane.app, BASE + "/tunnel") as tunnel, anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        asked, _ = await _answering(plane, tunnel, header, *chunks)
    return asked, got[0]


async def _with_node(plane: Plane) -> None:
    await admin(plane).create("nodes", {"metadata": {"name": "n"}})


def test_paths_below_a_nodes_proxy_are_asked_of_the_node(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        Proxying(plane, endpoints)
        await _with_node(plane)
        header = {"status": 200, "code": 418, "contentType": "text/x", "headers": {"location": "/logs/x/"}}
        asked, answer = await _proxied(plane, f"{PROXY}/stats/summary?only=cpu", header, b"some", b"thing")
        assert (asked["op"], asked["params"]) == ("kubelet", {"path": "/stats/summary", "query": "only=cpu"})
        assert (answer.code, answer.header("content-type"), answer.body) == (418, "text/x", b"something")
        assert answer.header("location") == f"{PROXY}/logs/x/"
        for name in ("n:10250", "https:n:10250"):
            asked, _ = await _proxied(plane, f"/api/v1/nodes/{name}/proxy/healthz", {"status": 200}, b"ok")
            assert asked["params"]["path"] == "/healthz"

    run(tmp_path, story)


def test_a_nodes_proxy_only_reads_and_wants_a_slash(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        Proxying(plane, endpoints)
        await _with_node(plane)
        async with opened(plane.app, BASE + "/tunnel"):
            posted = await call(plane.app, "POST", f"{PROXY}/run/default/p/c?cmd=ls")
            assert (posted.code, posted.header("allow")) == (405, "GET, HEAD")
            bare = await call(plane.app, "GET", f"{PROXY}?a=b")
            assert (bare.code, bare.header("location")) == (301, f"{PROXY}/?a=b")
        missing = await call(plane.app, "GET", "/api/v1/nodes/none/proxy/healthz")
        assert missing.refusal() == (404, "NotFound")

    run(tmp_path, story)


def test_the_proxy_of_a_node_takes_the_right_to_proxy_nodes(tmp_path: Path) -> None:
    async def story(plane: Plane, endpoints: NodeEndpoints) -> None:
        Proxying(plane, endpoints)
        await _with_node(plane)
        client = admin(plane)
        rules = [{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}]
        await client.create("clusterroles", {"metadata": {"name": "proxy"}, "rules": rules})
        subject = {"kind": "User", "name": "joe", "apiGroup": "rbac.authorization.k8s.io"}
        role = {"kind": "ClusterRole", "name": "proxy", "apiGroup": "rbac.authorization.k8s.io"}
        await client.create("clusterrolebindings", {"metadata": {"name": "p"}, "subjects": [subject], "roleRef": role})
        _, answer = await _proxied(plane, f"{PROXY}/healthz", {"status": 200}, headers={"impersonate-user": "joe"})
        assert answer.code == 200
        refused = await call(plane.app, "GET", f"{PROXY}/healthz", headers={"impersonate-user": "jane"})
        assert refused.refusal() == (403, "Forbidden")
        assert 'cannot get resource "nodes/proxy" in API group ""' in refused.json()["message"]

    run(tmp_path, story)
