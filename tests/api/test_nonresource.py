"""Health, version and the index of paths."""

from __future__ import annotations

from kube_lite.api.health import START_STEPS
from kube_lite.api.plane import Plane
from tests.api.wire import call, run


def test_health_is_ok_in_one_word_or_check_by_check() -> None:
    async def story(plane: Plane) -> None:
        for path in ("/healthz", "/livez", "/readyz"):
            answer = await call(plane.app, "GET", path, peer={})
            assert (answer.code, answer.body) == (200, b"ok")
        lines = (await call(plane.app, "GET", "/readyz?verbose")).body.decode().splitlines()
        assert lines[:4] == ["[+]ping ok", "[+]log ok", "[+]etcd ok", "[+]informer-sync ok"]
        assert lines[-2:] == ["[+]shutdown ok", "readyz check passed"]
        assert "[+]poststarthook/rbac/bootstrap-roles ok" in lines
        for path in ("livez", "healthz"):
            alive = (await call(plane.app, "GET", f"/{path}?verbose=true")).body.decode()
            assert alive == "\n".join(lines[:3] + lines[4:-2]) + f"\n{path} check passed\n"
        assert (await call(plane.app, "GET", "/livez/ping")).body == b"ok"
        assert (await call(plane.app, "GET", "/livez/nonsense")).code == 404

    run(story)


def test_a_failing_check_fails_the_whole_and_can_be_left_out() -> None:
    async def story(plane: Plane) -> None:
        plane._started = False
        answer = await call(plane.app, "GET", "/readyz")
        assert answer.code == 500
        assert b"[-]etcd failed: reason withheld\n" in answer.body
        assert answer.body.endswith(b"readyz check failed\n")
        assert (await call(plane.app, "GET", "/readyz/etcd")).code == 500
        others = "&".join(f"exclude={name}" for name in ("etcd", "informer-sync", *START_STEPS))
        assert (await call(plane.app, "GET", f"/readyz?{others}")).code == 200
        verbose = await call(plane.app, "GET", f"/readyz?{others}&exclude=what&verbose")
        assert b"[+]etcd excluded: ok" in verbose.body
        assert b'warn: some health checks cannot be excluded: no matches for "what"' in verbose.body

    run(story)


def test_the_version_and_the_paths_are_told() -> None:
    async def story(plane: Plane) -> None:
        version = (await call(plane.app, "GET", "/version")).json()
        assert version["gitVersion"].startswith(f"v{version['major']}.{version['minor']}.")
        paths = (await call(plane.app, "GET", "/")).json()["paths"]
        assert {"/api/v1", "/apis/apps/v1", "/healthz", "/livez/ping", "/openapi", "/version"} <= set(paths)
        assert paths == sorted(paths)
        for nothing in ("/nothing/here", "//", "//api/v1", "//healthz", "//api/v1/namespaces/default"):
            answer = await call(plane.app, "GET", nothing)
            assert (answer.code, answer.json()["paths"]) == (404, paths)
        assert (await call(plane.app, "GET", "/index.html")).json()["paths"] == paths

    run(story)
