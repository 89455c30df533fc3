"""Image names, completed as every client completes them."""

from __future__ import annotations

import pytest

from kube_lite.node.linux.images.reference import Reference

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.7.9", "docker.io/library/nginx:1.7.9"),
        ("team/app", "docker.io/team/app:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app:v1", "localhost:5000/app:v1"),
        ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"),
        ("a.b/c/d__e/f-g:T_1.x", "a.b/c/d__e/f-g:T_1.x"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"nginx:1@{DIGEST}", f"docker.io/library/nginx:1@{DIGEST}"),
        ("Host/app", "Host/app:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
    ],
)
def test_names_are_completed(text: str, complete: str) -> None:
    assert str(Reference.parse(text)) == complete
    assert str(Reference.parse(complete)) == complete


def test_a_digest_is_asked_for_rather_than_the_tag() -> None:
    assert Reference.parse(f"nginx:1@{DIGEST}").version == DIGEST
    assert Reference.parse("nginx:1").version == "1"
