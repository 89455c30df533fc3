"""The whole server is killed again and again under 64 HTTP writers; nothing that it acknowledged may be lost."""

from __future__ import annotations

import base64
import http.client
import json
import random
import ssl
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.support.running import Server, free_port

WRITERS = 64
KILLS = 10
PATH = "/api/v1/namespaces/default/configmaps"


class Admin:
    """Connections with the administrator's certificate, over the standard library alone."""

    def __init__(self, server: Server) -> None:
        self._address = urlsplit(server.url).netloc
        kubeconfig = yaml.safe_load(server.kubeconfig.read_text())
        cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._context = ssl.create_default_context(cadata=authority)
        with tempfile.TemporaryDirectory() as directory:
            pair = Path(directory, "pair.pem")
            key = base64.b64decode(user["client-key-data"])
            pair.write_bytes(base64.b64decode(user["client-certificate-data"]) + key)
            self._context.load_cert_chain(pair)

    def connect(self) -> http.client.HTTPSConnection:
        """A new connection."""
        return http.client.HTTPSConnection(self._address, timeout=20, context=self._context)


def ask(
    connection: http.client.HTTPSConnection, method: str, path: str, body: Any = None, kind: str = "application/json"
) -> tuple[int, Any]:
    """One request: the status and the decoded answer."""
    connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": kind})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@dataclass
class Known:
    """What is known of one object: its last acknowledged state, and what may have followed it."""

    revision: int = 0
    value: str | None = None
    """None: it does not exist."""
    attempts: list[str | None] = field(default_factory=list)
    """States that were asked for and not answered: each may or may not have come to be."""


class Writer:
    """One of many: creates, updates, patches and deletes objects of its own, and notes every answer."""

    def __init__(self, number: int, seed: str) -> None:
        self._number = number
        self._choice = random.Random(seed)
        self._count = 0
        self.objects = {f"w{number}-{place}": Known() for place in range(4)}
        self.acknowledged: list[int] = []
        self.problems: list[str] = []

    def work(self, connect: Callable[[], http.client.HTTPSConnection]) -> None:
        """Write until the server is gone."""
        connection = connect()
        try:
            while True:
                self._write(connection)
        except (OSError, http.client.HTTPException, json.JSONDecodeError):
            return
        finally:
            connection.close()

    def _write(self, connection: http.client.HTTPSConnection) -> None:
        name = self._choice.choice(sorted(self.objects))
        known = self.objects[name]
        self._count += 1
        value: str | None = f"{self._number}-{self._count}-" + "x" * self._choice.randrange(2000)
        unsure = bool(known.attempts)
        obj = {"metadata": {"name": name}, "data": {"value": value}}
        if known.value is None and not unsure:
            method, path, body, kind = "POST", PATH, obj, "application/json"
        elif self._choice.random() < 0.2:
            method, path, body, kind, value = "DELETE", f"{PATH}/{name}", {}, "application/json", None
        elif unsure or self._choice.random() < 0.5:
            method, path, body, kind = "PATCH", f"{PATH}/{name}?fieldManager=w", obj, "application/apply-patch+yaml"
            body = {"apiVersion": "v1", "kind": "ConfigMap", **obj}
            path += "&force=true"
        else:
            obj["metadata"]["resourceVersion"] = str(known.revision)  # type: ignore[index]  # a dict of dicts
            method, path, body, kind = "PUT", f"{PATH}/{name}", obj, "application/json"
        known.attempts.append(value)
        status, answer = ask(connection, method, path, body, kind)
        if status == 404 and method == "DELETE" and unsure:
            known.value, known.attempts = None, []
            return
        if status not in (200, 201):
            self.problems.append(f"{method} {name}: {status} {answer.get('message')}")
            known.attempts.pop()
            return
        known.value, known.attempts = value, []
        if value is not None:
            known.revision = int(answer["metadata"]["resourceVersion"])
            self.acknowledged.append(known.revision)


def life(server: Server, writers: list[Writer], seconds: float) -> None:
    """Let all write, kill the server meanwhile, and wait for them to notice."""
    admin = Admin(server)
    threads = [threading.Thread(target=writer.work, args=(admin.connect,)) for writer in writers]
    for thread in threads:
        thread.start()
    threads[0].join(seconds)
    server.kill()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def check(server: Server, writers: list[Writer], newest: int) -> int:
    """Compare what stands with what was acknowledged, and take it as known; the list's revision."""
    connection = Admin(server).connect()
    status, listed = ask(connection, "GET", PATH)
    connection.close()
    assert status == 200
    standing = {item["metadata"]["name"]: item for item in listed["items"]}
    revision = int(listed["metadata"]["resourceVersion"])
    assert revision >= newest, "the revision went back"
    problems = [problem for writer in writers for problem in writer.problems]
    for writer in writers:
        for name, known in writer.objects.items():
            found = standing.get(name)
            value = found["data"]["value"] if found else None
            if value != known.value and value not in known.attempts:
                problems.append(f"{name}: acknowledged {str(known.value)[:20]}, found {str(value)[:20]}")
            if found and value == known.value and int(found["metadata"]["resourceVersion"]) != known.revision:
                problems.append(
                    f"{name}: acknowledged at {known.revision}, is at {found['metadata']['resourceVersion']}"
                )
            known.value, known.attempts = value, []
            known.revision = int(found["metadata"]["resourceVersion"]) if found else 0
    assert not problems, problems[:10]
    return revision


@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_over_ten_kills_of_the_server(tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"
    writers = [Writer(number, f"writer {number}") for number in range(WRITERS)]
    lengths = random.Random(7)
    newest = 0
    used: set[int] = set()
    for _ in range(KILLS):
        server = Server("server", tmp_path / "data", "--controllers", "", "--no-scheduler", listen=listen)
        newest = check(server, writers, max([newest, *used]))
        life(server, writers, lengths.uniform(0.3, 1.2))
        new = [revision for writer in writers for revision in writer.acknowledged]
        assert new, "nothing was written in this life: the test would be blind"
        assert len(new) == len(set(new)), "a revision was used twice"
        assert min(new) > newest, "a revision was used again"
        used.update(new)
        for writer in writers:
            writer.acknowledged.clear()
    server = Server("server", tmp_path / "data", listen=listen)
    check(server, writers, newest)
    assert server.stop() == 0
