"""Images from a real registry, run in a real overlay."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from kube_lite.node.linux.images.removal import ImageInUse, ImageNotFound
from kube_lite.node.linux.images.store import ImageStore, PullProgress
from kube_lite.node.runtime import RuntimeFailure
from tests.linux.images.registry import Image, digest_of, free_port, push, push_index, tar_of
from tests.linux.images.test_builtin import run_in
from tests.linux.network.namespaces import needs_root

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root(), reason="needs root")]

T = TypeVar("T")

BASE = tar_of(
    {"etc": None, "etc/a": b"base a\n", "etc/b": b"base b\n", "d": None, "d/old": b"1", "gone": None, "gone/x": b""}
)
TOP = tar_of(
    {
        "etc": None,
        "etc/.wh.a": b"",
        "etc/c": b"top c\n",
        "d": None,
        "d/.wh..wh..opq": b"",
        "d/new": b"2",
        ".wh.gone": b"",
    }
)


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(main)


def unused() -> str:
    """A repository name of one's own in the shared registry."""
    return f"test/{secrets.token_hex(4)}"


def host(base: str) -> str:
    return base.removeprefix("http://")


def layer_count(store: Path) -> int:
    return len(list((store / "images" / "layers").iterdir()))


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_a_pulled_image_has_its_files_whiteouts_and_configuration(
    tmp_path: Path, registry: str, kind: str, compression: str
) -> None:
    name = unused()
    config = {"Env": ["A=1", "B=x=y"], "Entrypoint": ["/run"], "Cmd": ["-v"], "WorkingDir": "/etc", "User": "7:8"}
    image = Image([BASE, TOP], config, compression, kind)
    digest = push(registry, name, "v1", image)

    async def main() -> None:
        store = ImageStore(tmp_path)
        state = await store.ensure(f"{host(registry)}/{name}:v1", "IfNotPresent")
        assert state.image_id == digest_of(image.document())
        assert state.names == (f"{host(registry)}/{name}:v1", f"{host(registry)}/{name}@{digest}")
        assert state.size == 7 + 7 + 1 + 6 + 1
        rootfs = await store.rootfs(state.image_id)
        assert rootfs.config.env == {"A": "1", "B": "x=y"}
        assert (rootfs.config.entrypoint, rootfs.config.cmd) == (("/run",), ("-v",))
        assert (rootfs.config.working_dir, rootfs.config.user) == ("/etc", "7:8")
        top, base = map(Path, rootfs.layers)
        assert (top / "etc/c").read_bytes() == b"top c\n"
        assert (base / "etc/a").exists()
        whiteout = os.lstat(top / "gone")
        assert (whiteout.st_rdev, whiteout.st_mode & 0o170000) == (0, 0o020000)
        assert os.getxattr(top / "d", "trusted.overlay.opaque") == b"y"
        await store.close()

    run(main())


def test_the_layers_stacked_by_the_kernel_show_the_image(tmp_path: Path, registry: str) -> None:
    name = unused()
    push(registry, name, "v1", Image([tar_of({"usr": None, "lib": "usr/lib", "lib64": "usr/lib64"}), BASE, TOP]))

    async def main() -> str:
        store = ImageStore(tmp_path)
        state = await store.ensure(f"{host(registry)}/{name}:v1", "IfNotPresent")
        rootfs = await store.rootfs(state.image_id)
        builtin = await store.rootfs((await store.ensure("kube-lite.local/python:any", "Never")).image_id)
        both = type(rootfs)((*rootfs.layers, *builtin.layers), builtin.binds, builtin.config, "")
        await store.close()
        lists = "sorted(os.listdir(d)) for d in ('/d', '/etc')"
        program = f"import os, json; print(json.dumps([*({lists}), os.path.exists('/gone')]))"
        return run_in(both, tmp_path, 0, "python3", "-c", program)

    directory, etc, gone = json.loads(run(main()))
    assert directory == ["new"]
    assert set(etc) - {"passwd", "group", "nsswitch.conf", "ld.so.cache"} == {"b", "c"}
    assert not gone


def test_layers_are_shared_and_concurrent_pulls_fetch_each_once(tmp_path: Path, registry: str) -> None:
    one, two = unused(), unused()
    other = tar_of({"x": secrets.token_bytes(100_000)})
    push(registry, one, "v1", Image([BASE, other]))
    push(registry, two, "v1", Image([BASE, TOP, other]))
    seen: list[PullProgress] = []

    async def main() -> None:
        store = ImageStore(tmp_path)
        async with asyncio.TaskGroup() as group:
            for name in (one, two, one):
                group.create_task(store.pull(f"{host(registry)}/{name}:v1", seen.append))
        assert layer_count(tmp_path) == 3
        fetched = [item for item in seen if item.received == item.total and not item.done]
        assert len({item.digest for item in fetched}) == len(fetched) == 3
        assert not list((tmp_path / "images/work").glob("*/*"))
        await store.close()

    run(main())


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_of_an_index_the_image_of_this_machine_is_taken(tmp_path: Path, registry: str, kind: str) -> None:
    name = unused()
    mine = Image([BASE], kind=kind)
    foreign = Image([TOP], kind=kind, architecture="riscv128")
    digest = push_index(registry, name, "v1", [foreign, mine], kind)

    async def main() -> None:
        store = ImageStore(tmp_path)
        state = await store.pull(f"{host(registry)}/{name}:v1")
        assert state.image_id == digest_of(mine.document())
        assert f"{host(registry)}/{name}@{digest}" in state.names
        push_index(registry, name, "v2", [foreign], kind)
        with pytest.raises(RuntimeFailure, match="no match for platform"):
            await store.pull(f"{host(registry)}/{name}:v2")
        await store.close()

    run(main())


def test_pull_policies(tmp_path: Path, registry: str) -> None:
    name = unused()
    image = f"{host(registry)}/{name}:v1"
    first, second = Image([BASE]), Image([BASE, TOP])
    push(registry, name, "v1", first)

    async def main() -> None:
        store = ImageStore(tmp_path)
        with pytest.raises(RuntimeFailure) as caught:
            await store.ensure(image, "Never")
        assert caught.value.reason == "ErrImageNeverPull"
        assert caught.value.message == f'Container image "{image}" is not present with pull policy of Never'
        assert (await store.ensure(image, "IfNotPresent")).image_id == digest_of(first.document())
        pinned = push(registry, name, "v1", second)
        assert (await store.ensure(image, "IfNotPresent")).image_id == digest_of(first.document())
        assert (await store.ensure(image, "Never")).image_id == digest_of(first.document())
        assert (await store.ensure(image, "Always")).image_id == digest_of(second.document())
        assert (await store.ensure(image, "Never")).image_id == digest_of(second.document())
        assert (await store.ensure(f"{host(registry)}/{name}@{pinned}", "Never")).names[0] == image
        await store.close()
        again = ImageStore(tmp_path)
        assert (await again.ensure(image, "Never")).image_id == digest_of(second.document())
        await again.close()

    run(main())


IMPOSSIBLE = ["library/NotLower", "a b", "x:", "x@sha256:12", "", "-x/y", "a//b", "x:" + "t" * 129]


@pytest.mark.parametrize("image", IMPOSSIBLE)
def test_impossible_names_are_invalid(tmp_path: Path, image: str) -> None:
    async def main() -> None:
        store = ImageStore(tmp_path)
        with pytest.raises(RuntimeFailure) as caught:
            await store.ensure(image, "IfNotPresent")
        assert caught.value.reason == "InvalidImageName"
        assert f'couldn\'t parse image name "{image}": invalid reference format' in caught.value.message
        await store.close()

    run(main())


def test_a_missing_image_and_an_unreachable_registry_are_pull_errors(tmp_path: Path, registry: str) -> None:
    async def main() -> None:
        store = ImageStore(tmp_path)
        for image, text in (
            (f"{host(registry)}/{unused()}:v1", "not found"),
            (f"127.0.0.1:{free_port()}/x", "connection"),
        ):
            with pytest.raises(RuntimeFailure, match=f"(?i)failed to pull and unpack image.*{text}") as caught:
                await store.ensure(image, "IfNotPresent")
            assert caught.value.reason == "ErrImagePull"
        await store.close()

    run(main())


def test_a_mirror_is_asked_with_the_full_path(tmp_path: Path, registry: str) -> None:
    tag = secrets.token_hex(4)
    image = Image([BASE])
    push(registry, "library/nginx", tag, image)

    async def main() -> None:
        store = ImageStore(tmp_path, {"docker.io": registry})
        state = await store.ensure(f"nginx:{tag}", "Always")
        assert state.image_id == digest_of(image.document())
        assert state.names[0] == f"docker.io/library/nginx:{tag}"
        await store.close()

    run(main())


def test_the_registry_itself_is_asked_when_its_mirror_has_no_answer(tmp_path: Path, registry: str) -> None:
    name = unused()
    push(registry, name, "v1", Image([BASE]))
    image = f"{host(registry)}/{name}:v1"
    dead = f"http://127.0.0.1:{free_port()}"

    async def main() -> None:
        store = ImageStore(tmp_path, {host(registry): dead})
        assert (await store.ensure(image, "IfNotPresent")).names[0] == image
        with pytest.raises(RuntimeFailure, match=f"{dead}: .*; {registry}: not found"):
            await store.ensure(image + "x", "IfNotPresent")
        await store.close()

    run(main())


def test_removing_and_collecting_images(tmp_path: Path, registry: str) -> None:
    one, two = (f"{host(registry)}/{unused()}:v1" for _ in range(2))
    images = {one: Image([BASE]), two: Image([BASE, TOP])}
    for name, image in images.items():
        push(registry, name.partition("/")[2].removesuffix(":v1"), "v1", image)
    running: set[str] = set()

    async def main() -> None:
        store = ImageStore(tmp_path, in_use=lambda: running)
        ids = [(await store.pull(name)).image_id for name in images]
        assert [state.image_id for state in (await store.list())[1:]] == sorted(ids)
        running.add(ids[1])
        with pytest.raises(ImageInUse):
            await store.remove(two)
        assert await store.remove(one) == 0
        assert layer_count(tmp_path) == 2
        with pytest.raises(ImageNotFound):
            await store.remove(one)
        assert await store.collect() == 0
        running.clear()
        assert await store.collect() > 0
        assert layer_count(tmp_path) == 0
        assert [state.image_id for state in await store.list()] == [store._builtin.image_id]
        await store.close()

    run(main())
