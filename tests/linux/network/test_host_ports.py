"""Ports of the node that lead to pods: on every address of the node, on its loopback, from pods and from outside."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube_lite.node.linux.network.host_ports import Claim, claims, in_force
from kube_lite.node.linux.network.netns import entered
from kube_lite.node.linux.network.pods import link_name
from kube_lite.node.runtime import HostPort, RuntimeFailure
from tests.linux.network.namespaces import (
    answering,
    ask,
    ip,
    namespace,
    needs_root,
    nft,
    path,
    run_inside,
    socket_inside,
)
from tests.linux.network.test_pods import Node, joined, node, setting
from tests.linux.network.test_services import Proxy

OUTER = "192.168.9.1"


def attach(n: Node, pod: str, *ports: HostPort) -> str:
    return run_inside(n.name, n.network.attach(pod, path(pod), ports))


@contextlib.contextmanager
def pod(n: Node, *ports: HostPort) -> Iterator[tuple[str, str]]:
    """A pod with these ports that answers on 8080 with its own address: namespace and address."""
    with namespace("pod") as name:
        address = attach(n, name, *ports)
        with answering(name, address):
            yield name, address


@contextlib.contextmanager
def world(n: Node) -> Iterator[str]:
    """A namespace beyond the node's uplink, where the node is ``OUTER``."""
    with namespace("world") as name:
        ip(n.name, f"link add wire type veth peer name wire netns {name}")
        for end, address in ((n.name, OUTER), (name, "192.168.9.9")):
            ip(end, f"addr add {address}/24 dev wire")
            ip(end, "link set wire up")
        run_inside(n.name, n.network.set_routes({"10.244.8.0/24": "192.168.9.9"}))
        yield name


def refused(source: str, address: str, port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        ask(source, address, port)


@pytest.mark.root
@pytest.mark.skipif(needs_root(), reason="needs root")
class TestOnTheKernel:
    def test_every_address_of_the_node_leads_to_the_pod(self, tmp_path: Path) -> None:
        with node("node", "10.244.7.0/24", tmp_path) as n, world(n) as outside:
            services = Proxy(n.name, n.cidr)
            services.sync()
            with pod(n, HostPort(80, 8080)) as (_, address):
                own = n.network.node_address
                assert ask(n.name, "127.0.0.1", 80) == (address, own)
                assert ask(n.name, "127.0.0.2", 80) == (address, own)
                for target in (own, OUTER):
                    assert ask(n.name, target, 80) == (address, target)
                assert ask(outside, OUTER, 80) == (address, "192.168.9.9"), "the client's address is kept"
                refused(n.name, "127.0.0.1", 81)
            services.close()

    def test_pods_reach_it_too_and_the_pod_itself(self, tmp_path: Path) -> None:
        with (
            node("node", "10.244.7.0/24", tmp_path) as n,
            pod(n, HostPort(80, 8080)) as (own, address),
            pod(n) as (other, client),
        ):
            assert ask(other, n.network.node_address, 80) == (address, client)
            assert ask(own, n.network.node_address, 80) == (address, n.network.node_address)

    def test_a_pod_of_another_node_reaches_it(self, tmp_path: Path) -> None:
        with (
            node("one", "10.244.1.0/24", tmp_path) as one,
            node("two", "10.244.2.0/24", tmp_path) as two,
            pod(one) as (client, seen),
            pod(two, HostPort(80, 8080)) as (_, address),
        ):
            joined(one, two)
            assert ask(client, "192.168.9.2", 80) == (address, seen)

    def test_a_host_ip_binds_it_to_one_address(self, tmp_path: Path) -> None:
        with node("node", "10.244.7.0/24", tmp_path) as n, world(n) as outside:
            ports = (HostPort(80, 8080, address=OUTER), HostPort(81, 8080, address="127.0.0.1"))
            with pod(n, *ports) as (_, first), pod(n, HostPort(80, 8080, address="127.0.0.1")) as (_, second):
                assert ask(outside, OUTER, 80)[0] == first
                assert ask(n.name, OUTER, 80)[0] == first
                assert ask(n.name, "127.0.0.1", 80)[0] == second
                assert ask(n.name, "127.0.0.1", 81)[0] == first
                refused(n.name, n.network.node_address, 80)
                refused(outside, OUTER, 81)

    def test_datagrams_and_streams_on_one_port_are_apart(self, tmp_path: Path) -> None:
        with (
            node("node", "10.244.7.0/24", tmp_path) as n,
            world(n) as outside,
            pod(n, HostPort(53, 8080)) as (_, tcp),
            pod(n, HostPort(53, 5353, "UDP")) as (name, _),
            socket_inside(name, socket.SOCK_DGRAM) as listener,
        ):
            listener.bind(("0.0.0.0", 5353))
            for source, target in ((outside, OUTER), (n.name, OUTER), (n.name, "127.0.0.1")):
                with socket_inside(source, socket.SOCK_DGRAM) as asking:
                    asking.sendto(b"question", (target, 53))
                    question, peer = listener.recvfrom(100)
                    listener.sendto(b"answer to " + question, peer)
                    assert asking.recvfrom(100) == (b"answer to question", (target, 53))
                assert ask(source, target, 53)[0] == tcp

    def test_it_ends_with_the_pod_and_nothing_is_left(self, tmp_path: Path) -> None:
        with (
            node("node", "10.244.7.0/24", tmp_path) as n,
            pod(n, HostPort(80, 8080)) as (first, _),
            pod(n, HostPort(81, 8080)) as (second, kept),
        ):
            run_inside(n.name, n.network.detach(first))
            refused(n.name, "127.0.0.1", 80)
            assert ask(n.name, "127.0.0.1", 81)[0] == kept
            assert setting(n.name, f"net/ipv4/conf/{link_name('klp', first)}/route_localnet") == "0"
            run_inside(n.name, n.network.detach(second))
            assert nft(n.name, "list tables") == ""
            assert (n.directory / "network" / "host-ports.json").read_text() == "{}"

    def test_it_survives_the_executor_but_not_without_its_pod(self, tmp_path: Path) -> None:
        with (
            node("node", "10.244.7.0/24", tmp_path) as n,
            pod(n, HostPort(80, 8080)) as (name, address),
            pod(n, HostPort(81, 8080)),
        ):
            run_inside(n.name, n.network.close(keep_pods=True))
            assert ask(n.name, "127.0.0.1", 80)[0] == address
            nft(n.name, "flush ruleset")
            network = n.restarted()
            assert ask(n.name, "127.0.0.1", 80)[0] == address
            run_inside(n.name, network.retain([name]))
            assert ask(n.name, "127.0.0.1", 80)[0] == address
            refused(n.name, "127.0.0.1", 81)
            run_inside(n.name, network.close())
            assert nft(n.name, "list tables") == ""

    def test_a_new_sandbox_of_the_same_pod_gets_its_ports_back(self, tmp_path: Path) -> None:
        with node("node", "10.244.7.0/24", tmp_path) as n, namespace("a") as a, namespace("b") as b:
            ports = (HostPort(80, 8080),)
            for name in (a, b):
                run_inside(n.name, n.network.attach("uid", path(name), ports))
                with answering(name, name):
                    assert ask(n.name, "127.0.0.1", 80)[0] == name
                    run_inside(n.name, n.network.detach("uid"))

    def test_the_pod_cannot_reach_the_nodes_loopback_in_return(self, tmp_path: Path) -> None:
        with (
            node("node", "10.244.7.0/24", tmp_path) as n,
            pod(n, HostPort(80, 8080)) as (name, _),
            socket_inside(n.name, socket.SOCK_DGRAM) as secret,
            socket_inside(name, socket.SOCK_DGRAM) as thief,
        ):
            secret.bind(("127.0.0.1", 9999))
            secret.settimeout(0.5)
            with entered(path(name)):
                Path("/proc/sys/net/ipv4/conf/eth0/route_localnet").write_text("1")
            ip(name, "route del table local 127.0.0.0/8 dev lo")
            ip(name, "route del table local 127.0.0.1 dev lo")
            ip(name, "addr flush dev lo")
            ip(name, "route add 127.0.0.1 via 169.254.1.1 dev eth0")
            thief.sendto(b"knock", ("127.0.0.1", 9999))
            with pytest.raises(TimeoutError):
                secret.recv(100)

    def test_a_busy_udp_client_follows_the_port_to_the_next_pod(self, tmp_path: Path) -> None:
        with contextlib.ExitStack() as stack:
            n = stack.enter_context(node("node", "10.244.7.0/24", tmp_path))
            client = stack.enter_context(socket_inside(n.name, socket.SOCK_DGRAM))
            client.connect((n.network.node_address, 53))
            client.send(b"nobody there")
            with pytest.raises(ConnectionRefusedError):
                client.recv(100)
            for _ in range(2):
                name = stack.enter_context(namespace("pod"))
                listener = stack.enter_context(socket_inside(name, socket.SOCK_DGRAM))
                listener.bind(("0.0.0.0", 5353))
                attach(n, name, HostPort(53, 5353, "UDP"))
                client.send(b"you")
                assert listener.recv(100) == b"you"
                run_inside(n.name, n.network.detach(name))

    def test_services_and_host_ports_leave_each_other_alone(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with node("node", "10.244.7.0/24", tmp_path) as n, pod(n, HostPort(80, 8080)) as (_, address):
            nft(n.name, "add table ip foreign")
            services = Proxy(n.name, n.cidr)
            services.sync()
            services.close()
            assert ask(n.name, "127.0.0.1", 80)[0] == address
            run_inside(n.name, n.network.close())
            assert nft(n.name, "list tables") == "table ip foreign\n"
            assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []

    def test_an_address_that_is_none_fails_the_sandbox(self, tmp_path: Path) -> None:
        with node("node", "10.244.7.0/24", tmp_path) as n, namespace("a") as a:
            with pytest.raises(RuntimeFailure, match="host ports") as caught:
                attach(n, a, HostPort(80, 8080, address="1.2.3.4; flush ruleset"))
            assert caught.value.reason == "FailedCreatePodSandBox"


def test_ports_of_ipv6_addresses_are_passed_over() -> None:
    ports = (HostPort(80, 8080, address="::"), HostPort(81, 8080, "UDP", "0.0.0.0"))
    assert claims("10.0.0.2", ports) == (Claim("UDP", "", 81, "10.0.0.2", 8080),)


@pytest.mark.parametrize("port", [HostPort(0, 80), HostPort(80, 65536), HostPort(80, 80, "ICMP")])
def test_what_could_not_stand_in_a_rule_is_refused(port: HostPort) -> None:
    with pytest.raises(ValueError, match="not a host port"):
        claims("10.0.0.2", [port])


@pytest.mark.parametrize(("old", "new"), [("", ""), ("", "1.2.3.4"), ("1.2.3.4", ""), ("1.2.3.4", "1.2.3.4")])
def test_of_two_pods_on_one_port_the_later_one_has_it(old: str, new: str) -> None:
    former, later = Claim("TCP", old, 80, "10.0.0.2", 80), Claim("TCP", new, 80, "10.0.0.3", 80)
    apart = Claim("TCP", "5.6.7.8", 81, "10.0.0.2", 80)
    assert set(in_force([(former, apart), (later,)])) == {apart, later}


def test_claims_on_one_address_come_before_those_on_all() -> None:
    wide, narrow = Claim("TCP", "", 80, "10.0.0.2", 80), Claim("TCP", "1.2.3.4", 80, "10.0.0.2", 81)
    assert in_force([(wide, narrow)]) == [narrow, wide]
