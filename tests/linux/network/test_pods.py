"""The pod network on the real kernel: namespaces stand for nodes and pods, TCP between them is real."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube_lite.node.linux.network.netns import entered
from kube_lite.node.linux.network.pods import PodNetwork, link_name
from kube_lite.node.runtime import RuntimeFailure
from tests.linux.network.namespaces import answering, ask, ip, namespace, needs_root, path, run_inside

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root(), reason="needs root")]


class Node:
    """A namespace with a pod network in it."""

    def __init__(self, name: str, cidr: str, directory: Path) -> None:
        self.name, self.cidr, self.directory = name, cidr, directory
        self.network = PodNetwork(cidr, name, directory, service_cidr="10.96.0.0/12")

    def restarted(self) -> PodNetwork:
        """The network as a new executor on the same data directory sees it."""
        self.network = PodNetwork(self.cidr, self.name, self.directory, service_cidr="10.96.0.0/12")
        run_inside(self.name, self.network.start())
        return self.network

    def attach(self, pod: str) -> str:
        return run_inside(self.name, self.network.attach(pod, path(pod)))


@contextlib.contextmanager
def node(hint: str, cidr: str, directory: Path) -> Iterator[Node]:
    """A started node; closed at the end."""
    with namespace(hint) as name:
        made = Node(name, cidr, directory / name)
        run_inside(name, made.network.start())
        yield made
        run_inside(name, made.network.close())
        assert "klp" not in ip(name, "link")
        assert "kln" not in ip(name, "link")


def test_pods_and_their_node_reach_each_other_without_a_default_route(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, namespace("a") as a, namespace("b") as b:
        first, second = n.attach(a), n.attach(b)
        assert (first, second) == ("10.244.7.2", "10.244.7.3")
        with answering(a, "a"), answering(b, "b"), answering(n.name, "node"):
            assert ask(a, second) == ("b", first)
            assert ask(b, first) == ("a", second)
            assert ask(a, first) == ("a", first)
            assert ask(n.name, first) == ("a", n.network.node_address)
            assert ask(a, n.network.node_address) == ("node", first)


def test_forwarding_is_switched_on_for_the_nodes_own_links_only(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, namespace("a") as a:
        n.attach(a)
        assert setting(n.name, "net/ipv4/ip_forward") == "0"


def setting(name: str, key: str) -> str:
    """A setting of /proc/sys as the namespace has it."""
    with entered(path(name)):
        return Path("/proc/sys", key).read_text().strip()


def test_attach_and_detach_may_be_repeated(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, namespace("a") as a:
        address = n.attach(a)
        before = ip(n.name, "link")
        assert n.attach(a) == address
        assert ip(n.name, "link") == before
        with answering(a, "a"):
            assert ask(n.name, address)[0] == "a"
        run_inside(n.name, n.network.detach(a))
        run_inside(n.name, n.network.detach(a))
        assert f"{address} " not in ip(n.name, "route")


def test_addresses_survive_the_executor(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, namespace("a") as a, namespace("b") as b:
        address = n.attach(a)
        n.restarted()
        assert n.attach(a) == address
        with answering(a, "a"):
            assert ask(n.name, address)[0] == "a"
        assert n.attach(b) != address


def test_a_freed_address_is_used_last(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/29", tmp_path) as n, namespace("a") as a:
        assert n.attach(a) == "10.244.7.2"
        run_inside(n.name, n.network.detach(a))
        ip(n.name, f"link del {link_name('klp', a)}")
        assert n.attach(a) == "10.244.7.3"


def test_pods_attached_at_the_same_time_get_addresses_of_their_own(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, contextlib.ExitStack() as stack:
        names = [stack.enter_context(namespace("pod")) for _ in range(8)]

        async def attach_all() -> list[str]:
            return await asyncio.gather(*(n.network.attach(name, path(name)) for name in names))

        addresses = run_inside(n.name, attach_all())
        assert len(set(addresses)) == 8
        for name, address in zip(names, addresses, strict=True):
            assert f"inet {address}/32" in ip(name, "addr show eth0")


def test_a_full_range_is_a_sandbox_failure(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/30", tmp_path) as n, namespace("a") as a, namespace("b") as b:
        n.attach(a)
        with pytest.raises(RuntimeFailure, match="no IP addresses available"):
            n.attach(b)


def test_a_new_sandbox_of_the_same_pod_gets_its_address_back(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, namespace("a") as a, namespace("b") as b:
        address = run_inside(n.name, n.network.attach("uid", path(a)))
        assert run_inside(n.name, n.network.attach("uid", path(b))) == address
        with answering(b, "b"):
            assert ask(n.name, address)[0] == "b"


def test_a_returning_executor_sweeps_links_and_addresses_of_pods_that_are_gone(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, namespace("a") as a, namespace("b") as b:
        n.attach(a)
        n.attach(b)
        network = n.restarted()
        run_inside(n.name, network.retain([b]))
        links = ip(n.name, "link")
        assert link_name("klp", a) not in links
        assert link_name("klp", b) in links
        assert [file.name for file in (n.directory / "network" / "addresses").iterdir()] == ["10.244.7.3"]


def test_a_namespace_that_does_not_exist_is_a_sandbox_failure(tmp_path: Path) -> None:
    with node("node", "10.244.7.0/24", tmp_path) as n, pytest.raises(RuntimeFailure) as caught:
        n.attach("kl-test-never-made")
    assert caught.value.reason == "FailedCreatePodSandBox"


def joined(first: Node, second: Node) -> None:
    """Lay a wire between two nodes and tell each the other's pods."""
    ip(first.name, f"link add wire type veth peer name wire netns {second.name}")
    for one, address in ((first, "192.168.9.1"), (second, "192.168.9.2")):
        ip(one.name, f"addr add {address}/24 dev wire")
        ip(one.name, "link set wire up")
    run_inside(first.name, first.network.set_routes({second.cidr: "192.168.9.2", first.cidr: "192.168.9.1"}))
    run_inside(second.name, second.network.set_routes({first.cidr: "192.168.9.1"}))


def test_pods_of_two_nodes_see_each_others_own_addresses(tmp_path: Path) -> None:
    with (
        node("one", "10.244.1.0/24", tmp_path) as one,
        node("two", "10.244.2.0/24", tmp_path) as two,
        namespace("a") as a,
        namespace("b") as b,
    ):
        joined(one, two)
        first, second = one.attach(a), two.attach(b)
        with answering(a, "a"), answering(b, "b"):
            assert ask(a, second) == ("b", first)
            assert ask(b, first) == ("a", second)
            assert ask(one.name, second)[0] == "b"


def test_a_node_that_gives_an_impossible_address_takes_no_route_from_the_others(tmp_path: Path) -> None:
    with node("one", "10.244.1.0/24", tmp_path) as one, node("two", "10.244.2.0/24", tmp_path) as two:
        joined(one, two)
        run_inside(one.name, one.network.set_routes({}))
        wanted = {
            "10.244.8.0/24": "here",
            "nowhere": "192.168.9.2",
            "10.244.9.0/24": "203.0.113.1",
            two.cidr: "192.168.9.2",
        }
        with pytest.raises(RuntimeFailure) as caught:
            run_inside(one.name, one.network.set_routes(wanted))
        for cidr in list(wanted)[:3]:
            assert f"no route to {cidr} by {wanted[cidr]}: " in caught.value.message
        assert "10.244.2.0/24 via 192.168.9.2" in ip(one.name, "route")


def test_routes_and_forwarding_are_taken_back(tmp_path: Path) -> None:
    with node("one", "10.244.1.0/24", tmp_path) as one, node("two", "10.244.2.0/24", tmp_path) as two:
        key = "net/ipv4/conf/wire/forwarding"
        joined(one, two)
        assert setting(one.name, key) == "1"
        assert "10.244.2.0/24 via 192.168.9.2" in ip(one.name, "route")
        run_inside(one.name, one.network.set_routes({}))
        assert "10.244.2.0/24" not in ip(one.name, "route")
        run_inside(one.name, one.restarted().close())
        assert setting(one.name, key) == "0"
