"""Certificates asked for through the API: approved with kubectl, signed by the cluster, and good for a login."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.controllers.certificates import request_pem, signing_request
from tests.support.kubectl import Kubectl
from tests.support.running import Server, eventually

CLIENT = ("digital signature", "client auth")


@pytest.fixture
def name(kubectl: Kubectl) -> Iterator[str]:
    """A request's name; the request is gone afterwards."""
    made = f"csr-{secrets.token_hex(3)}"
    yield made
    kubectl("delete", "csr", made, "--ignore-not-found")


@pytest.mark.parametrize("usages", [CLIENT, ("client auth",)])
def test_an_approved_request_becomes_a_login(
    kubectl: Kubectl, simulated: Server, program: Path, tmp_path: Path, name: str, usages: tuple[str, ...]
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = request_pem("jane", ["readers"], key=key)
    body = signing_request(name, pem, "kube-apiserver-client", usages, expirationSeconds=3600)
    kubectl("create", "-f", "-", stdin=json.dumps(body))
    assert "Pending" in kubectl("get", "csr", name)
    assert kubectl("certificate", "approve", name).endswith(f"{name} approved\n")
    eventually(lambda: "Approved,Issued" in kubectl("get", "csr", name))
    certificate = base64.b64decode(kubectl("get", "csr", name, "-o", "jsonpath={.status.certificate}"))
    read = x509.load_pem_x509_certificate(certificate)
    assert 3500 < (read.not_valid_after_utc - read.not_valid_before_utc).total_seconds() < 4000
    (tmp_path / "jane.crt").write_bytes(certificate)
    (tmp_path / "jane.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    config = tmp_path / "config"
    config.write_text(json.dumps(json.loads(kubectl("config", "view", "--raw", "-o", "json"))))
    jane = Kubectl(program, config, kubectl.namespace)
    files = (f"--client-certificate={tmp_path / 'jane.crt'}", f"--client-key={tmp_path / 'jane.key'}")
    jane("config", "set-credentials", "jane", *files)
    jane("config", "set-context", "--current", "--user=jane")
    who = json.loads(jane("auth", "whoami", "-o", "json"))["status"]["userInfo"]
    assert (who["username"], who["groups"]) == ("jane", ["readers", "system:authenticated"])


def test_a_denied_request_is_not_signed(kubectl: Kubectl, name: str) -> None:
    body = signing_request(name, request_pem("jane"), "kube-apiserver-client", CLIENT)
    kubectl("create", "-f", "-", stdin=json.dumps(body))
    assert kubectl("certificate", "deny", name).endswith(f"{name} denied\n")
    assert "Denied" in kubectl("get", "csr", name)


def test_what_a_signer_may_not_sign_fails(kubectl: Kubectl, name: str) -> None:
    body = signing_request(name, request_pem("jane"), "kubelet-serving", ("digital signature", "server auth"))
    kubectl("create", "-f", "-", stdin=json.dumps(body))
    kubectl("certificate", "approve", name)
    eventually(lambda: "Approved,Failed" in kubectl("get", "csr", name))
    conditions = json.loads(kubectl("get", "csr", name, "-o", "json"))["status"]["conditions"]
    failed = next(c for c in conditions if c["type"] == "Failed")
    assert (failed["reason"], failed["message"]) == (
        "SignerValidationFailure",
        "subject organization is not system:nodes",
    )


def test_a_node_gets_its_next_certificate_by_itself(kubectl: Kubectl, name: str) -> None:
    pem = request_pem("system:node:sim-0", ["system:nodes"])
    body = signing_request(name, pem, "kube-apiserver-client-kubelet", CLIENT)
    role = "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"
    kubectl("create", "clusterrolebinding", name, f"--clusterrole={role}", "--group=system:nodes")
    node = ("--as=system:node:sim-0", "--as-group=system:nodes")
    kubectl("create", "-f", "-", *node, stdin=json.dumps(body))
    eventually(lambda: "Approved,Issued" in kubectl("get", "csr", name))
    kubectl("delete", "clusterrolebinding", name)


def test_nobody_asks_for_the_group_that_may_do_everything(kubectl: Kubectl, name: str) -> None:
    body = signing_request(name, request_pem("jane", ["system:masters"]), "kube-apiserver-client", CLIENT)
    told = kubectl.fails("create", "-f", "-", stdin=json.dumps(body))
    assert "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed" in told
