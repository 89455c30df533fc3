"""Services as nftables text: the table's frame, and what each Service contributes to it.

Two concatenated maps carry everything: ``services`` leads an address, protocol and port to the chain for its
number of endpoints, and that chain draws a number and finds the endpoint under it in ``tcp-endpoints`` (each
protocol has its own). So a change of one endpoint is a few elements, whatever the number of Services, and never a
rule. Node ports have the same pair without the address (a constant cannot stand in a concatenated look-up). Only
Services with session affinity have chains of their own, as an endpoint must remember its clients.

Pure functions: services.py applies what they return.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kube_lite.node.linux.network.pods import POD_LINK_PREFIX
from kube_lite.node.proxy import PROTOCOLS as PROTOCOL_NAMES
from kube_lite.node.proxy import ServiceSpec

PROTOCOLS = {name: name.lower() for name in PROTOCOL_NAMES}

Endpoint = tuple[str, int]
Elements = dict[tuple[str, str], str]
"""(map or set, element's key) to the element's value, empty for a set's."""


_COLLECTIONS = """\
  map services { typeof ip daddr . meta l4proto . th dport : verdict; }
  map node-ports { typeof meta l4proto . th dport : verdict; }
  set refused { typeof ip daddr . meta l4proto . th dport; }
  set refused-node-ports { typeof meta l4proto . th dport; }
  set hairpins { typeof ip saddr . ip daddr; }
"""


def _choices(protocol: str) -> str:
    """The maps from a number to an endpoint. One pair for each protocol, as their type has to name it.

    libnftables 1.0.6 cannot read the type back when it says ``th dport``, and with ``tcp dport`` it has the rules
    that look up demand TCP.
    """
    value = f"ip daddr . {protocol} dport"
    number = "numgen random mod 65536"
    return f"""\
  map {protocol}-endpoints {{ typeof ip daddr . meta l4proto . th dport . {number} : {value}; }}
  map {protocol}-node-port-endpoints {{ typeof meta l4proto . th dport . {number} : {value}; }}
"""


def frame(table: str, pod_cidr: str, cluster_cidr: str, service_cidr: str | None) -> str:
    """Commands that put an empty table in place of whatever had its name.

    Destination translation is at priority -100 in both hooks (nft 1.0.6 does not know the name ``dstnat`` in
    output). A connection is masqueraded when the answer would not come back here otherwise: a pod reaching itself
    through a Service; a stranger reaching another node's pod through a node port here; a pod leaving the cluster.
    Between pods, and from strangers to pods of this node, addresses stay as they are.
    """
    pods = f'"{POD_LINK_PREFIX}*"'
    collections = _COLLECTIONS + "".join(map(_choices, PROTOCOLS.values()))
    unallocated = "" if service_cidr is None else f"ip daddr {service_cidr} goto refuse"
    return f"""
add table ip {table}
delete table ip {table}
table ip {table} {{
{collections}  chain translate {{
    ip daddr . meta l4proto . th dport vmap @services
    fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @node-ports
  }}
  chain prerouting {{
    type nat hook prerouting priority -100
    jump translate
  }}
  chain output {{
    type nat hook output priority -100
    jump translate
  }}
  chain postrouting {{
    type nat hook postrouting priority 100
    ct status dnat ip saddr . ip daddr @hairpins masquerade
    ct status dnat ip saddr != {pod_cidr} oifname != {pods} masquerade
    ip saddr {pod_cidr} ip daddr != {cluster_cidr} oifname != {pods} masquerade
  }}
  chain refuse {{
    meta l4proto tcp reject with tcp reset
    reject
  }}
  chain check {{
    ip daddr . meta l4proto . th dport @refused goto refuse
    fib daddr type local meta l4proto . th dport @refused-node-ports goto refuse
    {unallocated}
  }}
  chain filter-input {{
    type filter hook input priority 0
    ct state new jump check
  }}
  chain filter-forward {{
    type filter hook forward priority 0
    ct state new jump check
  }}
  chain filter-output {{
    type filter hook output priority 0
    ct state new jump check
  }}
}}
"""


def reordered(former: Sequence[Endpoint], wanted: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """The wanted endpoints, each at its former index where it can be: the last ones fill the gaps.

    So one endpoint less changes two elements, not all behind it.
    """
    missing = dict.fromkeys(wanted)
    kept: list[Endpoint | None] = []
    for endpoint in former:
        kept.append(endpoint if endpoint in missing else None)
        missing.pop(endpoint, None)
    slots = [slot or (_first(missing) if missing else None) for slot in kept]
    result = [*slots, *missing]
    for index in range(len(result) - 1, -1, -1):
        if result[index] is None:
            last = result.pop()
            if index < len(result):
                result[index] = last
    return tuple(slot for slot in result if slot is not None)


def _first(endpoints: dict[Endpoint, None]) -> Endpoint:
    """Take the first endpoint out."""
    endpoint = next(iter(endpoints))
    del endpoints[endpoint]
    return endpoint


def elements(key: str, spec: ServiceSpec) -> Elements:
    """What a Service puts into the maps and sets; ``spec.endpoints`` in the order of their numbers."""
    protocol, count = PROTOCOLS[spec.protocol], len(spec.endpoints)
    result: Elements = {}
    faces = []
    if spec.ip:
        faces.append((f"{spec.ip} . {protocol} . {spec.port}", "services", "endpoints", "refused", "cluster"))
    if spec.node_port:
        name = f"{protocol} . {spec.node_port}"
        faces.append((name, "node-ports", "node-port-endpoints", "refused-node-ports", "port"))
    for face, entries, choices, refused, chain in faces:
        if not count:
            result[refused, face] = ""
        elif spec.affinity_seconds:
            result[entries, face] = f"goto {affinity_chain(key)}"
        else:
            result[entries, face] = f"goto {protocol}-{chain}-{count}"
            for index, (address, port) in enumerate(spec.endpoints):
                result[f"{protocol}-{choices}", f"{face} . {index}"] = f"{address} . {port}"
    return result


def hairpins(spec: ServiceSpec) -> set[str]:
    """The elements of the set ``hairpins``: each endpoint, as source and as destination."""
    return {f"{address} . {address}" for address, _ in spec.endpoints}


def counts(changes: Iterable[ServiceSpec]) -> set[tuple[str, int]]:
    """The protocols and numbers of endpoints for which these Services need chains."""
    return {
        (PROTOCOLS[spec.protocol], len(spec.endpoints))
        for spec in changes
        if spec.endpoints and not spec.affinity_seconds
    }


def count_chains(table: str, protocol: str, count: int) -> str:
    """Commands for the chains that draw one of ``count`` endpoints; done twice, they do no harm."""
    lines = []
    for chain, key, choices in (
        (f"{protocol}-cluster-{count}", "ip daddr . meta l4proto . th dport", f"{protocol}-endpoints"),
        (f"{protocol}-port-{count}", "meta l4proto . th dport", f"{protocol}-node-port-endpoints"),
    ):
        lines.append(f"add chain ip {table} {chain}")
        lines.append(f"flush chain ip {table} {chain}")
        lines.append(f"add rule ip {table} {chain} dnat ip to {key} . numgen random mod {count} map @{choices}")
    return "\n".join(lines)


def affinity_chain(key: str, endpoint: Endpoint | None = None) -> str:
    """The chain of a Service with affinity, or of one endpoint of it; an endpoint's set has the chain's name."""
    name = "affinity-" + hashlib.sha256(key.encode()).hexdigest()[:16]
    if endpoint is None:
        return name
    return f"{name}-{endpoint[0]}-{endpoint[1]}"


def affinity_commands(table: str, key: str, former: ServiceSpec | None, wanted: ServiceSpec | None) -> Iterator[str]:
    """Commands that bring the chains of one Service with affinity from ``former`` to ``wanted``.

    What no element leads to any more is deleted last; endpoints that stay keep their clients.
    """
    chain = affinity_chain(key)
    old = dict.fromkeys(former.endpoints) if former is not None and former.affinity_seconds else {}
    new = dict.fromkeys(wanted.endpoints) if wanted is not None and wanted.affinity_seconds else {}
    # A set's timeout and a rule's protocol cannot be changed in place.
    same = former is not None and wanted is not None
    same = same and (former.affinity_seconds, former.protocol) == (wanted.affinity_seconds, wanted.protocol)  # type: ignore[union-attr]
    if old:
        yield f"flush chain ip {table} {chain}"
    for endpoint in old:
        if endpoint not in new or not same:
            name = affinity_chain(key, endpoint)
            yield f"flush chain ip {table} {name}"
            yield f"delete chain ip {table} {name}"
            yield f"delete set ip {table} {name}"
    if not new or wanted is None:
        if old:
            yield f"delete chain ip {table} {chain}"
        return
    yield f"add chain ip {table} {chain}"
    choices = []
    for index, endpoint in enumerate(new):
        name = affinity_chain(key, endpoint)
        choices.append(f"{index} : goto {name}")
        if endpoint not in old or not same:
            timeout = f"timeout {wanted.affinity_seconds}s"
            yield f"add set ip {table} {name} {{ typeof ip saddr; size 65535; flags dynamic,timeout; {timeout}; }}"
            yield f"add chain ip {table} {name}"
            yield f"add rule ip {table} {name} update @{name} {{ ip saddr }}"
            protocol = PROTOCOLS[wanted.protocol]
            yield f"add rule ip {table} {name} meta l4proto {protocol} dnat ip to {endpoint[0]}:{endpoint[1]}"
        yield f"add rule ip {table} {chain} ip saddr @{name} goto {name}"
    yield f"add rule ip {table} {chain} numgen random mod {len(choices)} vmap {{ {', '.join(choices)} }}"


def element_commands(table: str, former: Mapping[tuple[str, str], str], wanted: Elements) -> Iterator[str]:
    """Commands that bring the maps and sets from ``former`` to ``wanted``: deletions first, grouped by map."""
    gone = [item for item in former.items() if wanted.get(item[0]) != item[1]]
    fresh = [item for item in wanted.items() if former.get(item[0]) != item[1]]
    for verb, items in (("delete", gone), ("add", fresh)):
        groups: dict[str, list[str]] = {}
        for (name, key), value in items:
            groups.setdefault(name, []).append(f"{key} : {value}" if value else key)
        for name, entries in groups.items():
            yield f"{verb} element ip {table} {name} {{ {', '.join(entries)} }}"
