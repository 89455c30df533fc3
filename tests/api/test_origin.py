"""Browsers act for the user, so what other sites make them ask is refused; for every method, and with no CORS."""

from __future__ import annotations

import pytest

from kube_lite.api.plane import Plane
from kube_lite.api.user import AUTHENTICATED, MASTERS, User
from tests.api.wire import call, run

PODS = "/api/v1/namespaces/default/pods"
SAME = {"sec-fetch-site": "same-origin"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "anything.example"},
        {"host": "127.0.0.1:6443", "origin": "https://127.0.0.1:6443"},
        {"host": "127.0.0.1:6443", "origin": "http://localhost"},
        {"host": "[::1]:6443", "origin": "https://[::1]:6443", **SAME},
        {"host": "kube.test:6443", "origin": "https://kube.test:6443", **SAME},
        {"host": "127.0.0.1:6443", "origin": "http://localhost:8001", **SAME},
        {"host": "10.0.0.7", "sec-fetch-site": "none"},
        {
            "host": "kube.test",
            "sec-fetch-site": "cross-site",
            "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document",
        },
    ],
)
def test_clients_and_the_servers_own_pages_are_served(headers: dict[str, str]) -> None:
    async def story(plane: Plane) -> None:
        plane.app.hosts = {"kube.test"}
        answer = await call(plane.app, "GET", PODS, headers=headers)
        assert answer.code == 200
        assert not answer.header("access-control-allow-origin")

    run(story)


CONSOLE = {"host": "127.0.0.1:6443", "origin": "https://console.example", "sec-fetch-site": "same-origin"}
TOKEN = "base64url.bearer.authorization.k8s.io."
"""How a page's websocket brings a token: it can set no header."""


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        # a console at another name passes on what its page asked, with the user's token
        ({"authorization": "Bearer right"}, 200),
        ({"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-protocol": f"{TOKEN}cmlnaHQ, v"}, 200),
        # the certificate that a browser has is of no use beside a token that is wrong
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic cmlnaHQ6"}, 403),
        ({"sec-websocket-protocol": "v4.channel.k8s.io"}, 403),
    ],
)
def test_who_brings_a_token_is_judged_by_it_alone(headers: dict[str, str], code: int) -> None:
    async def story(plane: Plane) -> None:
        plane.authenticator.add_token("right", User("ann", groups=(MASTERS, AUTHENTICATED)))
        for site in (CONSOLE, FOREIGN[0]):
            assert (await call(plane.app, "GET", PODS, headers={**site, **headers})).code == code

    run(story)


FOREIGN = [
    {"host": "127.0.0.1:6443", "origin": "https://evil.example"},
    {"host": "127.0.0.1:6443", "origin": "null"},
    {"host": "127.0.0.1:6443", "origin": "https://127.0.0.1.evil.example:6443"},
    {"host": "127.0.0.1:6443", "origin": "https://10.0.0.7:6443"},
    {"host": "127.0.0.1:6443", "origin": "https://[::1"},
    {"host": "127.0.0.1:6443", "origin": "http://localhost:3000", "sec-fetch-site": "same-site"},
    {"host": "127.0.0.1:6443", "sec-fetch-site": "cross-site"},
    {"host": "127.0.0.1:6443", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    # a name of theirs that they pointed here: to the browser it is all one origin
    {"host": "evil.example:6443", "origin": "https://evil.example:6443", **SAME},
    {"host": "evil.example", **SAME},
    {"host": "localhost.evil.example", **SAME},
    {"host": "[", **SAME},
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("headers", FOREIGN)
def test_what_another_site_asks_is_refused(method: str, headers: dict[str, str]) -> None:
    async def story(plane: Plane) -> None:
        plane.app.hosts = {"kube.test"}
        for path in (PODS, "/version", "/livez"):
            answer = await call(plane.app, method, path, headers=headers)
            assert answer.code == 403
            assert not [name for name, _ in answer.headers if name.startswith("access-control")]

    run(story)
