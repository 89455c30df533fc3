"""Services in the kernel: what the agent wants is compared with what was applied, and the difference applied.

One nftables table belongs to the node, ``kube-lite-<node>``; no other is ever touched. Each :meth:`sync` is one
transaction, so no packet sees half of it. The first one replaces the table that an earlier executor left, so
that a restart leaves no moment without rules. If a transaction is refused (somebody removed our table), the whole
table is built anew. TCP connections that exist stay where they are: they are the kernel's connection tracking's.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping

import anyio
from msgspec.structs import replace

from kube_lite import clock
from kube_lite.node.linux.network import conntrack, rules
from kube_lite.node.linux.network.libnftables import Nftables, NftError
from kube_lite.node.linux.network.pods import POD_LINK_PREFIX
from kube_lite.node.proxy import ServiceSpec
from kube_lite.node.runtime import RuntimeFailure

log = logging.getLogger(__name__)


class ServiceProxy:
    """kube-proxy's part for one node: ``start``, then ``sync`` with everything that is wanted, then ``close``.

    :param pod_cidr: this node's pods; ``cluster_cidr`` all pods; ``service_cidr`` all cluster IPs, if they shall
        be refused at once where no Service has them
    """

    def __init__(self, node_name: str, pod_cidr: str, cluster_cidr: str, service_cidr: str | None = None) -> None:
        self._table = f"kube-lite-{node_name}"
        self._frame = rules.frame(self._table, pod_cidr, cluster_cidr, service_cidr)
        self._nftables: Nftables | None = None
        self._lock = anyio.Lock()
        self._forget()

    def _forget(self) -> None:
        """Believe nothing of the table, so that the next change builds it anew."""
        self._built = False
        self._given: dict[str, ServiceSpec] = {}
        self._applied: dict[str, ServiceSpec] = {}
        self._hairpins: Counter[str] = Counter()
        self._counts: set[tuple[str, int]] = set()

    async def start(self) -> None:
        """Open nftables in this thread's network namespace. :raises RuntimeFailure: NetworkPluginNotReady"""
        try:
            self._nftables = Nftables()
        except NftError as error:
            raise RuntimeFailure("NetworkPluginNotReady", str(error)) from error
        await clock.run_in_thread(self._warn_of_firewall, self._nftables)

    @staticmethod
    def _warn_of_firewall(nftables: Nftables) -> None:
        """Say so if another table drops what is forwarded, as Docker's does; an accept in ours cannot change that."""
        try:
            chain = nftables.run("list chain ip filter FORWARD")
        except NftError:
            return  # there is no such chain
        if "policy drop" in chain:
            log.warning(
                "the FORWARD chain of this machine's iptables drops by default (Docker sets that): pods will not reach "
                "each other until it accepts them, e.g. iptables -I FORWARD -i %s+ -j ACCEPT; "
                "iptables -I FORWARD -o %s+ -j ACCEPT",
                POD_LINK_PREFIX,
                POD_LINK_PREFIX,
            )

    async def sync(self, services: Mapping[str, ServiceSpec]) -> None:
        """Have exactly these Services, by any keys that stay the same for the same Service port.

        Of two that claim one address and port, or one node port, the first key wins.

        :raises RuntimeFailure: NetworkPluginNotReady when the kernel refuses; the next call tries all of it again
        """
        async with self._lock:
            wanted = self._without_conflicts(services)
            if self._built:
                keys = wanted.keys() | self._given.keys()
                changed = {key for key in keys if not _same(wanted.get(key), self._given.get(key))}
                if not changed:
                    return
                try:
                    await self._change({key: wanted.get(key) for key in changed})
                    return
                except NftError as error:
                    log.warning("rebuilding the Service rules: %s", error)
            self._forget()
            try:
                await self._change(dict(wanted))
            except NftError as error:
                raise RuntimeFailure("NetworkPluginNotReady", f"Service rules: {error}") from error

    async def close(self, keep: bool = False) -> None:
        """Remove the table, unless it shall be kept for pods that go on running, and close nftables."""
        async with self._lock:
            if self._nftables is None:
                return
            if not keep:
                await clock.run_in_thread(
                    self._nftables.run, f"add table ip {self._table}\ndelete table ip {self._table}"
                )
            self._nftables.close()
            self._nftables = None

    def _without_conflicts(self, services: Mapping[str, ServiceSpec]) -> dict[str, ServiceSpec]:
        taken: dict[tuple[str, str, int], str] = {}
        result: dict[str, ServiceSpec] = {}
        for key, spec in sorted(services.items()):
            claims = [(spec.ip, spec.protocol, spec.port)] if spec.ip else []
            if spec.node_port:
                claims.append(("", spec.protocol, spec.node_port))
            if not claims:
                continue
            rival = next((taken[claim] for claim in claims if claim in taken), None)
            if rival is not None:
                log.warning("Service %s is left out: %s has its address or node port", key, rival)
                continue
            taken.update(dict.fromkeys(claims, key))
            result[key] = spec
        return result

    async def _change(self, changes: Mapping[str, ServiceSpec | None]) -> None:
        """Apply the changes (None: gone) as one transaction and remember them. :raises NftError: nothing was done"""
        if self._nftables is None:
            raise NftError("not started")
        specs = {key: spec and self._numbered(key, spec) for key, spec in changes.items()}
        former: rules.Elements = {}
        wanted: rules.Elements = {}
        pins: Counter[str] = Counter()
        for key, spec in specs.items():
            old = self._applied.get(key)
            if old is not None:
                former |= rules.elements(key, old)
                pins.subtract(rules.hairpins(old))
            if spec is not None:
                wanted |= rules.elements(key, spec)
                pins.update(rules.hairpins(spec))
        for pin, change in pins.items():
            before = self._hairpins[pin]
            if before and not before + change:
                former["hairpins", pin] = ""
            elif not before and change:
                wanted["hairpins", pin] = ""
        counts = rules.counts(spec for spec in specs.values() if spec is not None) - self._counts
        lines = [] if self._built else [self._frame]
        lines += [rules.count_chains(self._table, *count) for count in sorted(counts)]
        lines += self._in_order(specs, former, wanted)
        await clock.run_in_thread(self._nftables.run, "\n".join(lines))
        stale = {found for key, spec in specs.items() for found in _stale(self._applied.get(key), spec)}
        if stale:
            await clock.run_in_thread(self._forget_connections, stale)
        self._built = True
        self._hairpins.update(pins)
        self._counts |= counts
        for key, spec in specs.items():
            if spec is None:
                self._applied.pop(key, None)
                self._given.pop(key, None)
            else:
                self._applied[key] = spec
                self._given[key] = changes[key] or spec

    @staticmethod
    def _forget_connections(stale: Collection[conntrack.Stale]) -> None:
        try:
            count = conntrack.forget(stale)
        except OSError as error:
            log.warning("UDP clients may go on talking to endpoints that are gone: %s", error)
        else:
            log.debug("forgot %d UDP connections", count)

    def _in_order(
        self, specs: Mapping[str, ServiceSpec | None], former: rules.Elements, wanted: rules.Elements
    ) -> list[str]:
        """Element and chain commands so that nothing is deleted that is still led to, nor led to before it is."""
        gone = {item: value for item, value in former.items() if wanted.get(item) != value}
        kept = former.keys() - gone.keys()
        fresh = {item: value for item, value in wanted.items() if item not in kept}
        chains = [line for key, spec in specs.items()
                  for line in rules.affinity_commands(self._table, key, self._applied.get(key), spec)]  # fmt: skip
        return [
            *rules.element_commands(self._table, gone, {}),
            *chains,
            *rules.element_commands(self._table, {}, fresh),
        ]

    def _numbered(self, key: str, spec: ServiceSpec) -> ServiceSpec:
        old = self._applied.get(key)
        return replace(spec, endpoints=rules.reordered(old.endpoints if old else (), spec.endpoints))


def _stale(old: ServiceSpec | None, new: ServiceSpec | None) -> set[conntrack.Stale]:
    """Which UDP connections no longer lead where the Service does: to endpoints that it has lost, and to none."""
    spec = new or old
    if spec is None or spec.protocol != "UDP":
        return set()
    before = set(old.endpoints) if old is not None else set()
    after = set(new.endpoints) if new is not None else set()
    answered: list[conntrack.Address | None] = [*(before - after)]
    if after and not before:
        answered.append(None)
    sent = [(spec.ip, spec.port)] if spec.ip else []
    sent += [("", spec.node_port)] if spec.node_port else []
    return {(target, source) for target in sent for source in answered}


def _same(one: ServiceSpec | None, other: ServiceSpec | None) -> bool:
    """Whether both are the same, the order of endpoints aside."""
    if one is None or other is None or one == other:
        return one == other
    return set(one.endpoints) == set(other.endpoints) and replace(one, endpoints=()) == replace(other, endpoints=())
