"""A live server: its directory is its own, and what it promised survives a restart."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from kube_lite.api.authn import read_token_file
from kube_lite.client.http import HttpClient
from kube_lite.client.kubeconfig import Connection
from kube_lite.live.server import LiveServer, serve
from kube_lite.settings import ServerSettings
from kube_lite.store.store import Locked
from tests.support.running import free_port

Json = dict[str, Any]


def settings(directory: Path, **more: Any) -> ServerSettings:
    """A server without controllers, on a free port."""
    more = {"listen_port": 0, "controllers": (), "scheduler": False, **more}
    return ServerSettings(data_dir=directory / "data", **more)


def run(story: Callable[[], Awaitable[None]]) -> None:
    """In real time, with an end."""

    async def main() -> None:
        with anyio.fail_after(30):
            await story()

    anyio.run(main)


def client(server: LiveServer) -> HttpClient:
    """Through the owner's socket."""
    return HttpClient(Connection("http://localhost", unix_socket=str(server.settings.api_socket)))


async def _refusal(wanted: ServerSettings) -> BaseException:
    """Why a server does not start."""
    with pytest.raises(ExceptionGroup) as caught:
        async with serve(wanted):
            pass
    found: BaseException = caught.value
    while isinstance(found, BaseExceptionGroup):
        (found,) = found.exceptions
    return found


def test_a_second_server_on_the_directory_fails_at_once_and_harms_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with serve(settings(tmp_path)) as server:
            with pytest.raises(Locked, match="data"):
                async with serve(settings(tmp_path)):
                    pass
            async with client(server) as http:
                assert await http.get("namespaces", "default")

    run(story)


def test_an_address_that_cannot_be_had_fails_before_anything_is_promised(tmp_path: Path) -> None:
    async def story() -> None:
        for host in ("192.0.2.1", "no-such-host.invalid"):
            assert isinstance(await _refusal(settings(tmp_path, listen_host=host)), OSError)
        assert not (tmp_path / "data" / "admin.kubeconfig").exists()
        # the directory is free again
        async with serve(settings(tmp_path)) as server:
            assert server.url.startswith("https://127.0.0.1:")

    run(story)


def test_a_flag_that_is_wrong_leaves_no_socket_behind(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.csv"
    tokens.write_text("good,alice,1\nonly-a-token\n")

    async def story() -> None:
        refusal = await _refusal(settings(tmp_path, token_auth_file=tokens))
        assert str(refusal) == f"{tokens}, line 2: want token,user,uid[,groups], found 1 columns"

    run(story)


def test_what_was_promised_survives_a_restart_on_another_port(tmp_path: Path) -> None:
    service = {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    port = free_port()

    async def story() -> None:
        async with serve(settings(tmp_path)) as server, client(server) as http:
            made: Json = json.loads(await http.create("services", service, "default"))
            uid = json.loads(await http.get("namespaces", "default"))["metadata"]["uid"]
            for number in range(5):
                await http.patch("services", "s", {"metadata": {"labels": {"n": str(number)}}}, "default")
            last: Json = json.loads(await http.get("services", "s", "default"))
            files = {p: (server.settings.data_dir / p).read_text() for p in ("node.token", "pki/ca.crt")}
        assert not server.settings.api_socket.exists()
        again = settings(tmp_path, listen_port=port, advertise_address="192.0.2.9")
        async with serve(again) as server, client(server) as http:
            kept: Json = json.loads(await http.get("services", "s", "default"))
            assert kept == last
            assert kept["spec"]["clusterIP"] == made["spec"]["clusterIP"]
            assert json.loads(await http.get("namespaces", "default"))["metadata"]["uid"] == uid
            changed: Json = json.loads(
                await http.patch("services", "s", {"metadata": {"labels": {"n": "new"}}}, "default")
            )
            assert int(changed["metadata"]["resourceVersion"]) > int(last["metadata"]["resourceVersion"])
            assert {p: (server.settings.data_dir / p).read_text() for p in files} == files
            assert server.url == f"https://127.0.0.1:{port}"
            assert server.url in server.settings.admin_kubeconfig.read_text()
            # pods find the API where it is now
            endpoints = json.loads(await http.get("endpoints", "kubernetes", "default"))
            assert endpoints["subsets"][0]["addresses"] == [{"ip": "192.0.2.9"}]
            assert endpoints["subsets"][0]["ports"][0]["port"] == port

    run(story)


def test_everything_in_the_directory_is_its_owners_alone(tmp_path: Path) -> None:
    async def story() -> None:
        async with serve(settings(tmp_path)) as server:
            data = server.settings.data_dir
            assert data.stat().st_mode & 0o777 == 0o700
            open_to_others = [p for p in data.rglob("*") if p.stat().st_mode & 0o077]
            assert not open_to_others

    run(story)


def test_of_two_lines_with_one_token_the_last_counts_and_somebody_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = tmp_path / "tokens.csv"
    tokens.write_text("t,alice,1\nt,bob,2\n")
    assert read_token_file(tokens)["t"].name == "bob"
    assert "tokens.csv, line 2: the token of alice is bob's from now on" in caplog.text


def test_a_store_that_was_lost_is_pointed_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        for _ in range(2):
            async with serve(settings(tmp_path)):
                pass
        assert "is empty" not in caplog.text
        (tmp_path / "data" / "kube-lite.db").write_bytes(b"")
        async with serve(settings(tmp_path)):
            pass
        assert "kube-lite.db is empty, though this directory was used before: the cluster begins anew" in caplog.text

    run(story)


def test_the_documented_routes_answer_whoever_asks_first(tmp_path: Path) -> None:
    """They are loaded by the first request for them, and a second one meanwhile waits for the same."""
    told: list[int] = []

    async def story() -> None:
        async with serve(settings(tmp_path)) as server:

            async def ask() -> None:
                async with httpx.AsyncClient(transport=socket(server), base_url="http://localhost") as asking:
                    told.append((await asking.get("/kube-lite/v1/changes/namespaces/default")).status_code)
                    told.append((await asking.get("/docs")).status_code)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                tasks.start_soon(ask)

    def socket(server: LiveServer) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(uds=str(server.settings.api_socket))

    run(story)
    assert told == [200] * 4
