"""Service addresses: ClusterIPs and node ports, handed out once each.

What is taken is read from the stored Services at start, so an allocation survives restarts by being part of
its Service. Reserving is in memory and synchronous, so two creations at once never get the same address.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable

from kube_lite import errors
from kube_lite.api.rest_hooks import Undo
from kube_lite.resources import field
from kube_lite.resources.meta import Obj

NODE_PORTS = (30000, 32767)
"""Upstream's --service-node-port-range."""
_ADDRESSED = ("ClusterIP", "NodePort", "LoadBalancer")
_PORTED = ("NodePort", "LoadBalancer")


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
            self._address(obj, taken)
            self._node_ports(obj, set(), taken)
        except errors.ApiError:
            _undo(taken)
            raise
        return lambda: _undo(taken)

    async def begin_update(self, new: Obj, old: Obj, dry_run: bool) -> Undo | None:
        """Keep what stays, reserve what is new. :raises Invalid: one it names is taken"""
        taken: list[Undo] = []
        try:
            if not _ips(old):
                self._address(new, taken)
            self._keep_ports(new, old)
            self._node_ports(new, _ports(old), taken)
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

    def _address(self, service: Obj, taken: list[Undo]) -> None:
        spec = service.get("spec") or {}
        if spec.get("type", "ClusterIP") not in _ADDRESSED:
            return
        given = spec.get("clusterIP", "")
        if not given and spec.get("clusterIPs"):
            return  # validation refuses it
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
        for _ in range(64):
            candidate = str(self._network[self._rng.randrange(2, size - 1)])
            if candidate not in self._addresses:
                return candidate
        hosts = (str(self._network[i]) for i in range(2, size - 1))
        return next(h for h in hosts if h not in self._addresses)

    # ---- node ports

    @staticmethod
    def _keep_ports(new: Obj, old: Obj) -> None:
        """A port that states no node port keeps the one it had."""
        if (new.get("spec") or {}).get("type") not in _PORTED:
            return
        before = {(p.get("protocol"), p.get("port")): p.get("nodePort") for p in old["spec"].get("ports") or ()}
        for port in new["spec"].get("ports") or ():
            kept = before.get((port.get("protocol"), port.get("port")))
            if not port.get("nodePort") and kept:
                port["nodePort"] = kept

    def _node_ports(self, service: Obj, own: set[int], taken: list[Undo]) -> None:
        spec = service.get("spec") or {}
        if spec.get("type") not in _PORTED:
            return
        by_protocol: dict[int, set[str]] = {}
        for index, port in enumerate(spec.get("ports") or ()):
            number = port.get("nodePort")
            protocol = port.get("protocol", "TCP")
            if number:
                if number in own or number in by_protocol:  # twice for one protocol: validation refuses that
                    by_protocol.setdefault(number, set()).add(protocol)
                    continue
                self._check_port(service, index, number)
            else:
                number = port["nodePort"] = self._free_port()
            by_protocol.setdefault(number, set()).add(protocol)
            self._reserve(number, taken)
        local = spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
        if local and not spec.get("healthCheckNodePort"):
            spec["healthCheckNodePort"] = self._free_port()
            self._reserve(spec["healthCheckNodePort"], taken)

    def _reserve(self, number: int, taken: list[Undo]) -> None:
        self._ports.add(number)
        taken.append(lambda: self._ports.discard(number))

    def _check_port(self, service: Obj, index: int, number: int) -> None:
        low, high = NODE_PORTS
        why = ""
        if not low <= number <= high:
            why = f"provided port is not in the valid range. The range of valid ports is {low}-{high}"
        elif number in self._ports:
            why = "provided port is already allocated"
        if why:
            wrong = field.invalid(f"spec.ports[{index}].nodePort", number, why)
            raise errors.invalid("Service", "", service["metadata"].get("name") or "", [wrong])

    def _free_port(self) -> int:
        low, high = NODE_PORTS
        for _ in range(64):
            candidate = self._rng.randint(low, high)
            if candidate not in self._ports:
                return candidate
        free = next((p for p in range(low, high + 1) if p not in self._ports), None)
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
