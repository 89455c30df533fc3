"""Forget UDP connections to endpoints that are gone.

NAT is decided once per connection, and UDP has none: the kernel takes packets between the same ports for one as long
as they keep coming, and would send a busy client's for ever to a pod that has ended (or nowhere, when there was no
endpoint at first). So entries of connection tracking that no longer agree with the Services are deleted, as
kube-proxy does. TCP needs nothing of the kind: its clients see a reset or a timeout and connect anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

UDP = 17

Address = tuple[str, int]
"""IPv4 address and port."""

Stale = tuple[Address, Address | None]
"""Where packets were sent (an empty address: any, for node ports), and who answered; None: the address itself."""


def _endpoints(entry: Any) -> tuple[Address, Address] | None:
    """Original destination and reply source of a UDP entry; None for others."""
    found = []
    for attribute, side in (("CTA_TUPLE_ORIG", "DST"), ("CTA_TUPLE_REPLY", "SRC")):
        part = entry.get_attr(attribute)
        protocol = part.get_attr("CTA_TUPLE_PROTO") if part is not None else None
        if protocol is None or protocol.get_attr("CTA_PROTO_NUM") != UDP:
            return None
        address = part.get_attr("CTA_TUPLE_IP").get_attr(f"CTA_IP_V4_{side}")
        if address is None:
            return None
        found.append((str(address), int(protocol.get_attr(f"CTA_PROTO_{side}_PORT"))))
    return found[0], found[1]


def _stale_entries(entries: Any, stale: Collection[Stale]) -> Iterator[Any]:
    wanted = set(stale)
    for entry in entries:
        ends = _endpoints(entry)
        if ends is None:
            continue
        sent, answered = ends
        seen = None if answered == sent else answered
        if {(sent, seen), (("", sent[1]), seen)} & wanted:
            yield entry


def forget(stale: Collection[Stale]) -> int:
    """Delete the entries that match; how many there were. Runs in the caller's network namespace, and blocks.

    :raises OSError: the kernel does not let us look (no ctnetlink)
    """
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

    count = 0
    try:
        with NFCTSocket() as netlink:
            for entry in list(_stale_entries(netlink.dump(), stale)):
                original = entry.get_attr("CTA_TUPLE_ORIG")
                addresses, protocol = original.get_attr("CTA_TUPLE_IP"), original.get_attr("CTA_TUPLE_PROTO")
                tuple_ = NFCTAttrTuple(
                    saddr=addresses.get_attr("CTA_IP_V4_SRC"),
                    daddr=addresses.get_attr("CTA_IP_V4_DST"),
                    proto=UDP,
                    sport=protocol.get_attr("CTA_PROTO_SRC_PORT"),
                    dport=protocol.get_attr("CTA_PROTO_DST_PORT"),
                )
                netlink.entry("del", tuple_orig=tuple_)
                count += 1
    except NetlinkError as error:
        raise OSError(error.code, str(error)) from error
    return count
