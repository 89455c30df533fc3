"""``kube-lite up`` without a real node."""

from __future__ import annotations

from pathlib import Path

from tests.support.running import Server


def test_without_a_node_it_stops_without_one(tmp_path: Path) -> None:
    server = Server("up", tmp_path / "data", "--no-node", "--sim-nodes", "1")
    assert server.stop() == 0
    assert server.err == ""
    assert not (tmp_path / "data" / "node").exists()
