"""A server that is stopped by a signal while it is used: nobody is cut off, and nothing acknowledged is lost."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.support.kubectl import Kubectl
from tests.support.running import Server, eventually

FLAGS = ("--controllers", "", "--no-scheduler", "--disable-admission-plugins", "ServiceAccount")


def asked(data_dir: Path, method: str, path: str, body: bytes = b"") -> bytes:
    """One request over the owner's socket. :raises OSError: nobody listens, or the connection was cut"""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(20)
        stream.connect(str(data_dir / "api.sock"))
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
        stream.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = b""
        while piece := stream.recv(65536):
            answer += piece
    return answer


class Writer(threading.Thread):
    """Creates ConfigMaps one after the other, until the server is gone."""

    def __init__(self, data_dir: Path, name: str) -> None:
        super().__init__()
        self._data_dir = data_dir
        self._prefix = name
        self.acknowledged: list[str] = []
        self.cut: list[bytes] = []

    def run(self) -> None:
        while True:
            name = f"{self._prefix}-{len(self.acknowledged)}"
            body = f'{{"metadata":{{"name":"{name}"}}}}'.encode()
            try:
                answer = asked(self._data_dir, "POST", "/api/v1/namespaces/default/configmaps", body)
            except (ConnectionRefusedError, FileNotFoundError, ConnectionResetError, BrokenPipeError):
                return  # it has gone, or went before it took the connection
            if not answer:
                return
            if not answer.startswith(b"HTTP/1.1 201 ") or b"\r\n\r\n" not in answer:
                self.cut.append(answer)
                return
            self.acknowledged.append(name)


def test_writers_get_their_answers_and_all_of_them_are_kept(tmp_path: Path) -> None:
    server = Server("server", tmp_path / "data", *FLAGS)
    writers = [Writer(server.data_dir, f"w{number}") for number in range(8)]
    for writer in writers:
        writer.start()
    eventually(lambda: all(len(writer.acknowledged) > 5 for writer in writers))
    assert server.stop() == 0
    for writer in writers:
        writer.join(20)
    assert server.err == ""
    assert [writer.cut for writer in writers if writer.cut] == []
    again = Server("server", tmp_path / "data", *FLAGS)
    try:
        listed = asked(again.data_dir, "GET", "/api/v1/namespaces/default/configmaps")
        for writer in writers:
            for name in writer.acknowledged:
                assert f'"name":"{name}"'.encode() in listed
    finally:
        assert again.stop() == 0


def test_kubectls_watch_ends_with_the_server_and_without_a_complaint(tmp_path: Path, program: Path) -> None:
    server = Server("server", tmp_path / "data", *FLAGS)
    kubectl = Kubectl(program, server.kubeconfig, "default")
    command = [str(program), "--kubeconfig", str(server.kubeconfig), "get", "namespaces", "-w", "-o", "name"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith("namespace/")
        kubectl("create", "namespace", "seen")
        while watching.stdout.readline() != "namespace/seen\n":
            pass
        assert server.stop() == 0
        _, complaint = watching.communicate(timeout=10)
    assert (watching.returncode, complaint) == (0, "")
    assert server.err == ""


def test_readiness_ends_first_and_a_second_signal_ends_it_all(tmp_path: Path) -> None:
    server = Server("server", tmp_path / "data", *FLAGS, "--shutdown-delay-duration", "60s")
    assert asked(server.data_dir, "GET", "/readyz").endswith(b"ok")
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: asked(server.data_dir, "GET", "/readyz/shutdown").startswith(b"HTTP/1.1 500 "))
    assert asked(server.data_dir, "GET", "/api/v1/namespaces/default").startswith(b"HTTP/1.1 200 ")
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(10) == 1
    assert "Traceback" not in server.err


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_either_signal_ends_a_server_cleanly(tmp_path: Path, name: str) -> None:
    server = Server("server", tmp_path / "data", *FLAGS)
    server.process.send_signal(signal.Signals[name])
    assert server.process.wait(20) == 0
    assert server.err == ""
    assert not (server.data_dir / "api.sock").exists()
