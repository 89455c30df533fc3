"""Services on the real kernel: connections from pods, from the node and from outside."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from kube_lite.node.linux.network.services import ServiceProxy
from kube_lite.node.proxy import ServiceSpec
from tests.linux.network.namespaces import answering, ask, ip, namespace, needs_root, nft, run_inside, socket_inside
from tests.linux.network.test_pods import Node, joined, node

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root(), reason="needs root")]

IP = "10.96.0.10"


class Proxy:
    """A Service proxy inside a node's namespace."""

    def __init__(self, name: str, cidr: str) -> None:
        self.name = name
        self.proxy = ServiceProxy(name, cidr, "10.244.0.0/16", "10.96.0.0/12")
        run_inside(name, self.proxy.start())

    def sync(self, **services: ServiceSpec) -> None:
        run_inside(self.name, self.proxy.sync(services))

    def close(self, keep: bool = False) -> None:
        run_inside(self.name, self.proxy.close(keep))


@contextlib.contextmanager
def proxy(n: Node) -> Iterator[Proxy]:
    """A started proxy on the node; closed at the end, leaving no table."""
    made = Proxy(n.name, n.cidr)
    try:
        yield made
    finally:
        made.close()
    assert nft(n.name, "list tables") == ""


@contextlib.contextmanager
def pods(n: Node, count: int) -> Iterator[dict[str, str]]:
    """Pods that answer on 8080 with their own address: namespace to address."""
    with contextlib.ExitStack() as stack:
        made: dict[str, str] = {}
        for _ in range(count):
            name = stack.enter_context(namespace("pod"))
            made[name] = n.attach(name)
            stack.enter_context(answering(name, made[name]))
        yield made


def spec(addresses: Sequence[str], **more: int) -> ServiceSpec:
    return ServiceSpec(IP, 80, endpoints=[(address, 8080) for address in addresses], **more)  # type: ignore[arg-type]


def words(source: str, address: str, port: int, times: int) -> Counter[str]:
    return Counter(ask(source, address, port)[0] for _ in range(times))


def test_a_cluster_ip_is_spread_over_its_endpoints_from_node_and_pod(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pods(n, 3) as made, proxy(n) as p:
        p.sync(web=spec(list(made.values())))
        for source in (n.name, next(iter(made))):
            seen = words(source, IP, 80, 60)
            assert set(seen) == set(made.values())
            assert min(seen.values()) > 4


def test_pods_see_the_client_pods_address_through_a_service(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pods(n, 2) as made, proxy(n) as p:
        (first, address), (_, other) = made.items()
        p.sync(web=spec([other]))
        assert ask(first, IP, 80) == (other, address)


def test_a_pod_reaches_itself_through_its_service(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pods(n, 1) as made, proxy(n) as p:
        ((pod, address),) = made.items()
        p.sync(web=spec([address]))
        assert ask(pod, IP, 80) == (address, n.network.node_address)


def test_a_removed_endpoint_gets_no_more_connections(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pods(n, 3) as made, proxy(n) as p:
        first, second, third = made.values()
        p.sync(web=spec([first, second, third]))
        p.sync(web=spec([second, third]))
        assert set(words(n.name, IP, 80, 40)) == {second, third}
        p.sync(web=spec([third, first]))
        assert set(words(n.name, IP, 80, 40)) == {third, first}


def test_a_service_without_endpoints_refuses_at_once(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pods(n, 1) as made, proxy(n) as p:
        ((pod, address),) = made.items()
        p.sync(web=spec([address], node_port=30080))
        p.sync(web=spec([], node_port=30080))
        for source, target, port in (
            (n.name, IP, 80),
            (pod, IP, 80),
            (pod, n.network.node_address, 30080),
            (n.name, n.network.node_address, 30080),
            (n.name, "10.96.9.9", 80),
            (pod, "10.96.9.9", 80),
        ):
            with pytest.raises(ConnectionRefusedError):
                ask(source, target, port)
        p.sync(web=spec([address], node_port=30080))
        assert ask(n.name, IP, 80)[0] == address


def test_a_deleted_service_refuses_and_its_address_can_be_taken_by_another(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pods(n, 2) as made, proxy(n) as p:
        first, second = made.values()
        p.sync(old=spec([first]))
        p.sync(new=spec([second]))
        assert set(words(n.name, IP, 80, 10)) == {second}
        p.sync()
        with pytest.raises(ConnectionRefusedError):
            ask(n.name, IP, 80)


def test_of_two_services_with_one_address_the_first_key_wins(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pods(n, 2) as made, proxy(n) as p:
        first, second = made.values()
        p.sync(a=spec([first]), b=spec([second]))
        assert set(words(n.name, IP, 80, 10)) == {first}
        p.sync(b=spec([second]))
        assert set(words(n.name, IP, 80, 10)) == {second}


def test_affinity_keeps_a_client_at_its_endpoint_while_others_come_and_go(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pods(n, 4) as made, proxy(n) as p:
        *few, last = made.values()
        p.sync(web=spec(few, affinity_seconds=60, node_port=30080))
        chosen = {pod: ask(pod, IP, 80)[0] for pod in made}
        p.sync(web=spec([*few, last], affinity_seconds=60, node_port=30080))
        for pod, endpoint in chosen.items():
            assert set(words(pod, IP, 80, 10)) == {endpoint}
        assert ask(next(iter(made)), n.network.node_address, 30080)[0] == chosen[next(iter(made))]
        gone = chosen[next(iter(made))]
        p.sync(web=spec([address for address in made.values() if address != gone], affinity_seconds=60))
        assert gone not in words(next(iter(made)), IP, 80, 10)
        p.sync(web=spec(few))
        assert set(words(next(iter(made)), IP, 80, 60)) == set(few)
        assert "affinity" not in nft(n.name, "list ruleset")


def test_a_node_port_leads_to_endpoints_but_not_on_loopback(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pods(n, 2) as made, proxy(n) as p, namespace("world") as world:
        ip(n.name, f"link add wire type veth peer name wire netns {world}")
        for name, address in ((n.name, "192.168.9.1"), (world, "192.168.9.9")):
            ip(name, f"addr add {address}/24 dev wire")
            ip(name, "link set wire up")
        run_inside(n.name, n.network.set_routes({"10.244.8.0/24": "192.168.9.9"}))
        p.sync(web=spec(list(made.values()), node_port=30080))
        assert set(words(world, "192.168.9.1", 30080, 40)) == set(made.values())
        assert ask(world, "192.168.9.1", 30080)[1] == "192.168.9.9"
        assert set(words(next(iter(made)), "192.168.9.1", 30080, 40)) == set(made.values())
        with pytest.raises(ConnectionRefusedError):
            ask(n.name, "127.0.0.1", 30080)


def test_pods_leave_the_cluster_with_their_nodes_address(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pods(n, 1) as made, proxy(n) as p, namespace("world") as world:
        ip(n.name, f"link add wire type veth peer name wire netns {world}")
        for name, address in ((n.name, "192.168.9.1"), (world, "192.168.9.9")):
            ip(name, f"addr add {address}/24 dev wire")
            ip(name, "link set wire up")
        ip(n.name, "route add default via 192.168.9.9")
        n.restarted()
        p.sync()
        with answering(world, "world"):
            assert ask(next(iter(made)), "192.168.9.9") == ("world", "192.168.9.1")


def test_services_reach_pods_of_other_nodes_without_hiding_the_client(tmp_path: Path) -> None:
    with (
        node("one", "10.244.1.0/24", tmp_path) as one,
        node("two", "10.244.2.0/24", tmp_path) as two,
        pods(one, 1) as here,
        pods(two, 1) as there,
        proxy(one) as first,
        proxy(two) as second,
        namespace("world") as world,
    ):
        joined(one, two)
        services: Mapping[str, ServiceSpec] = {"web": spec(list(there.values()), node_port=30080)}
        first.sync(**services)
        second.sync(**services)
        ((client, address),) = here.items()
        ((_, remote),) = there.items()
        assert ask(client, IP, 80) == (remote, address)
        assert ask(one.name, IP, 80)[0] == remote
        ip(one.name, f"link add out type veth peer name out netns {world}")
        for name, outer in ((one.name, "192.168.5.1"), (world, "192.168.5.9")):
            ip(name, f"addr add {outer}/24 dev out")
            ip(name, "link set out up")
        run_inside(one.name, one.network.set_routes({two.cidr: "192.168.9.2", "10.244.9.0/24": "192.168.5.9"}))
        assert ask(world, "192.168.5.1", 30080) == (remote, "192.168.9.1")


def test_changes_never_rebuild_the_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, proxy(n) as p:
        addresses = [f"10.244.9.{i}" for i in range(30)]
        other = ServiceSpec("10.96.0.11", 53, "UDP", (("10.244.9.1", 53),), 30053)
        for count in (3, 2, 7, 0, 30, 1):
            p.sync(web=spec(addresses[:count], node_port=30080), dns=other)
            p.sync(web=spec(addresses[count:], node_port=30080, affinity_seconds=30), dns=other)
        p.sync(web=spec(addresses[:3], affinity_seconds=60))
        p.sync()
        assert caplog.messages == []
        assert "10.244.9" not in nft(n.name, "list ruleset")


def test_a_firewall_that_drops_forwarded_packets_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n:
        Proxy(n.name, n.cidr).close()
        assert caplog.messages == []
        nft(n.name, "add table ip filter")
        nft(n.name, "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }")
        Proxy(n.name, n.cidr).close()
        assert "iptables -I FORWARD -i klp+ -j ACCEPT" in caplog.messages[0]


def test_datagrams_reach_their_own_service_on_the_same_port(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pods(n, 2) as made, proxy(n) as p:
        (client, _), (server, address) = made.items()
        datagrams = ServiceSpec(IP, 80, "UDP", ((address, 5353),), 30080)
        p.sync(streams=spec([address], node_port=30080), datagrams=datagrams)
        with socket_inside(server, socket.SOCK_DGRAM) as listener, socket_inside(client, socket.SOCK_DGRAM) as asking:
            listener.bind(("0.0.0.0", 5353))
            for target in ((n.network.node_address, 30080), (IP, 80)):
                asking.sendto(b"question", target)
                question, peer = listener.recvfrom(100)
                listener.sendto(b"answer to " + question, peer)
                assert asking.recvfrom(100) == (b"answer to question", target)
        assert ask(client, IP, 80)[0] == address


def test_rules_are_rebuilt_after_somebody_removed_the_table(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pods(n, 2) as made, proxy(n) as p:
        first, second = made.values()
        p.sync(web=spec([first]))
        nft(n.name, "flush ruleset")
        p.sync(web=spec([first, second]))
        assert set(words(n.name, IP, 80, 40)) == {first, second}


def test_other_tables_are_left_alone_and_a_restart_takes_over_the_rules(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pods(n, 1) as made:
        nft(n.name, "add table ip foreign")
        ((_, address),) = made.items()
        earlier = Proxy(n.name, n.cidr)
        earlier.sync(web=spec([address]))
        earlier.close(keep=True)
        assert ask(n.name, IP, 80)[0] == address
        later = Proxy(n.name, n.cidr)
        assert ask(n.name, IP, 80)[0] == address
        later.sync()
        with pytest.raises(ConnectionRefusedError):
            ask(n.name, IP, 80)
        later.close()
        assert nft(n.name, "list tables") == "table ip foreign\n"


@contextlib.contextmanager
def _echoing(name: str, word: str) -> Iterator[None]:
    """A UDP server in the namespace that answers every packet with ``word``."""
    server = socket_inside(name, socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", 8080))
    server.settimeout(None)

    def serve() -> None:
        while True:
            _, peer = server.recvfrom(100)
            if peer[0] == "127.0.0.1":
                return
            server.sendto(word.encode(), peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with socket_inside(name, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", ("127.0.0.1", 8080))
        thread.join(5)
        server.close()


@pytest.mark.parametrize("node_port", [0, 30053])
def test_a_busy_udp_client_leaves_an_endpoint_that_is_gone(tmp_path: Path, node_port: int) -> None:
    with contextlib.ExitStack() as stack:
        n = stack.enter_context(node("node", "10.244.7.0/24", tmp_path))
        p = stack.enter_context(proxy(n))
        made = {}
        for _ in range(2):
            name = stack.enter_context(namespace("pod"))
            made[name] = n.attach(name)
            stack.enter_context(_echoing(name, made[name]))
        first, second = made.values()
        target = (n.network.node_address, node_port) if node_port else (IP, 53)

        def serve(*addresses: str) -> None:
            ends = tuple((address, 8080) for address in addresses)
            p.sync(dns=ServiceSpec(IP, 53, "UDP", ends, node_port=node_port))

        client = stack.enter_context(socket_inside(n.name, socket.SOCK_DGRAM))
        client.connect(target)

        def asked() -> str:
            client.send(b"who?")
            return client.recv(100).decode()

        serve(first)
        assert asked() == first
        serve(first, second)
        assert asked() == first, "a connection stays where it is"
        serve(second)
        assert asked() == second
        serve()
        with pytest.raises((ConnectionRefusedError, PermissionError)):
            asked()
        serve(first)
        client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # the refusal came twice
        assert asked() == first
