"""From pods to what the runtime is asked for, as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from kube_lite.node import specs
from kube_lite.node.runtime import HostPort, Resources
from kube_lite.node.settings import NodeSettings
from kube_lite.resources.kinds.pod.view import Pod, ResourceRequirements

SETTINGS = NodeSettings("node-1", Path("/nowhere"), cluster_dns=("10.96.0.10",))


def pod(containers: list[dict[str, Any]] | None = None, **spec: Any) -> Pod:
    found = containers or [{"name": "c"}]
    meta = {"name": "my-pod", "namespace": "ns", "uid": "u"}
    return msgspec.convert({"metadata": meta, "spec": {"containers": found, **spec}}, Pod)


@pytest.mark.parametrize(
    ("requests", "limits", "expected"),
    [
        ({}, {}, Resources()),
        ({"cpu": "1"}, {}, Resources(cpu_shares=1024)),
        ({"cpu": "100m"}, {"cpu": "300m"}, Resources(cpu_shares=102, cpu_quota=30_000)),
        ({}, {"cpu": "2"}, Resources(cpu_shares=2048, cpu_quota=200_000)),
        ({"cpu": "1m"}, {"cpu": "1m"}, Resources(cpu_shares=2, cpu_quota=1_000)),
        ({"cpu": "0"}, {"memory": "64Mi"}, Resources(memory_limit=64 * 2**20)),
        ({"cpu": "1000"}, {}, Resources(cpu_shares=262_144)),
    ],
)
def test_container_resources(requests: dict[str, str], limits: dict[str, str], expected: Resources) -> None:
    assert specs.container_resources(ResourceRequirements(requests=requests, limits=limits)) == expected


def test_a_pod_is_limited_only_when_all_its_containers_are() -> None:
    def limited(name: str, **limits: str) -> dict[str, Any]:
        return {"name": name, "resources": {"limits": limits}}

    two = [limited("a", cpu="1", memory="1Gi"), limited("b", cpu="500m")]
    assert specs.pod_resources(pod(two)) == Resources(cpu_shares=1536, cpu_quota=150_000, pids_limit=None)
    big_init = [limited("i", cpu="4", memory="2Gi")]
    whole = specs.pod_resources(pod([limited("a", cpu="1", memory="1Gi")], initContainers=big_init))
    assert (whole.cpu_quota, whole.memory_limit) == (400_000, 2 * 2**30)


@pytest.mark.parametrize(
    ("of_pod", "own", "field", "expected"),
    [
        ({"runAsUser": 1000}, {}, "user", 1000),
        ({"runAsUser": 1000}, {"runAsUser": 0}, "user", 0),
        ({"runAsGroup": 5}, {}, "group", 5),
        ({"supplementalGroups": [7], "fsGroup": 9}, {}, "supplemental_groups", (7, 9)),
        ({"runAsNonRoot": True}, {"runAsNonRoot": False}, "run_as_non_root", False),
        ({"runAsNonRoot": True}, {}, "run_as_non_root", True),
        ({}, {"privileged": True}, "no_new_privileges", False),
        ({}, {"allowPrivilegeEscalation": True}, "no_new_privileges", False),
        ({}, {}, "no_new_privileges", True),
        ({}, {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}, "capabilities_drop", ("ALL",)),
        ({}, {"readOnlyRootFilesystem": True}, "read_only_root", True),
        ({"seccompProfile": {"type": "Unconfined"}}, {}, "seccomp_unconfined", True),
        (
            {"seccompProfile": {"type": "Unconfined"}},
            {"seccompProfile": {"type": "RuntimeDefault"}},
            "seccomp_unconfined",
            False,
        ),
    ],
)
def test_security(of_pod: dict[str, Any], own: dict[str, Any], field: str, expected: object) -> None:
    made = pod([{"name": "c", "securityContext": own}], securityContext=of_pod)
    assert getattr(specs.security(made, made.spec.containers[0]), field) == expected


@pytest.mark.parametrize(
    ("spec", "servers", "searches", "options"),
    [
        ({}, ["10.96.0.10"], ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local"], ["ndots:5"]),
        ({"dnsPolicy": "Default"}, [], [], []),
        ({"hostNetwork": True}, [], [], []),
        (
            {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
            ["10.96.0.10"],
            ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local"],
            ["ndots:5"],
        ),
        (
            {
                "dnsPolicy": "None",
                "dnsConfig": {
                    "nameservers": ["192.0.2.53"],
                    "searches": ["example.org"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}],
                },
            },
            ["192.0.2.53"],
            ["example.org"],
            ["ndots:2", "rotate"],
        ),
        (
            {"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}},
            ["10.96.0.10"],
            ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local"],
            ["ndots:1"],
        ),
    ],
)
def test_dns(spec: dict[str, Any], servers: list[str], searches: list[str], options: list[str]) -> None:
    assert specs.dns(pod(**spec), SETTINGS) == (servers, searches, options)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, "my-pod"),
        ({"hostname": "web-0", "subdomain": "web"}, "web-0"),
        ({"hostname": "web-0", "subdomain": "web", "setHostnameAsFQDN": True}, "web-0.web.ns.svc.cluster.local"),
        ({"hostNetwork": True}, "node-1"),
    ],
)
def test_hostname(spec: dict[str, Any], expected: str) -> None:
    assert specs.hostname(pod(**spec), SETTINGS) == expected


def test_a_sandbox_has_the_pods_aliases_and_sysctls() -> None:
    aliases = [{"ip": "192.0.2.9", "hostnames": ["a"]}, {"ip": "192.0.2.9", "hostnames": ["b"]}]
    sysctls = {"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]}
    made = specs.sandbox(pod(hostAliases=aliases, securityContext=sysctls, shareProcessNamespace=True), SETTINGS)
    assert made.hosts == {"192.0.2.9": ["a", "b"]}
    assert made.sysctls == {"net.core.somaxconn": "1024"}
    assert made.share_process_namespace


def test_a_sandbox_has_the_nodes_ports_of_what_lasts_unless_it_has_the_nodes_network() -> None:
    def declared(name: str, *ports: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"name": name, "ports": list(ports), **more}

    def port(number: int, **more: Any) -> dict[str, Any]:
        return {"containerPort": number, "hostPort": number + 1000, **more}

    web = declared("web", {"containerPort": 80}, port(81, hostIP="127.0.0.1"), port(53, protocol="UDP"))
    first = [declared("once", port(1)), declared("sidecar", port(2), restartPolicy="Always")]
    assert specs.sandbox(pod([web], initContainers=first), SETTINGS).host_ports == (
        HostPort(1081, 81, "TCP", "127.0.0.1"),
        HostPort(1053, 53, "UDP"),
        HostPort(1002, 2),
    )
    assert specs.sandbox(pod([web], hostNetwork=True), SETTINGS).host_ports == ()


def test_commands_are_expanded_with_the_environment() -> None:
    made = pod([{"name": "c", "image": "i", "command": ["run", "$(A)"], "args": ["$$(A)"], "workingDir": "/$(A)"}])
    spec = specs.container(made, made.spec.containers[0], 2, {"A": "1"}, [])
    assert (spec.command, spec.args, spec.working_dir, spec.attempt) == (["run", "1"], ["$(A)"], "/1", 2)
