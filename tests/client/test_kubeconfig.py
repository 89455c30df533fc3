"""Kubeconfig files are read, merged and written as kubectl does."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from kube_lite.client import kubeconfig
from kube_lite.client.kubeconfig import Connection, KubeconfigError


def test_what_is_written_is_read_back_and_private(tmp_path: Path) -> None:
    made = Connection(
        "https://127.0.0.1:6443", ca=b"CA", client_certificate=b"CERT", client_key=b"KEY", token="t", namespace="ns"
    )
    path = tmp_path / "deep" / "config"
    kubeconfig.write(path, kubeconfig.render(made))
    kubeconfig.write(path, kubeconfig.render(made))
    assert kubeconfig.load([path]).connection() == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["config"]


def test_files_are_relative_to_the_kubeconfig_and_inline_data_wins(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"FROM FILE")
    (tmp_path / "key.pem").write_bytes(b"KEY")
    inline = base64.b64encode(b"INLINE").decode()
    (tmp_path / "config").write_text(
        f"""
clusters: [{{name: c, cluster: {{server: "https://x", certificate-authority: ca.pem}}}}]
users: [{{name: u, user: {{client-certificate: missing, client-certificate-data: {inline}, client-key: key.pem}}}}]
contexts: [{{name: a, context: {{cluster: c, user: u}}}}]
current-context: a
"""
    )
    found = kubeconfig.load([tmp_path / "config"]).connection()
    assert (found.ca, found.client_certificate, found.client_key) == (b"FROM FILE", b"INLINE", b"KEY")


def test_the_first_file_that_names_something_wins(tmp_path: Path) -> None:
    for name, server in (("one", "https://one"), ("two", "https://two")):
        (tmp_path / name).write_text(kubeconfig.render(Connection(server), name="same"))
    paths = kubeconfig.default_paths("", {"KUBECONFIG": f"{tmp_path}/none:{tmp_path}/one:{tmp_path}/two"})
    assert kubeconfig.load(paths).connection().server == "https://one"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "no context chosen"),
        ("current-context: a", 'context "a" does not exist'),
        ("{current-context: a, contexts: [{name: a, context: {cluster: c}}]}", 'cluster "c" does not exist'),
        ("[1, 2", "not YAML"),
        ("just text", "not a kubeconfig"),
        (
            "{current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}], clusters: [{name: c}],"
            " users: [{name: u, user: {exec: {command: x}}}]}",
            "exec is not supported",
        ),
        (
            "{current-context: a, contexts: [{name: a, context: {cluster: c}}],"
            " clusters: [{name: c, cluster: {certificate-authority: nowhere}}]}",
            "unable to read .*nowhere",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_says_why(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubeconfigError, match=problem):
        kubeconfig.load([path]).connection()


def test_no_file_at_all_is_an_error() -> None:
    with pytest.raises(KubeconfigError, match="no kubeconfig at /nowhere"):
        kubeconfig.load([Path("/nowhere")])
