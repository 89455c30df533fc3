"""What ``-f`` reads."""

from __future__ import annotations

import io

import pytest

from kube_lite.cli import manifests
from kube_lite.cli.main import CommandError


def test_a_url_with_more_than_a_manifest_is_refused_instead_of_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    document = b"{apiVersion: v1, kind: Namespace, metadata: {name: %d}}\n---\n"
    monkeypatch.setattr(manifests, "_MOST_BYTES", 1 << 20)
    served = b"".join(document % number for number in range(20_000))
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: io.BytesIO(served))
    with pytest.raises(CommandError, match="more than 1 MiB is no manifest"):
        manifests.read(["http://h/x.yaml"])
    served = document % 1 * 100
    assert len(manifests.read(["http://h/x.yaml"])) == 100
