"""Service addresses: ClusterIPs and node ports, handed out once each.

What is taken is read from the stored Services at start, so an allocation survives restarts by being part of
its Service. Reserving is in memory and synchronous, so two creations at once never get the same address.
The lower part of each range is left to those who name what they want, as long as the upper part has something.
"""

from __future__ import annotations

import ipaddress
import itertools
import random
from collections.abc import Callable

from kube_lite import errors
from kube_lite.api.rest_hooks import Undo
from kube_lite.resources import field
from kube_lite.resources.kinds.service.validation import needs_health_check
from kube_lite.resources.meta import Obj

NODE_PORTS = (30000, 32767)
"""Upstream's --service-node-port-range."""
_ADDRESSED = ("ClusterIP", "NodePort", "LoadBalancer")
_PORTED = ("NodePort", "LoadBalancer")


def _named_part(size: int, share: int, most: int) -> int:
    """How many of a range of ``size`` are left to be named: a ``share``-th, at least 16 and at most ``most``."""
    return 0 if size <= 16 else min(max(16, size // share), most)


class ServiceAddresses:
    """The RestHook of Services (see ``rest_hooks``).

    :param cidr: the --service-cluster-ip-range; its first address is the API server's own Service
    """

    def __init__(self, cidr: str, rng: random.Random) -> None:
        self._network = ipaddress.ip_network(cidr)
        self._rng = rng
        self._addresses: set[str] = set()
        self._ports: set[int] = set()

    @property
    def first(self) -> str:
        """The address of the ``kubernetes`` Service."""
        return str(self._network[1])

    def load(self, services: list[Obj]) -> None:
        """Take what stored Services hold."""
        for service in services:
            self._addresses.update(_ips(service))
            self._ports.update(_ports(service))

    async def begin_create(self, obj: Obj, dry_run: bool) -> Undo | None:
        """Give a new Service its address and ports. :raises Invalid: one it names is taken or out of range"""
        taken: list[Undo] = []
        try:
            self._families(obj)
            self._address(obj, taken, dry_run)
            self._node_ports(obj, set(), taken)
            self._health_port(obj, 0, taken)
        except errors.ApiError:
            _undo(taken)
            raise
        return lambda: _undo(taken)

    async def begin_update(self, new: Obj, old: Obj, dry_run: bool) -> Undo | None:
        """Keep what stays, reserve what is new. :raises Invalid: one it names is taken"""
        taken: list[Undo] = []
        try:
            self._families(new)
            if not _ips(old):
                self._address(new, taken)
            self._node_ports(new, _ports(old), taken)
            kept = old["spec"].get("healthCheckNodePort", 0) if needs_health_check(old["spec"]) else 0
            self._health_port(new, kept, taken)
        except errors.ApiError:
            _undo(taken)
            raise
        return lambda: _undo(taken)

    def committed(self, old: Obj, new: Obj) -> None:
        """Release what the stored Service no longer uses."""
        self._addresses -= _ips(old) - _ips(new)
        self._ports -= _ports(old) - _ports(new)

    def deleted(self, obj: Obj) -> None:
        """Release everything."""
        self._addresses -= _ips(obj)
        self._ports -= _ports(obj)

    # ---- addresses

    def _families(self, service: Obj) -> None:
        """There is one family of addresses, so what is said of families is not kept.

        Who demands both families is given the one, as by the recorded server.

        :raises Invalid: only the other family will do
        """
        spec = service.get("spec") or {}
        if spec.get("type") not in _ADDRESSED:
            return
        families = spec.pop("ipFamilies", None) or ()
        spec.pop("ipFamilyPolicy", None)
        own = f"IPv{self._network.version}"
        free = spec.get("clusterIP") == "None" and not spec.get("selector")
        if families and own not in families and not free:
            wrong = field.invalid("spec.ipFamilies[0]", families[0], "not configured on this cluster")
            raise errors.invalid("Service", "", service["metadata"].get("name") or "", [wrong])

    def _address(self, service: Obj, taken: list[Undo], dry_run: bool = False) -> None:
        """Reserve the address that is named, or a free one, but not for a dry run (as recorded)."""
        spec = service.get("spec") or {}
        if spec.get("type", "ClusterIP") not in _ADDRESSED:
            return
        given = spec.get("clusterIP", "")
        if not given and (dry_run or spec.get("clusterIPs")):
            return  # validation refuses the latter
        if given == "None":
            spec["clusterIP"] = "None"
            spec.setdefault("clusterIPs", ["None"])
            return
        address = given or self._free_address()
        if given:
            self._check_address(service, given)
        self._addresses.add(address)
        taken.append(lambda: self._addresses.discard(address))
        spec["clusterIP"] = address
        spec["clusterIPs"] = [address]

    def _check_address(self, service: Obj, text: str) -> None:
        try:
            address = ipaddress.ip_address(text)
            # the first and the last are the network's own and its broadcast's
            inside = address in self._network and address not in (self._network[0], self._network[-1])
        except ValueError:
            return  # validation says what is wrong with it
        why = ""
        if not inside:
            why = f"provided IP is not in the valid range. The range of valid IPs is {self._network}"
        elif text in self._addresses:
            why = "provided IP is already allocated"
        if why:
            detail = f"failed to allocated ip:{text} with error:{why}"
            wrong = field.invalid("spec.clusterIPs", [text], detail)
            raise errors.invalid("Service", "", service["metadata"].get("name") or "", [wrong])

    def _free_address(self) -> str:
        size = self._network.num_addresses
        if len(self._addresses) >= size - 2:
            raise errors.InternalError("Internal error occurred: failed to allocate a serviceIP: range is full")
        named = _named_part(size - 2, 16, 256)
        for _ in range(64):
            candidate = str(self._network[self._rng.randrange(2 + named, size - 1)])
            if candidate not in self._addresses:
                return candidate
        upper, lower = range(2 + named, size - 1), range(2, 2 + named)
        hosts = (str(self._network[i]) for part in (upper, lower) for i in part)
        return next(h for h in hosts if h not in self._addresses)

    # ---- node ports

    def _node_ports(self, service: Obj, own: set[int], taken: list[Undo]) -> None:
        """Ports that share a number, of two protocols, share the node's port, unless that is said otherwise.

        :param own: those the service has already
        """
        spec = service.get("spec") or {}
        if spec.get("type") not in _PORTED:
            return
        ports = spec.get("ports") or ()
        shared = {port.get("port"): number for port in reversed(ports) if (number := port.get("nodePort"))}
        by_protocol: dict[int, set[str]] = {}
        for index, port in enumerate(ports):
            number, protocol = port.get("nodePort"), port.get("protocol", "TCP")
            if not number:
                if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
                    continue
                number = shared.get(port.get("port"), 0)
                if not number or protocol in by_protocol.get(number, ()):
                    number = shared[port.get("port")] = self._free_port()
                port["nodePort"] = number
            if number not in own and number not in by_protocol:  # twice for one protocol: validation refuses that
                self._check_port(service, index, number)
                self._reserve(number, taken)
            by_protocol.setdefault(number, set()).add(protocol)

    def _health_port(self, service: Obj, kept: int, taken: list[Undo]) -> None:
        """Where load balancers ask which nodes have pods. :param kept: the one that the service had and still needs"""
        spec = service.get("spec") or {}
        if not needs_health_check(spec) or kept:
            return
        if not (number := spec.get("healthCheckNodePort")):
            number = spec["healthCheckNodePort"] = self._free_port()
        elif why := self._port_problem(number):
            text = f"failed to allocate requested HealthCheck NodePort {number}: {why}"
            raise errors.InternalError(f"Internal error occurred: {text}", {"causes": [{"message": text}]})
        self._reserve(number, taken)

    def _reserve(self, number: int, taken: list[Undo]) -> None:
        self._ports.add(number)
        taken.append(lambda: self._ports.discard(number))

    def _port_problem(self, number: int) -> str:
        low, high = NODE_PORTS
        if not low <= number <= high:
            return f"provided port is not in the valid range. The range of valid ports is {low}-{high}"
        return "provided port is already allocated" if number in self._ports else ""

    def _check_port(self, service: Obj, index: int, number: int) -> None:
        if why := self._port_problem(number):
            wrong = field.invalid(f"spec.ports[{index}].nodePort", number, why)
            raise errors.invalid("Service", "", service["metadata"].get("name") or "", [wrong])

    def _free_port(self) -> int:
        low, high = NODE_PORTS
        named = _named_part(high - low + 1, 32, 128)
        for _ in range(64):
            candidate = self._rng.randint(low + named, high)
            if candidate not in self._ports:
                return candidate
        candidates = itertools.chain(range(low + named, high + 1), range(low, low + named))
        free = next((p for p in candidates if p not in self._ports), None)
        if free is None:
            raise errors.InternalError("Internal error occurred: failed to allocate a nodePort: range is full")
        return free


def _undo(taken: list[Callable[[], None]]) -> None:
    for release in taken:
        release()


def _ips(service: Obj) -> set[str]:
    spec = service.get("spec") or {}
    return {ip for ip in (spec.get("clusterIP"), *(spec.get("clusterIPs") or ())) if ip and ip != "None"}


def _ports(service: Obj) -> set[int]:
    spec = service.get("spec") or {}
    numbers = {p["nodePort"] for p in spec.get("ports") or () if p.get("nodePort")}
    if spec.get("healthCheckNodePort"):
        numbers.add(spec["healthCheckNodePort"])
    return numbers
