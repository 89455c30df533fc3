"""Specs and images become plans."""

from __future__ import annotations

import pytest

from kube_lite.node.linux.spec import (
    ImageConfig,
    command_line,
    environment,
    hosts_file,
    image_reference,
    mount_plan,
    process_plan,
    resolv_conf,
    user_of,
)
from kube_lite.node.runtime import ContainerSpec, ImageState, Mount, RuntimeFailure, SandboxSpec, Security

_POD = SandboxSpec("uid", "web", "shop", "web-0")


def _container(**fields: object) -> ContainerSpec:
    return ContainerSpec(**{"name": "c", "image": "i", "attempt": 0, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ((), (), ["entry", "cmd"]),
        ((), ("a",), ["entry", "a"]),
        (("own",), (), ["own"]),
        (("own",), ("a",), ["own", "a"]),
    ],
)
def test_command_and_args_override_the_image(
    command: tuple[str, ...], args: tuple[str, ...], expected: list[str]
) -> None:
    image = ImageConfig(entrypoint=["entry"], cmd=["cmd"])
    assert command_line(_container(command=command, args=args), image) == expected


@pytest.mark.parametrize("env", [{"": "x"}, {"a=b": "x"}, {"A": "\0"}, {"\0": ""}])
def test_impossible_variables_are_refused(env: dict[str, str]) -> None:
    with pytest.raises(RuntimeFailure, match="invalid environment variable"):
        environment(_container(env=env), ImageConfig(), "h")


def test_pod_may_replace_path_and_hostname() -> None:
    assert environment(_container(env={"PATH": "/x", "HOSTNAME": "y"}), ImageConfig(), "h") == ["PATH=/x", "HOSTNAME=y"]


@pytest.mark.parametrize(
    ("image", "user", "group", "expected"),
    [
        ("", None, None, "0"),
        ("web", None, None, "web"),
        ("web:www", None, None, "web:www"),
        ("web:www", None, 7, "web:7"),
        ("web:www", 5, None, "5"),
        ("", 5, 6, "5:6"),
    ],
)
def test_users(image: str, user: int | None, group: int | None, expected: str) -> None:
    assert user_of(_container(security=Security(user=user, group=group)), image) == expected


def test_privileged_lifts_filter_and_no_new_privileges() -> None:
    plain = process_plan(_POD, _container(command=["x"]), ImageConfig())
    privileged = process_plan(_POD, _container(command=["x"], security=Security(privileged=True)), ImageConfig())
    assert (plain["seccomp"], plain["no_new_privileges"]) == (True, True)
    assert (privileged["seccomp"], privileged["no_new_privileges"]) == (False, False)
    assert privileged["capabilities"] == (1 << 41) - 1


def test_relative_host_path_is_refused() -> None:
    with pytest.raises(RuntimeFailure, match="must be absolute"):
        mount_plan(Mount("etc", "/etc"))


def test_files_for_etc() -> None:
    pod = SandboxSpec("u", "n", "ns", "web-0", hosts={"1.2.3.4": ["a", "b"]}, dns_servers=["9.9.9.9", "8.8.8.8"])
    text = hosts_file(pod, "10.0.0.5")
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert text.endswith("10.0.0.5\tweb-0\n\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n")
    assert resolv_conf(pod) == "nameserver 9.9.9.9\nnameserver 8.8.8.8\n"
    assert resolv_conf(_POD) == ""


@pytest.mark.parametrize(
    ("name", "names", "shown"),
    [
        (
            "nginx:1.7.9",
            ["docker.io/library/nginx:1.7.9", "docker.io/library/nginx@sha256:m"],
            "docker.io/library/nginx@sha256:m",
        ),
        (
            "r.test:5000/b",
            ["q.test/a@sha256:m", "r.test:5000/b:v1", "r.test:5000/b@sha256:m"],
            "r.test:5000/b@sha256:m",
        ),
        ("r.test:5000/b@sha256:m", ["q.test/a@sha256:m", "r.test:5000/b@sha256:m"], "r.test:5000/b@sha256:m"),
        ("other", ["q.test/a@sha256:m"], "q.test/a@sha256:m"),
        ("imported:v1", ["docker.io/library/imported:v1"], "sha256:id"),
    ],
)
def test_image_id_names_repository_and_digest(name: str, names: list[str], shown: str) -> None:
    assert image_reference(name, ImageState("sha256:id", 1, names)) == shown
