"""The few routing messages that attaching a pod takes, sent in batches without any library.

pyroute2 costs 2 ms a message and 0.3 s to import; a batch of these costs one send and one receive. Everything that
is not on a pod's way to running goes through pyroute2 all the same. Layouts and numbers: rtnetlink(7),
linux/rtnetlink.h, linux/if_link.h, linux/neighbour.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence

_NEWLINK, _DELLINK, _NEWADDR, _NEWROUTE, _DELROUTE, _NEWNEIGH = 16, 17, 20, 24, 25, 28
_REQUEST_ACK, _REPLACE, _EXCL, _CREATE = 0x5, 0x100, 0x200, 0x400
_IFF_UP = 1
_TABLE_MAIN = 254
SCOPE_UNIVERSE, SCOPE_LINK = 0, 253
_NUD_PERMANENT = 0x80

Message = tuple[int, int, bytes]
"""Type, flags and payload."""


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", len(data) + 4, kind) + data + bytes(-len(data) % 4)


def _link(index: int, up: bool, *attributes: bytes) -> bytes:
    flags = _IFF_UP if up else 0
    return struct.pack("=BxHiII", 0, 0, index, flags, flags) + b"".join(attributes)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def new_veth(name: str, mac: str, mtu: int | None, peer: tuple[str, str, int]) -> Message:
    """A veth pair, this end up; ``peer`` is name, hardware address and network namespace (descriptor) of the other.

    The peer cannot be up from the start: the kernel says ENOTCONN, as it has no other end yet.
    """
    size = [] if mtu is None else [_attribute(4, struct.pack("=I", mtu))]
    peer_name, peer_mac, namespace = peer
    other = _link(
        0,
        False,
        _attribute(3, peer_name.encode() + b"\0"),
        _attribute(1, _mac(peer_mac)),
        _attribute(28, struct.pack("=I", namespace)),
        *size,
    )
    info = _attribute(1, b"veth\0") + _attribute(2, _attribute(1, other))
    own = [_attribute(3, name.encode() + b"\0"), _attribute(1, _mac(mac))]
    return _NEWLINK, _CREATE | _EXCL, _link(0, True, *own, *size, _attribute(18, info))


def set_alias(index: int, alias: str) -> Message:
    """Note on a link whose it is; a new link's own message cannot."""
    return _NEWLINK, 0, _link(index, False, _attribute(20, alias.encode()))


def link_up(index: int) -> Message:
    """Switch a link on."""
    return _NEWLINK, 0, _link(index, True)


def delete_link(index: int) -> Message:
    """Delete a link; waits 15 ms and more for its last users."""
    return _DELLINK, 0, _link(index, False)


def new_address(index: int, address: str) -> Message:
    """Give a link an address of its own (a /32)."""
    raw = socket.inet_aton(address)
    return (
        _NEWADDR,
        _CREATE | _REPLACE,
        struct.pack("=BBBBI", 2, 32, 0, 0, index) + _attribute(2, raw) + _attribute(1, raw),
    )


def new_neighbour(index: int, address: str, mac: str) -> Message:
    """A permanent neighbour entry: no question is ever asked, no answer believed."""
    head = struct.pack("=BxHiHBB", 2, 0, index, _NUD_PERMANENT, 0, 0)
    return _NEWNEIGH, _CREATE | _REPLACE, head + _attribute(1, socket.inet_aton(address)) + _attribute(2, _mac(mac))


def new_route(
    index: int, target: str | None, protocol: int, gateway: str | None = None, source: str | None = None
) -> Message:
    """A route to one address, or the default route for None; by a gateway, or on the link itself."""
    return _NEWROUTE, _CREATE | _REPLACE, _route(index, target, protocol, gateway, source)


def delete_route(target: str, protocol: int) -> Message:
    """Delete the route to one address that lies on a link."""
    return _DELROUTE, 0, _route(None, target, protocol, None, None)


def _route(index: int | None, target: str | None, protocol: int, gateway: str | None, source: str | None) -> bytes:
    scope = SCOPE_LINK if gateway is None else SCOPE_UNIVERSE
    bits = 0 if target is None else 32
    data = struct.pack("=BBBBBBBBI", 2, bits, 0, 0, _TABLE_MAIN, protocol, scope, 1, 0)
    for kind, address in ((1, target), (5, gateway), (7, source)):
        if address is not None:
            data += _attribute(kind, socket.inet_aton(address))
    return data if index is None else data + _attribute(4, struct.pack("=I", index))


def send(messages: Sequence[Message]) -> None:
    """Have the kernel do all of it, in order, in this thread's network namespace.

    Later messages are carried out also when an earlier one failed.

    :raises OSError: the first failure, with the kernel's errno
    """
    batch = b""
    for number, (kind, flags, payload) in enumerate(messages, 1):
        head = struct.pack("=IHHII", 16 + len(payload), kind, _REQUEST_ACK | flags, number, 0)
        batch += head + payload + bytes(-len(payload) % 4)
    failure = 0
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as channel:
        channel.bind((0, 0))
        channel.sendto(batch, (0, 0))
        answered = 0
        while answered < len(messages):
            data = channel.recv(65536)
            while len(data) >= 20:
                length, _, _, _, _, code = struct.unpack_from("=IHHIIi", data)
                failure = failure or -code
                answered += 1
                data = data[(length + 3) & ~3 :]
    if failure:
        raise OSError(failure, os.strerror(failure))
