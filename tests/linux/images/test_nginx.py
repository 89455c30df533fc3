"""A real program from a real registry, as the e2e tests use it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kube_lite.node.linux.images.store import ImageStore
from tests.linux.images.nginx import push_nginx
from tests.linux.images.test_builtin import run_in
from tests.linux.network.namespaces import needs_root

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root(), reason="needs root")]


def test_nginx_is_pulled_through_a_mirror_and_runs(tmp_path: Path, registry: str) -> None:
    push_nginx(registry, tmp_path / "nginx")

    async def main() -> str:
        store = ImageStore(tmp_path, {"docker.io": registry})
        state = await store.ensure("nginx:1.7.9", "IfNotPresent")
        rootfs = await store.rootfs(state.image_id)
        await store.close()
        assert rootfs.config.stop_signal == "SIGQUIT"
        assert rootfs.config.cmd[0] == "nginx"
        return run_in(rootfs, tmp_path, 0, "/bin/sh", "-c", "nginx -t 2>&1; cat /var/www/html/index.html")

    seen = asyncio.run(main())
    assert "test is successful" in seen
    assert "Welcome to nginx!" in seen
