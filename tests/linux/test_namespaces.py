"""What a container sees of the machine: each namespace from inside."""

from __future__ import annotations

import os

import pytest

from tests.linux.node import Node, read_log

pytestmark = [pytest.mark.anyio, pytest.mark.root]


@pytest.mark.parametrize("kind", ["pid", "mnt", "uts", "ipc", "net", "cgroup"])
async def test_namespace_is_not_the_hosts(node: Node, kind: str) -> None:
    ended = await node.sh(f"readlink /proc/self/ns/{kind}")
    assert ended.output.startswith(f"{kind}:[")
    assert ended.output.strip() != os.readlink(f"/proc/self/ns/{kind}")


async def test_command_is_pid_1_and_sees_only_itself(node: Node) -> None:
    ended = await node.sh("echo $$; cd /proc; echo [0-9]*")
    assert ended.output.split("\n")[:2] == ["1", "1"]


async def test_hostname_is_the_pods(node: Node) -> None:
    ended = await node.sh("hostname; cat /etc/hostname; echo $HOSTNAME", {"hostname": "web-0"})
    assert ended.output == "web-0\nweb-0\nweb-0\n"


async def test_host_files_and_mounts_are_not_visible(node: Node) -> None:
    ended = await node.sh("ls /; cat /proc/self/mountinfo; ls /work /tmp /root 2>&1")
    assert str(node.data) not in [line.split()[4] for line in ended.output.splitlines() if " - " in line]
    assert "No such file" in ended.output
    assert "process_api" not in ended.output


async def test_only_loopback_and_it_is_up(node: Node) -> None:
    ended = await node.sh(
        "cat /proc/net/dev | tail -n +3 | cut -d: -f1; cat /sys/class/net/lo/operstate /proc/net/if_inet6"
    )
    assert ended.output.split()[0] == "lo"
    assert "eth0" not in ended.output


async def test_cgroup_namespace_hides_the_path(node: Node) -> None:
    ended = await node.sh("cut -d: -f3 /proc/self/cgroup | sort -u")
    assert ended.output == "/\n"


async def test_containers_of_a_pod_share_net_ipc_uts_and_shm_but_not_pid(node: Node) -> None:
    uid = await node.pod()
    script = "for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done; cd /dev/shm; ls; touch $0; echo end"
    await node.start(uid, ["sh", "-c", script + "; sleep 1000", "one"], name="one")
    await node.logged(uid, "end", "one")
    first = read_log((await node.state(uid, "one")).log_path).split()
    await node.start(uid, ["sh", "-c", script, "two"], name="two")
    second = (await node.ended(uid, "two")).output.split()
    await node.runtime.remove_pod(uid)
    assert first[:3] == second[:3]
    assert first[3] != second[3]
    assert first[4] != second[4]
    assert second[5:] == ["one", "end"]


async def test_shared_process_namespace_shows_the_other_container(node: Node) -> None:
    uid = await node.pod(share_process_namespace=True)
    await node.start(uid, ["sleep", "1000"], name="one")
    await node.start(uid, ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; echo; echo $$"], name="two")
    ended = await node.ended(uid, "two")
    await node.runtime.remove_pod(uid)
    assert "sleep 1000" in ended.output
    assert ended.output.split()[-1] != "1"


async def test_ended_container_takes_its_processes_along_in_a_shared_process_namespace(node: Node) -> None:
    uid = await node.pod(share_process_namespace=True)
    await node.start(uid, ["sh", "-c", "sleep 1234 & echo started"], name="one")
    await node.ended(uid, "one")
    await node.start(uid, ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"], name="two")
    ended = await node.ended(uid, "two")
    await node.runtime.remove_pod(uid)
    assert "sleep 1234" not in ended.output


async def test_host_namespaces_when_asked(node: Node) -> None:
    pod = {"host_network": True, "host_pid": True, "host_ipc": True}
    ended = await node.sh("for n in net pid ipc uts; do readlink /proc/self/ns/$n; done", pod)
    assert ended.output.split() == [os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "pid", "ipc", "uts")]


async def test_hosts_and_resolver_files(node: Node) -> None:
    pod = {
        "hosts": {"10.1.2.3": ["db", "db.local"]},
        "dns_servers": ["10.96.0.10"],
        "dns_searches": ["default.svc.cluster.local"],
        "dns_options": ["ndots:5"],
    }
    ended = await node.sh("cat /etc/hosts /etc/resolv.conf", pod)
    assert "10.99.0.2\tpod\n" in ended.output
    assert "10.1.2.3\tdb\tdb.local\n" in ended.output
    assert ended.output.endswith("search default.svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n")


async def test_sysctls_are_the_pods_own(node: Node) -> None:
    ended = await node.sh(
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni",
        {"sysctls": {"kernel.shmmni": "77"}},
    )
    assert ended.output.split() == ["0", "77"]
