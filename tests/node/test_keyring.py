"""Which credentials of a pull secret fit an image, by the rules of upstream's keyring."""

from __future__ import annotations

import base64
import json

import pytest

from kube_lite.node.keyring import Credential, matching, of_secret, parse_docker_config

IMAGE = "registry.example.com:5000/team/app"


def _auth(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_secrets_of_both_types_are_read() -> None:
    auths = {"quay.io": {"auth": _auth("u:p:with:colons")}}
    wanted = [Credential("quay.io", "u", "p:with:colons")]
    assert (
        of_secret("kubernetes.io/dockerconfigjson", {".dockerconfigjson": json.dumps({"auths": auths}).encode()})
        == wanted
    )
    assert of_secret("kubernetes.io/dockercfg", {".dockercfg": json.dumps(auths).encode()}) == wanted
    assert of_secret("Opaque", {".dockerconfigjson": json.dumps({"auths": auths}).encode()}) == []
    assert "with" not in repr(wanted)


@pytest.mark.parametrize(
    "raw",
    [b"no json", b"[]", b'{"auths": 3}', b'{"auths": {"a": {"auth": "%%%"}}}', b'{"auths": {"a": {"auth": "bm8="}}}'],
)
def test_malformed_secrets_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|docker configuration|auth of a"):
        parse_docker_config(raw)


@pytest.mark.parametrize(
    ("scope", "fits"),
    [
        ("registry.example.com:5000", True),
        ("https://registry.example.com:5000/v2/", True),
        ("http://registry.example.com:5000/v1", True),
        ("registry.example.com:5000/team", True),
        ("registry.example.com:5000/te", True),
        ("registry.example.com:5000/team/app/more", False),
        ("registry.example.com", False),
        ("registry.example.com:5001", False),
        ("*.example.com:5000", True),
        ("*.*.com:5000", True),
        ("regist?y.ex*e.com:5000/team", True),
        ("*.com:5000", False),
        ("*:5000", False),
        ("registry.example.com.evil.test:5000", False),
        ("*.example.com:5000/other", False),
    ],
)
def test_a_key_fits_host_port_and_path(scope: str, fits: bool) -> None:
    [credential] = parse_docker_config(json.dumps({scope: {"username": "u", "password": "p"}}).encode())
    assert bool(matching([credential], IMAGE)) is fits


@pytest.mark.parametrize("scope", ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "docker.io/library"])
def test_the_names_of_docker_hub_are_one(scope: str) -> None:
    [credential] = parse_docker_config(json.dumps({"auths": {scope: {"auth": _auth("u:p")}}}).encode())
    assert matching([credential], "docker.io/library/nginx") == [credential]
    assert matching([credential], "quay.io/library/nginx") == []


def test_all_that_fit_are_tried_and_the_longer_path_first() -> None:
    scopes = ["*.example.com:5000", "registry.example.com:5000", "registry.example.com:5000/team", "quay.io"]
    found = matching([Credential(scope, scope) for scope in scopes], IMAGE)
    assert [item.scope for item in found] == [scopes[2], scopes[1], scopes[0]]
