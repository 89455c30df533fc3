"""The proxy subresources: where a request goes, and what is put right in the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from kube_lite import errors
from kube_lite.api.aggregation import proxying as proxies
from kube_lite.api.aggregation import transport
from kube_lite.api.aggregation.proxying import Name, Proxying, parse_name
from kube_lite.api.http import Request
from kube_lite.api.user import User
from kube_lite.resources.meta import Obj
from tests.api.wire import Answer, ask
from tests.plane import admin, started_plane

POD = "/api/v1/namespaces/default/pods"
SERVICE = "/api/v1/namespaces/default/services"
ADMIN = {"kube_lite.peer_uid": 0}


def pod(address: str) -> Obj:
    ports = [{"containerPort": 8080}]
    spec = {"containers": [{"name": "c", "image": "x", "ports": ports}]}
    return {"metadata": {"name": "p"}, "spec": spec, "status": {"podIP": address, "podIPs": [{"ip": address}]}}


class Backend:
    """Answers instead of the cluster's network."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[httpx.Request] = []
        self.answer: tuple[int, dict[str, str], bytes] = (200, {"content-type": "text/plain"}, b"hello")
        mock = httpx.MockTransport(self._handle)
        monkeypatch.setattr(transport, "client_for", lambda context: httpx.AsyncClient(transport=mock))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        code, headers, body = self.answer
        return httpx.Response(code, headers=headers, content=_once(body))


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    return Backend(monkeypatch)


async def _proxied(address: str, path: str, **more: Any) -> Answer:
    """One request to a server with pod p at ``address``, and Service s in front of it."""
    plane = await started_plane(disabled=["ServiceAccount"])
    proxying = Proxying(plane)
    client = admin(plane)
    await client.create("pods", pod(address), "default")
    status = {"status": {"podIP": address, "podIPs": [{"ip": address}]}}
    await client.patch("pods", "p", status, "default", subresource="status")
    named = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": 80}]}
    await client.create("services", {"metadata": {"name": "elsewhere"}, "spec": named}, "default")
    ports = [{"name": "web", "port": 80, "targetPort": 8080}, {"name": "other", "port": 81}]
    await client.create("services", {"metadata": {"name": "s"}, "spec": {"ports": ports}}, "default")
    piece: Obj = {
        "metadata": {"name": "s-1", "labels": {"kubernetes.io/service-name": "s"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.1.2.3"], "conditions": {"ready": True}}],
        "ports": [{"name": "web", "port": 8080, "protocol": "TCP"}],
    }
    await client.create("endpointslices.discovery.k8s.io", piece, "default")
    try:
        return await ask(plane, path, scope=ADMIN, **more)
    finally:
        await proxying.close()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("web", Name("", "web", "")),
        ("web:80", Name("", "web", "80")),
        ("https:web:", Name("https", "web", "")),
        ("http:web:port", Name("http", "web", "port")),
    ],
)
def test_a_name_may_have_a_scheme_and_a_port(text: str, wanted: Name) -> None:
    assert parse_name(text, "service") == wanted


@pytest.mark.parametrize("text", ["ftp:web:80", ":80", "a:b:c:d", "http::80"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(errors.BadRequest):
        parse_name(text, "service")


@pytest.mark.anyio
async def test_a_request_goes_to_the_pods_first_port_with_its_path_and_query(backend: Backend) -> None:
    answer = await _proxied("10.1.2.3", f"{POD}/p/proxy/some/%2Fpath/?q=1&r=2")
    assert (answer.code, answer.body) == (200, b"hello")
    assert str(backend.asked[0].url) == "http://10.1.2.3:8080/some/%2Fpath/?q=1&r=2"


@pytest.mark.anyio
async def test_methods_and_bodies_go_along_but_credentials_do_not(backend: Backend) -> None:
    headers = [("x-own", "1"), ("impersonate-user", "admin"), ("impersonate-group", "system:masters")]
    answer = await _proxied("10.1.2.3", f"{POD}/https:p:9443/proxy/x", method="PUT", body=b'{"a":1}', headers=headers)
    assert answer.code == 200, answer.body
    (asked,) = backend.asked
    assert (asked.method, str(asked.url), asked.content) == ("PUT", "https://10.1.2.3:9443/x", b'{"a":1}')
    assert asked.headers["x-own"] == "1"
    assert "impersonate-user" not in asked.headers


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_is_passed_on(backend: Backend, method: str) -> None:
    assert (await _proxied("10.1.2.3", f"{POD}/p/proxy/", method=method)).code == 200
    assert [asked.method for asked in backend.asked] == [method]


@pytest.mark.anyio
async def test_a_service_is_reached_through_its_endpoints(backend: Backend) -> None:
    for name in ("s:web", "s:80"):
        await _proxied("10.1.2.3", f"{SERVICE}/{name}/proxy/")
    assert [str(asked.url) for asked in backend.asked] == ["http://10.1.2.3:8080/"] * 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        (f"{SERVICE}/s/proxy/", 503, 'no service port \\"\\" found for service \\"s\\"'),
        (f"{SERVICE}/s:nosuch/proxy/", 503, 'no service port \\"nosuch\\" found'),
        (f"{SERVICE}/nosuch/proxy/", 404, 'services \\"nosuch\\" not found'),
        (f"{SERVICE}/elsewhere/proxy/", 503, 'no endpoints available for service \\"elsewhere\\"'),
        (f"{POD}/nosuch/proxy/", 404, 'pods \\"nosuch\\" not found'),
        ("/api/v1/nodes/nosuch/proxy/", 404, 'nodes \\"nosuch\\" not found'),
    ],
)
async def test_what_cannot_be_reached_is_told_apart(backend: Backend, path: str, code: int, words: str) -> None:
    answer = await _proxied("10.1.2.3", path)
    assert answer.code == code
    assert words in answer.body.decode()
    assert not backend.asked


@pytest.mark.anyio
@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1"])
async def test_the_servers_own_host_cannot_be_reached(backend: Backend, address: str) -> None:
    answer = await _proxied(address, f"{POD}/p/proxy/")
    assert (answer.code, answer.json()["message"]) == (400, "address not allowed")
    assert not backend.asked


@pytest.mark.anyio
async def test_the_servers_own_host_cannot_be_reached_by_names_either() -> None:
    assert await proxies._checked("10.1.2.3:80") == "10.1.2.3:80"
    assert await proxies._checked("[fd00::1]:80") == "[fd00::1]:80"
    for address in ("localhost.:80", "[::ffff:127.0.0.1]:80"):  # the latter in pods that earlier versions let have it
        with pytest.raises(errors.BadRequest, match="address not allowed"):
            await proxies._checked(address)


@pytest.mark.anyio
async def test_a_path_without_slash_is_redirected(backend: Backend) -> None:
    answer = await _proxied("10.1.2.3", f"{POD}/p/proxy?a=b")
    assert (answer.code, answer.header("location")) == (301, f"{POD}/p/proxy/?a=b")


@pytest.mark.anyio
async def test_links_and_redirects_lead_through_the_proxy_again(backend: Backend) -> None:
    page = b'<a href="/x">x</a><a href="//h/y">y</a><img src=/z>'
    backend.answer = (200, {"content-type": "text/html"}, page)
    answer = await _proxied("10.1.2.3", f"{POD}/p/proxy/")
    assert answer.body.decode() == f'<a href="{POD}/p/proxy/x">x</a><a href="//h/y">y</a><img src={POD}/p/proxy/z>'
    backend.answer = (302, {"location": "/there"}, b"")
    assert (await _proxied("10.1.2.3", f"{POD}/p/proxy/")).header("location") == f"{POD}/p/proxy/there"


def test_the_user_is_told_in_headers() -> None:
    user = User("joe", "7", ("a", "b"), {"example.com/x y": ("1", "2")})
    assert transport.remote_user(user) == [
        ("X-Remote-User", "joe"),
        ("X-Remote-Uid", "7"),
        ("X-Remote-Group", "a"),
        ("X-Remote-Group", "b"),
        ("X-Remote-Extra-example.com%2Fx%20y", "1"),
        ("X-Remote-Extra-example.com%2Fx%20y", "2"),
    ]


def test_nobody_else_may_say_who_the_user_is() -> None:
    from kube_lite.api import request_info

    headers = {b"x-remote-user": b"admin", b"authorization": b"Bearer x", b"accept": b"a/b", b"connection": b"close"}
    request = Request(request_info.parse("GET", "/"), headers)
    assert transport.sent_headers(request) == [("accept", "a/b"), ("accept-encoding", "identity")]
