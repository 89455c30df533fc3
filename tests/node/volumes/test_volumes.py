"""Volumes are made, refreshed all at once, mounted, and refused with upstream's messages."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from kube_lite import clock
from kube_lite.node.environment import Placement
from kube_lite.node.objects import ApiSource
from kube_lite.node.volumes import VolumeError, Volumes, atomic
from kube_lite.node.volumes.atomic import Payload
from kube_lite.node.volumes.content import Content, Tokens
from kube_lite.resources.kinds.pod.view import Pod
from tests.node.fake_client import FakeClient
from tests.node.fake_runtime import FakeRuntime, Program
from tests.node.harness import container, pod, run, running_node

PLACE = Placement("n1", "192.0.2.1", "10.0.0.5", {})


def make_pod(*volumes: dict[str, Any], mounts: list[dict[str, Any]] | None = None) -> Pod:
    declared = {"name": "c", "volumeMounts": mounts or [], "resources": {"limits": {"cpu": "2"}}}
    meta = {"name": "p", "namespace": "ns", "uid": "u", "labels": {"app": "web"}}
    spec = {"volumes": list(volumes), "containers": [declared], "serviceAccountName": "sa"}
    return msgspec.convert({"metadata": meta, "spec": spec}, Pod)


def make(root: Path, client: FakeClient | None = None) -> Volumes:
    client = client or FakeClient()
    return Volumes(root, Content(ApiSource(client), Tokens(client)))


def client_with_config() -> FakeClient:
    client = FakeClient()
    meta = {"name": "conf", "namespace": "ns"}
    client.put(
        "configmaps", {"metadata": meta, "data": {"a": "1"}, "binaryData": {"b": base64.b64encode(b"\0").decode()}}
    )
    data = {"key": base64.b64encode(b"hidden").decode()}
    client.put("secrets", {"metadata": {"name": "sec", "namespace": "ns"}, "data": data})
    client.put("configmaps", {"metadata": {"name": "kube-root-ca.crt", "namespace": "ns"}, "data": {"ca.crt": "CA"}})
    return client


def contents(directory: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in directory.iterdir() if not p.name.startswith("..")}


API_ACCESS = {
    "name": "kube-api-access-x",
    "projected": {
        "defaultMode": 0o644,
        "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ],
    },
}


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({"name": "v", "configMap": {"name": "conf"}}, {"a": b"1", "b": b"\0"}),
        ({"name": "v", "configMap": {"name": "none", "optional": True}}, {}),
        ({"name": "v", "secret": {"secretName": "sec", "items": [{"key": "key", "path": "k"}]}}, {"k": b"hidden"}),
        (
            {
                "name": "v",
                "downwardAPI": {
                    "items": [
                        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                        {"path": "cpu", "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu"}},
                    ]
                },
            },
            {"labels": b'app="web"', "cpu": b"2"},
        ),
        (API_ACCESS, {"token": b"token-of-sa", "ca.crt": b"CA", "namespace": b"ns"}),
    ],
)
def test_content_comes_from_the_api(tmp_path: Path, volume: dict[str, Any], expected: dict[str, bytes]) -> None:
    async def story() -> None:
        volumes, made = make(tmp_path, client_with_config()), make_pod(volume)
        await volumes.setup(made, PLACE)
        assert contents(volumes.path(made, volume)) == expected

    run(story)


@pytest.mark.parametrize(
    ("context", "mode", "owner", "group"),
    [
        ({}, 0o644, 0, 0),
        ({"runAsUser": 1000}, 0o600, 1000, 0),
        ({"fsGroup": 10000}, 0o640, 0, 10000),
        ({"runAsUser": 1000, "fsGroup": 10000}, 0o640, 1000, 10000),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_a_token_is_for_the_user_and_the_group_of_its_pod_alone(
    tmp_path: Path, context: dict[str, int], mode: int, owner: int, group: int
) -> None:
    async def story() -> None:
        made = make_pod(API_ACCESS)
        made = msgspec.structs.replace(made, spec=msgspec.structs.replace(made.spec, security_context=context))
        volumes = make(tmp_path, client_with_config())
        await volumes.setup(made, PLACE)
        found = (volumes.path(made, API_ACCESS) / "token").stat()
        assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (mode, owner, group)

    run(story)


@pytest.mark.parametrize(
    ("volume", "problem"),
    [
        ({"name": "v", "configMap": {"name": "x"}}, 'configmap "x" not found'),
        ({"name": "v", "secret": {"secretName": "x"}}, 'secret "x" not found'),
        (
            {"name": "v", "configMap": {"name": "conf", "items": [{"key": "z", "path": "z"}]}},
            "configmap references non-existent config key: z",
        ),
        (
            {"name": "v", "secret": {"secretName": "sec", "items": [{"key": "z", "path": "z"}]}},
            "references non-existent secret key: z",
        ),
        (
            {"name": "v", "hostPath": {"path": "/nowhere", "type": "Directory"}},
            "hostPath type check failed: /nowhere is not a directory",
        ),
        ({"name": "v", "nfs": {"server": "x", "path": "/"}}, "no volume plugin matched for nfs"),
        (
            {"name": "v", "configMap": {"name": "conf", "items": [{"key": "a", "path": "../../x"}]}},
            "invalid path '../../x'",
        ),
    ],
)
def test_a_volume_that_cannot_be_made_says_why(tmp_path: Path, volume: dict[str, Any], problem: str) -> None:
    async def story() -> None:
        with pytest.raises(VolumeError) as caught:
            await make(tmp_path, client_with_config()).setup(make_pod(volume), PLACE)
        assert str(caught.value).startswith(f'MountVolume.SetUp failed for volume "v" : {problem}')

    run(story)


def test_files_change_all_at_once_and_keep_their_modes(tmp_path: Path) -> None:
    async def story() -> None:
        target = tmp_path / "v"
        first = {"a": Payload(b"1", 0o400), "dir/b": Payload(b"2")}
        assert atomic.write(target, first)
        assert (target / "a").stat().st_mode & 0o777 == 0o400
        assert (target / "dir" / "b").read_bytes() == b"2"
        before = os.readlink(target / "..data")
        assert not atomic.write(target, first)
        assert os.readlink(target / "..data") == before
        assert atomic.write(target, {"c": Payload(b"3")})
        assert contents(target) == {"c": b"3"}
        assert len([p for p in target.iterdir() if p.is_dir() and not p.is_symlink()]) == 1

    run(story)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "", "..data"])
def test_no_file_is_written_outside_of_its_volume(tmp_path: Path, name: str) -> None:
    with pytest.raises(atomic.InvalidPath):
        atomic.write(tmp_path / "v", {name: Payload(b"")})


def test_a_sub_path_stays_inside_its_volume_whatever_a_container_links_to(tmp_path: Path) -> None:
    async def story() -> None:
        volume = {"name": "data", "emptyDir": {}}
        inside = [{"name": "data", "mountPath": "/d", "subPathExpr": "$(WHO)/x"}]
        volumes, made = make(tmp_path), make_pod(volume, mounts=inside)
        await volumes.setup(made, PLACE)
        (mount,) = await volumes.mounts(made, made.spec.containers[0], {"WHO": "me"})
        assert mount.host_path == str(volumes.path(made, volume) / "me" / "x")
        assert os.path.isdir(mount.host_path)  # noqa: ASYNC240  # virtual time: blocking is fine
        (volumes.path(made, volume) / "link").symlink_to("/etc")
        for path in ("link", "link/ssh", "../other"):
            bad = make_pod(volume, mounts=[{"name": "data", "mountPath": "/d", "subPath": path}])
            with pytest.raises(VolumeError, match="leads out of the volume"):
                await volumes.mounts(bad, bad.spec.containers[0], {})

    run(story)


def test_host_paths_are_made_when_asked_for(tmp_path: Path) -> None:
    async def story() -> None:
        made = make_pod(
            {"name": "d", "hostPath": {"path": str(tmp_path / "dir"), "type": "DirectoryOrCreate"}},
            {"name": "f", "hostPath": {"path": str(tmp_path / "file"), "type": "FileOrCreate"}},
            mounts=[{"name": "d", "mountPath": "/d", "readOnly": True}],
        )
        volumes = make(tmp_path / "state")
        await volumes.setup(made, PLACE)
        assert (tmp_path / "dir").is_dir()
        assert (tmp_path / "file").is_file()
        (mount,) = await volumes.mounts(made, made.spec.containers[0], {})
        assert (mount.host_path, mount.read_only) == (str(tmp_path / "dir"), True)
        await volumes.remove("u")
        assert (tmp_path / "dir").is_dir()
        assert not volumes.pod_dir("u").exists()

    run(story)


def test_a_token_is_renewed_after_four_fifths_of_its_life() -> None:
    async def story() -> None:
        client = FakeClient()
        tokens, made = Tokens(client), make_pod()
        for wait, requests in ((0, 1), (2800, 1), (100, 2)):
            await anyio.sleep(wait)
            assert await tokens.token(made, "", 3600) == "token-of-sa"
            assert client.requests.count(("create", "serviceaccounts/token", "sa")) == requests
        tokens.forget("u")
        await tokens.token(made, "", 3600)
        assert len(client.requests) == 3

    run(story)


def test_a_pod_waits_for_its_volumes_and_follows_their_changes() -> None:
    async def story() -> None:
        client = FakeClient()
        client.tokens = False
        async with running_node(client=client) as node:
            conf = {"name": "v", "configMap": {"name": "conf"}}
            mounts = [{"name": "v", "mountPath": "/conf"}]
            client.put("pods", pod("p", container(volumeMounts=mounts), volumes=[conf]))
            await anyio.sleep(1)
            assert node.state() == {"waiting": {"reason": "ContainerCreating"}}
            message = 'MountVolume.SetUp failed for volume "v" : configmap "conf" not found'
            assert ("FailedMount", message, 2) in client.events()
            config = {"metadata": {"name": "conf", "namespace": "default"}, "data": {"a": "1"}}
            client.put("configmaps", config)
            await anyio.sleep(1)
            assert node.status()["phase"] == "Running"
            path = Path(node.runtime.specs[0].mounts[0].host_path)
            assert contents(path) == {"a": b"1"}
            client.put("configmaps", {**config, "data": {"a": "2"}})
            await anyio.sleep(61)
            assert contents(path) == {"a": b"2"}
            client.remove("pods", "default", "p")
            await anyio.sleep(1)
            assert not os.path.exists(path)  # noqa: ASYNC240  # virtual time: blocking is fine

    run(story)


def test_a_container_that_starts_again_finds_what_its_volumes_hold_now() -> None:
    """With a sub path it had shown the old file until the minute was over, and crashed over it again and again."""

    async def story() -> None:
        client = FakeClient()
        runtime = FakeRuntime()
        runtime.programs["app"] = Program(seconds=5, code=1)
        config = {"metadata": {"name": "conf", "namespace": "default"}, "data": {"a": "1"}}
        client.put("configmaps", config)
        async with running_node(runtime, client=client):
            mounts = [{"name": "v", "mountPath": "/a", "subPath": "a"}]
            volumes = [{"name": "v", "configMap": {"name": "conf"}}]
            client.put("pods", pod("p", container(volumeMounts=mounts), volumes=volumes))
            await anyio.sleep(1)
            client.put("configmaps", {**config, "data": {"a": "2"}})
            await anyio.sleep(6)
            assert len(runtime.specs) == 2
            assert contents(Path(runtime.specs[1].mounts[0].host_path).parent) == {"a": b"2"}

    run(story)


def test_a_token_that_the_api_refuses_fails_the_mount() -> None:
    async def story() -> None:
        client = client_with_config()
        client.tokens = False
        with pytest.raises(VolumeError, match='failed to fetch token: serviceaccounts "sa" not found'):
            await make(Path("/nowhere"), client).setup(make_pod(API_ACCESS), PLACE)

    clock.run_virtual(story())


class _Mounts:
    """Remembers what was mounted."""

    def __init__(self) -> None:
        self.mounted: dict[str, int | None] = {}
        self.unmounted: list[str] = []

    def mount(self, path: Path, size: int | None) -> None:
        self.mounted[path.name] = size

    def unmount(self, path: Path) -> None:
        self.unmounted.append(path.name)


def test_volumes_in_memory_are_as_large_as_the_smallest_limit(tmp_path: Path) -> None:
    async def story() -> None:
        mounts = _Mounts()
        volumes = Volumes(tmp_path, Content(ApiSource(FakeClient()), Tokens(FakeClient())), mounts)
        found = make_pod(
            {"name": "own", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "large", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            {"name": "open", "emptyDir": {"medium": "Memory"}},
            {"name": "disk", "emptyDir": {"sizeLimit": "1Mi"}},
        )
        container = msgspec.structs.replace(
            found.spec.containers[0],
            resources=msgspec.convert({"limits": {"memory": "64Mi"}}, type(found.spec.containers[0].resources)),
        )
        limited = msgspec.structs.replace(found, spec=msgspec.structs.replace(found.spec, containers=[container]))
        await volumes.setup(found, Placement("n1", "192.0.2.1", "10.0.0.5", {"memory": "512Mi"}))
        assert mounts.mounted == {"own": 1 << 20, "large": 512 << 20, "open": 512 << 20}
        await volumes.setup(limited, Placement("n1", "192.0.2.1", "10.0.0.5", {"memory": "512Mi"}))
        assert mounts.mounted == {"own": 1 << 20, "large": 64 << 20, "open": 64 << 20}
        await volumes.remove("u")
        assert sorted(mounts.unmounted) == ["disk", "large", "open", "own"]

    anyio.run(story)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
@pytest.mark.parametrize(
    ("medium", "group", "mode"),
    [("", None, 0o777), ("Memory", None, 0o1777), ("", 123, 0o2777), ("Memory", 123, 0o3777)],
)
def test_empty_volumes_are_open_to_all_as_a_fresh_tmpfs_or_directory_is(
    tmp_path: Path, medium: str, group: int | None, mode: int
) -> None:
    async def story() -> None:
        volumes = Volumes(tmp_path, Content(ApiSource(FakeClient()), Tokens(FakeClient())), _Mounts())
        volume = {"name": "v", "emptyDir": {"medium": medium}}
        found = make_pod(volume)
        spec = msgspec.structs.replace(found.spec, security_context={"fsGroup": group} if group else {})
        await volumes.setup(msgspec.structs.replace(found, spec=spec), PLACE)
        status = volumes.path(found, volume).stat()
        assert (oct(status.st_mode & 0o7777), status.st_gid) == (oct(mode), group or os.getegid())

    anyio.run(story)
