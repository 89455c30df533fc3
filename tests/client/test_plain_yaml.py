"""Plain kubeconfigs are read as YAML reads them; anything else is left to YAML."""

from __future__ import annotations

import pytest
import yaml

from kube_lite.client import plain_yaml
from kube_lite.client.kubeconfig import Connection, render

PLAIN = """apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: LS0tLS1CRUdJTg==
    insecure-skip-tls-verify: true
    server: https://127.0.0.1:6443
  name: a
- name: b
  cluster:
    server: https://host.example
contexts:
  - context:
      cluster: a
      user: admin
    name: a
current-context: a
preferences: {}
users: []
"""


@pytest.mark.parametrize("text", [PLAIN, render(Connection("https://h:1", b"ca", b"cert", b"key")), "a:\nb: x\n"])
def test_plain_files_are_read_as_yaml_reads_them(text: str) -> None:
    found = plain_yaml.decode(text)
    assert found is not None
    assert found == yaml.safe_load(text)


@pytest.mark.parametrize(
    "text",
    [
        'a: "quoted"\n',
        "a: 1\n",
        "a: 2026-01-01\n",
        "a: yes\n",
        "a: null\n",
        "a: x # comment\n",
        "# comment\na: x\n",
        "a: |\n  text\n",
        "a: x\n  y\n",
        "a: {b: c}\n",
        "a: &x y\n",
        "- a: b\n",
        "a: b\na: c\n",
        "a:\n  b: c\n d: e\n",
        "a:\n- b: c\n d: e\n",
        "a: b: c\n",
        "a:\tb\n",
        '{"a": "b"}',
        "just text\n",
    ],
)
def test_everything_else_is_left_to_the_real_parser(text: str) -> None:
    assert plain_yaml.decode(text) is None
