"""Ports of the node that lead to pods: what the portmap plugin of CNI does for ``hostPort``.

They have an nftables table of their own, ``kube-lite-<node>_host-ports`` (no node name has an underscore), which is
there only while a pod wants it. Such pods are few, so every change builds the whole table anew, in one transaction:
connections that exist are the kernel's connection tracking's and stay. What is wanted stands in a file that is
written before ports are opened and after they are shut, so that an executor that comes back knows all that it may
find.

The node's loopback is an address of the node as well. For packets from 127.0.0.1 to leave by a pod's link, and for
the answers to come back, that link alone gets ``route_localnet``; with it the pod could talk to whatever listens on
the node's loopback (CVE-2020-8558), so what comes from a pod's link with such an address is dropped unseen.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.node.linux import state
from kube_lite.node.linux.network import conntrack
from kube_lite.node.linux.network.forwarding import write_setting
from kube_lite.node.linux.network.libnftables import Nftables, NftError
from kube_lite.node.proxy import PROTOCOLS
from kube_lite.node.runtime import HostPort, RuntimeFailure

log = logging.getLogger(__name__)

_EVERY_ADDRESS = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class Claim:
    """A port of the node for a pod: ``host`` is the node's address, '' for all; ``target`` the pod's."""

    protocol: str
    host: str
    port: int
    target: str
    target_port: int

    def collides(self, other: Claim) -> bool:
        """Whether a packet could be meant for both."""
        same = (self.protocol, self.port) == (other.protocol, other.port)
        return same and (self.host == other.host or not self.host or not other.host)


def claims(address: str, ports: Iterable[HostPort]) -> tuple[Claim, ...]:
    """What a pod at ``address`` asks for; ports of IPv6 addresses are passed over, as pods have none.

    :raises ValueError: something that could not stand in a rule
    """
    target = str(ipaddress.IPv4Address(address))
    found = []
    for port in ports:
        if port.protocol not in PROTOCOLS or not (0 < port.port < 65536 and 0 < port.container_port < 65536):
            raise ValueError(f"not a host port: {port}")
        host = ipaddress.ip_address(port.address or _EVERY_ADDRESS)
        if host.version == 4:
            bound = "" if host.is_unspecified else str(host)
            found.append(Claim(port.protocol, bound, port.port, target, port.container_port))
    return tuple(found)


def in_force(pods: Iterable[Sequence[Claim]]) -> list[Claim]:
    """The claims that count, those on one address first: of two that collide the later pod's.

    The scheduler and the node let no two running pods collide, but one that has finished keeps its sandbox until it
    is deleted.
    """
    kept: list[Claim] = []
    for wanted in pods:
        kept = [old for old in kept if not any(old.collides(new) for new in wanted)] + list(wanted)
    return sorted(dict.fromkeys(kept), key=lambda claim: not claim.host)


def table_text(table: str, node_address: str, links: str, wanted: Sequence[Claim]) -> str:
    """Commands that put this table in place of whatever had its name; without claims there is none afterwards.

    Services come first (-100). The client's address stays as it is, but for a pod that reaches itself and for the
    node's loopback: the answer would not come back here.

    :param links: the beginning of the names of the pods' links
    """
    fresh = f"add table ip {table}\ndelete table ip {table}\n"
    if not wanted:
        return fresh
    rules = "\n".join(f"    {_rule(claim)}" for claim in wanted)
    themselves = ", ".join(sorted({f"{claim.target} . {claim.target}" for claim in wanted}))
    return f"""{fresh}table ip {table} {{
  chain guard {{
    type filter hook prerouting priority -300
    iifname "{links}*" ip daddr 127.0.0.0/8 drop
    iifname "{links}*" ip saddr 127.0.0.0/8 drop
  }}
  chain translate {{
{rules}
  }}
  chain prerouting {{
    type nat hook prerouting priority -99
    fib daddr type local jump translate
  }}
  chain output {{
    type nat hook output priority -99
    fib daddr type local jump translate
  }}
  chain postrouting {{
    type nat hook postrouting priority 99
    ct status dnat oifname "{links}*" ip saddr 127.0.0.0/8 snat to {node_address}
    ct status dnat ip saddr . ip daddr {{ {themselves} }} snat to {node_address}
  }}
}}
"""


def _rule(claim: Claim) -> str:
    host = f"ip daddr {claim.host} " if claim.host else ""
    return f"{host}{claim.protocol.lower()} dport {claim.port} dnat to {claim.target}:{claim.target_port}"


def _stale(old: Iterable[Claim], new: Iterable[Claim]) -> Iterator[conntrack.Stale]:
    """UDP connections that a change ends: to pods that lost a port, and to nobody where there is a pod now."""
    before, after = set(old), set(new)
    for claim in before ^ after:
        if claim.protocol == "UDP":
            yield (claim.host, claim.port), (claim.target, claim.target_port) if claim in before else None


class HostPorts:
    """The host ports of one node: ``start`` first, then ``open`` and ``shut`` for pods, ``close`` last.

    :param node_address: the node's own address in the pod network
    :param record: the file to remember by; ``links`` begins the names of the pods' links
    """

    def __init__(self, node_name: str, node_address: str, record: Path, links: str) -> None:
        self._table = f"kube-lite-{node_name}_host-ports"
        self._node_address = node_address
        self._record = record
        self._links = links
        self._pods: dict[str, tuple[str, tuple[Claim, ...]]] = {}
        self._nftables: Nftables | None = None
        self._lock = anyio.Lock()

    def pods(self) -> set[str]:
        """The uids of the pods that have ports of the node."""
        return set(self._pods)

    async def start(self) -> None:
        """Take over what an earlier executor opened. :raises RuntimeFailure: NetworkPluginNotReady"""
        async with self._lock:
            self._pods = self._load()
            if self._pods:
                await self._apply("NetworkPluginNotReady", [])

    async def open(self, pod_uid: str, address: str, link: str, ports: Sequence[HostPort]) -> None:
        """Lead these ports to the pod at ``address`` behind ``link``, and no others; the kernel has both already.

        :raises RuntimeFailure: FailedCreatePodSandBox; what was there before may be gone
        """
        try:
            wanted = claims(address, ports)
        except ValueError as error:
            raise RuntimeFailure("FailedCreatePodSandBox", f"host ports: {error}") from error
        if not wanted:
            await self.shut(pod_uid)
            return
        async with self._lock:
            before = self._in_force()
            self._pods.pop(pod_uid, None)  # the newest is the last
            self._pods[pod_uid] = (link, wanted)
            await clock.run_in_thread(self._save)
            await self._apply("FailedCreatePodSandBox", before)
            await clock.run_in_thread(self._route_loopback, link, True)

    async def shut(self, pod_uid: str) -> None:
        """Close the pod's ports; no error if it has none. :raises RuntimeFailure: FailedKillPod"""
        async with self._lock:
            if pod_uid not in self._pods:
                return
            before = self._in_force()
            link, wanted = self._pods.pop(pod_uid)
            await clock.run_in_thread(self._route_loopback, link, False)
            try:
                await self._apply("FailedKillPod", before)
            except RuntimeFailure:
                self._pods[pod_uid] = (link, wanted)  # so that it is tried again
                raise
            await clock.run_in_thread(self._save)

    async def close(self, keep_pods: bool) -> None:
        """Close nftables, and all ports before it unless pods go on running. :raises RuntimeFailure: FailedKillPod"""
        for uid in [] if keep_pods else list(self._pods):
            await self.shut(uid)
        if self._nftables is not None:
            self._nftables.close()
            self._nftables = None

    def _in_force(self) -> list[Claim]:
        return in_force(wanted for _, wanted in self._pods.values())

    def _load(self) -> dict[str, tuple[str, tuple[Claim, ...]]]:
        found: dict[str, tuple[str, tuple[Claim, ...]]] = {}
        for uid, value in (state.read_json(str(self._record)) or {}).items():
            try:
                found[uid] = (str(value["link"]), tuple(Claim(**claim) for claim in value["claims"]))
            except (KeyError, TypeError):
                log.warning("%s: the entry of pod %s is not readable and is left out", self._record, uid)
        return found

    async def _apply(self, reason: str, before: Sequence[Claim]) -> None:
        wanted = self._in_force()
        text = table_text(self._table, self._node_address, self._links, wanted)
        try:
            await clock.run_in_thread(self._run, text)
        except NftError as error:
            raise RuntimeFailure(reason, f"host ports: {error}") from error
        stale = set(_stale(before, wanted))
        if stale:
            await clock.run_in_thread(self._forget, stale)

    # What follows runs in worker threads.

    def _save(self) -> None:
        value: dict[str, Any] = {
            uid: {"link": link, "claims": [asdict(claim) for claim in wanted]}
            for uid, (link, wanted) in self._pods.items()
        }
        state.write_json(str(self._record), value)

    def _run(self, commands: str) -> None:
        if self._nftables is None:
            self._nftables = Nftables()
        self._nftables.run(commands)

    @staticmethod
    def _forget(stale: set[conntrack.Stale]) -> None:
        try:
            conntrack.forget(stale)
        except OSError as error:
            log.warning("UDP clients of host ports may go on talking to pods that are gone: %s", error)

    @staticmethod
    def _route_loopback(link: str, on: bool) -> None:
        """Let 127.0.0.1 leave by the link, or not; a link that is gone needs nothing."""
        try:
            write_setting(f"/proc/sys/net/ipv4/conf/{link}/route_localnet", "1" if on else "0")
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("host ports of %s do not answer on the node's loopback: %s", link, error)
