"""The pod network of one node: every pod a /32 out of the node's podCIDR, on a routed veth of its own.

There is no bridge and no ARP. A pod's only route leads to 169.254.1.1, an address nobody holds, whose permanent
neighbour entry is the host's end of the veth; the node has a route and a permanent neighbour entry for each pod
(proxy_arp would need a default route on the node, and an ARP cache can be lied to). The node itself is the first
address of its podCIDR, on a portless bridge of its own, so that it can talk to pods and Services also when it
has no other link. Other nodes' podCIDRs are plain routes to their nodes, so addresses are never translated
between pods.

Links are ``klp`` and ``kln`` plus a hash; their alias says whose they are, and only those are ever removed.
Everything runs in worker threads. Attaching, which every pod waits for, sends its few messages itself
(rtnetlink.py); the rest is pyroute2's, whose import of 0.3 s comes late. Detaching does not delete the veth, which
takes 15 to 19 ms: the end of the pod's namespace does that.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import ipaddress
import logging
import os
import socket
import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kube_lite import clock
from kube_lite.node.linux.network import rtnetlink
from kube_lite.node.linux.network.addresses import AddressPool
from kube_lite.node.linux.network.forwarding import Forwarding, forward_own, write_setting
from kube_lite.node.linux.network.host_ports import HostPorts
from kube_lite.node.linux.network.netns import entered
from kube_lite.node.runtime import HostPort, RuntimeFailure

if TYPE_CHECKING:
    from pyroute2 import IPRoute

log = logging.getLogger(__name__)

GATEWAY = "169.254.1.1"
"""The pods' next hop; link-local, so it is nobody's address and the same in every pod."""

POD_LINK_PREFIX = "klp"
"""Begins the name of each pod's link on the node's side; the packet rules know local pods by it."""

NODE_LINK_PREFIX = "kln"

_SIOCGIFADDR = 0x8915

ROUTE_PROTOCOL = 158
"""Marks our routes (rtm_protocol; 128 to 255 are free to use), so that only they are removed."""

HOST_MAC = "0a:58:a9:fe:01:01"
"""The host's end of every veth; they never meet on one wire, so one address will do."""


def link_name(prefix: str, identity: str) -> str:
    """A link's name, 15 characters as the kernel allows: ``prefix`` and 12 hex digits of the identity's hash."""
    return prefix + hashlib.sha256(identity.encode()).hexdigest()[:12]


def pod_mac(address: str) -> str:
    """The pod's hardware address, made of its IP so that nobody has to be asked for it."""
    return "0a:58:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)


def _present(name: str) -> int | None:
    """A link's index in this thread's namespace."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


def _address_of(name: str) -> str | None:
    """A link's first IPv4 address in this thread's namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        try:
            answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("16s16x", name.encode()) + bytes(8))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])


def _by_pyroute2(call: Callable[..., None], *args: Any) -> None:
    """Run a call that uses pyroute2, whose errors are no :class:`OSError`. :raises OSError: with the same errno"""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        call(*args)
    except NetlinkError as error:
        raise OSError(error.code, str(error)) from error


@contextlib.contextmanager
def _tolerating(*codes: int) -> Iterator[None]:
    """Pass over netlink errors that mean the wanted state is there already."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as error:
        if error.code not in codes:
            raise


def _index(netlink: IPRoute, name: str) -> int | None:
    found = netlink.link_lookup(ifname=name)
    return int(found[0]) if found else None


class PodNetwork:
    """Implements the runtime's ``Network``. One per node; ``start`` first, ``close`` last.

    :param pod_cidr: this node's share, e.g. ``10.244.1.0/24``
    :param service_cidr: if given, the node gets a route for it, so that Services work without a default route
    """

    def __init__(self, pod_cidr: str, node_name: str, data_dir: Path, service_cidr: str | None = None) -> None:
        directory = data_dir / "network"
        self._directory = directory
        self._pool = AddressPool(pod_cidr, directory / "addresses")
        self._forwarding = Forwarding(directory / "forwarding.json")
        self._pod_cidr = pod_cidr
        self._service_cidr = service_cidr
        self._owner = f"kube-lite/{node_name}/"
        self._node_link = link_name(NODE_LINK_PREFIX, node_name)
        self._mtu: int | None = None
        record = directory / "host-ports.json"
        self._host_ports = HostPorts(node_name, self.node_address, record, POD_LINK_PREFIX)

    @property
    def node_address(self) -> str:
        """The node's own address in the pod network; pods see the node's connections come from it."""
        return self._pool.node_address

    async def start(self) -> None:
        """Load allocations, make the node's own link, switch forwarding on where needed, sweep links without pod.

        :raises RuntimeFailure: NetworkPluginNotReady when the kernel refuses
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._pool.load()
        await self._in_thread("NetworkPluginNotReady", _by_pyroute2, self._start)
        await self._host_ports.start()

    async def attach(self, pod_uid: str, netns_path: str, host_ports: Sequence[HostPort] = ()) -> str:
        """Give the pod's namespace its address, link and ports; the same address when it has one already.

        :raises RuntimeFailure: FailedCreatePodSandBox
        """
        address = self._pool.allocate(pod_uid)
        await self._in_thread("FailedCreatePodSandBox", self._attach, pod_uid, netns_path, address)
        if host_ports:
            await self._host_ports.open(pod_uid, address, link_name(POD_LINK_PREFIX, pod_uid), host_ports)
        return address

    async def detach(self, pod_uid: str) -> None:
        """Free the pod's address and ports; no error if it has none. Its link ends with its namespace.

        :raises RuntimeFailure: FailedKillPod
        """
        await self._host_ports.shut(pod_uid)
        address = self._pool.pods().get(pod_uid)
        if address is not None:
            await self._in_thread("FailedKillPod", self._drop_route, address)
            self._pool.release(pod_uid)

    async def retain(self, pod_uids: Collection[str]) -> None:
        """Free the addresses and links of all pods but these: for an executor that comes back."""
        for uid in (self._pool.pods().keys() | self._host_ports.pods()) - set(pod_uids):
            await self.detach(uid)
        await self._in_thread("NetworkPluginNotReady", _by_pyroute2, self._sweep)

    async def set_routes(self, routes: Mapping[str, str]) -> None:
        """Have exactly these routes to other nodes: podCIDR to the node's address. Own CIDR is passed over.

        One that cannot be had, as a node may say of itself what it likes, keeps none of the others away.

        :raises RuntimeFailure: NetworkPluginNotReady; says which
        """
        await self._in_thread("NetworkPluginNotReady", _by_pyroute2, self._set_routes, dict(routes))

    async def close(self, keep_pods: bool = False) -> None:
        """Remove every link, route and setting of ours; with ``keep_pods`` leave everything as it is."""
        await self._host_ports.close(keep_pods)
        if not keep_pods:
            await self._in_thread("NetworkPluginNotReady", _by_pyroute2, self._remove_all)

    async def _in_thread(self, reason: str, call: Callable[..., None], *args: Any) -> None:
        await clock.run_in_thread(self._translating, reason, call, *args)

    @staticmethod
    def _translating(reason: str, call: Callable[..., None], *args: Any) -> None:
        try:
            call(*args)
        except OSError as error:
            raise RuntimeFailure(reason, f"pod network: {error}") from error

    # What follows runs in worker threads.

    def _start(self) -> None:
        from pyroute2 import IPRoute

        with IPRoute() as netlink:
            if _index(netlink, self._node_link) is None:
                netlink.link("add", ifname=self._node_link, kind="bridge")
            index = _index(netlink, self._node_link)
            netlink.link("set", index=index, state="up", ifalias=self._owner)
            with _tolerating(errno.EEXIST):
                netlink.addr("add", index=index, address=self.node_address, prefixlen=32)
            if self._service_cidr is not None:
                # Only gives the kernel a route to choose; packets are rewritten before they would take it.
                netlink.route(
                    "replace",
                    dst=self._service_cidr,
                    oif=index,
                    scope="link",
                    prefsrc=self.node_address,
                    proto=ROUTE_PROTOCOL,
                )
            for route in netlink.get_default_routes():
                uplink = route.get("oif")
                if uplink is not None:
                    self._use_uplink(netlink, int(uplink))
        self._sweep()

    def _use_uplink(self, netlink: IPRoute, index: int) -> None:
        link = netlink.get_links(index)[0]
        name = str(link.get("ifname"))
        if name.startswith((POD_LINK_PREFIX, NODE_LINK_PREFIX)) or name == "lo":
            return
        mtu = int(link.get("mtu") or 1500)
        self._mtu = min(mtu, self._mtu or mtu)
        try:
            self._forwarding.enable(name)
        except OSError as error:
            log.warning("cannot forward packets from %s: %s; pods reach only this node", name, error)

    def _sweep(self) -> None:
        """Delete our links whose pod is not known any more, e.g. after a crash between link and address."""
        from pyroute2 import IPRoute

        known = {link_name(POD_LINK_PREFIX, uid) for uid in self._pool.pods()}
        with IPRoute() as netlink:
            for name, index in self._own_links(netlink):
                if name.startswith(POD_LINK_PREFIX) and name not in known:
                    with _tolerating(errno.ENODEV):
                        netlink.link("del", index=index)

    def _own_links(self, netlink: IPRoute) -> list[tuple[str, int]]:
        return [
            (str(link.get("ifname")), int(link["index"]))
            for link in netlink.get_links()
            if str(link.get("ifalias") or "").startswith(self._owner)
        ]

    def _attach(self, pod_uid: str, netns_path: str, address: str) -> None:
        name = link_name(POD_LINK_PREFIX, pod_uid)
        mac = pod_mac(address)
        stale = _present(name)
        if stale is not None:
            with entered(netns_path):
                if _address_of("eth0") == address:
                    return
            # An earlier sandbox of this pod, whose namespace has not quite ended.
            with contextlib.suppress(OSError):
                rtnetlink.send([rtnetlink.delete_link(stale)])
        namespace = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            peer = ("eth0", mac, namespace)
            rtnetlink.send([rtnetlink.new_veth(name, HOST_MAC, self._mtu, peer)])
        finally:
            os.close(namespace)
        index = socket.if_nametoindex(name)
        self._quiet(name)
        forward_own(name)
        rtnetlink.send(
            [
                rtnetlink.set_alias(index, self._owner + pod_uid),
                rtnetlink.new_neighbour(index, address, mac),
                rtnetlink.new_route(index, address, ROUTE_PROTOCOL, source=self.node_address),
            ]
        )
        with entered(netns_path):
            self._quiet("eth0")
            index = socket.if_nametoindex("eth0")
            rtnetlink.send(
                [
                    rtnetlink.link_up(1),
                    rtnetlink.link_up(index),
                    rtnetlink.new_neighbour(index, GATEWAY, HOST_MAC),
                    rtnetlink.new_route(index, GATEWAY, ROUTE_PROTOCOL),
                    rtnetlink.new_address(index, address),
                    rtnetlink.new_route(index, None, ROUTE_PROTOCOL, gateway=GATEWAY),
                ]
            )

    @staticmethod
    def _quiet(link: str) -> None:
        """No IPv6 on the link: pods have IPv4 only, and a router advertisement is nothing to believe."""
        with contextlib.suppress(OSError):  # no IPv6 in this kernel, or /proc/sys is read-only
            write_setting(f"/proc/sys/net/ipv6/conf/{link}/disable_ipv6", "1")

    def _drop_route(self, address: str) -> None:
        try:
            rtnetlink.send([rtnetlink.delete_route(address, ROUTE_PROTOCOL)])
        except OSError as error:
            if error.errno != errno.ESRCH:  # the link is gone, and the route with it
                raise

    def _set_routes(self, routes: dict[str, str]) -> None:
        from pyroute2 import IPRoute
        from pyroute2.netlink.exceptions import NetlinkError

        problems = []
        wanted = {cidr: via for cidr, via in routes.items() if cidr != self._pod_cidr}
        with IPRoute() as netlink:
            present: dict[str, str] = {}
            for route in netlink.get_routes(family=2, proto=ROUTE_PROTOCOL):
                if route.get("gateway") is not None:
                    present[f"{route.get('dst')}/{route['dst_len']}"] = str(route.get("gateway"))
            for cidr in present.keys() - wanted.keys():
                with _tolerating(errno.ESRCH):
                    netlink.route("del", dst=cidr, proto=ROUTE_PROTOCOL)
            for cidr, via in wanted.items():
                if present.get(cidr) == via:
                    continue
                try:
                    netlink.route("replace", dst=cidr, gateway=via, proto=ROUTE_PROTOCOL)
                    for answer in netlink.route("get", dst=via):
                        self._use_uplink(netlink, int(answer.get("oif")))
                except (NetlinkError, OSError, ValueError) as error:
                    problems.append(f"no route to {cidr} by {via}: {error}")
        if problems:
            raise OSError("; ".join(problems))

    def _remove_all(self) -> None:
        from pyroute2 import IPRoute

        self._set_routes({})
        with IPRoute() as netlink:
            for _, index in self._own_links(netlink):
                with _tolerating(errno.ENODEV):
                    netlink.link("del", index=index)
        for uid in self._pool.pods():
            self._pool.release(uid)
        self._forwarding.restore()
