"""Values of Kubernetes' own types in CEL: URLs, quantities, IP addresses, networks, versions.

They travel as maps with one marked key, since the library holds plain data only. A function is found by its name
alone, so one that several of these types have tells them apart by their mark.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from kube_lite.resources import quantity

QUANTITY: Final = "@quantity"
URL: Final = "@url"
IP: Final = "@ip"
CIDR: Final = "@cidr"
FORMAT: Final = "@format"
SEMVER: Final = "@semver"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_LINK_LOCAL_MULTICAST: Final = (ipaddress.ip_network("224.0.0.0/24"), ipaddress.ip_network("ff02::/16"))
_ESCAPED: Final = "/:@!$&'()*+,;=~%"
"""Characters of a path that stand as they are, and what is escaped already."""
_SEMVER_TEXT: Final = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII
)


def _holds(value: Any, mark: str) -> bool:
    return isinstance(value, dict) and mark in value


def marked_text(value: Any) -> str | None:
    """Such a value as ``string()`` shows it; None for any other."""
    if _holds(value, QUANTITY):
        return str(quantity.Quantity(_nanos(value)))
    for mark in (URL, IP, CIDR, SEMVER):
        if _holds(value, mark):
            return str(value[mark])
    return None


# ---- URLs


def _url(text: str) -> dict[str, str]:
    if not _is_url(text):
        raise ValueError(f"URL parse error during conversion from string: parse {text!r}: invalid URI for request")
    return {URL: text}


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  # reading it checks it
    except ValueError:
        return False
    if _CONTROL.search(text) or " " in parts.netloc:
        return False
    return text.startswith("/") or bool(parts.scheme and (parts.netloc or parts.path))


def _host(url: Mapping[str, str]) -> str:
    return urlsplit(url[URL]).netloc.rpartition("@")[2]


def _hostname(url: Mapping[str, str]) -> str:
    return urlsplit(url[URL]).hostname or ""


def _port(url: Mapping[str, str]) -> str:
    port = urlsplit(url[URL]).port
    return "" if port is None else str(port)


# ---- quantities, addresses, versions: comparison goes by what the marked map holds


def _quantity(text: str) -> dict[str, str]:
    return {QUANTITY: str(quantity.parse(text).nanos)}


def _is(parse: Callable[..., Any]) -> Callable[..., bool]:
    def check(text: str, *options: bool) -> bool:
        try:
            parse(text, *options)
        except ValueError:
            return False
        return True

    return check


def _nanos(value: Any) -> int:
    return int(value[QUANTITY]) if _holds(value, QUANTITY) else int(value) * quantity.NANO


def _semver(text: str, normalize: bool = False) -> dict[str, str]:
    if normalize:
        head, dash, rest = text.removeprefix("v").partition("-")
        parts = [str(int(p)) if p.isdigit() else p for p in head.split(".")]
        text = ".".join([*parts, "0", "0"][:3]) + dash + rest
    if _SEMVER_TEXT.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a semantic version")
    return {SEMVER: text}


def _semver_key(value: Mapping[str, str]) -> tuple[Any, ...]:
    match = _SEMVER_TEXT.fullmatch(value[SEMVER])
    if match is None:
        raise ValueError("not a semantic version")
    before = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in (match[4] or "").split(".") if p)
    return (int(match[1]), int(match[2]), int(match[3]), not before, before)


def _order(value: Any) -> Any:
    return _semver_key(value) if _holds(value, SEMVER) else _nanos(value)


def _compare_to(a: Any, b: Any) -> int:
    return int(_order(a) > _order(b)) - int(_order(a) < _order(b))


def _with_nanos(nanos: int) -> dict[str, str]:
    return {QUANTITY: str(nanos)}


def _as_integer(value: Any) -> int:
    whole, rest = divmod(_nanos(value), quantity.NANO)
    if rest:
        raise ValueError("cannot convert value to integer")
    return whole


def _ip(value: Any) -> dict[str, str]:
    if _holds(value, CIDR):
        return {IP: value[CIDR].partition("/")[0]}
    return {IP: str(_parsed(value))}


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address without a zone that is not one of IPv4 in the clothes of IPv6. :raises ValueError: it is not"""
    found = ipaddress.ip_address(text)
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            raise ValueError(f'IP Address "{text}" with zone value is not allowed')
        if found.ipv4_mapped is not None:
            raise ValueError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return found


def _cidr(text: str) -> dict[str, str]:
    address, slash, length = text.partition("/")
    _parsed(address)
    if not slash or not length.isdigit() or length != str(int(length)):
        raise ValueError(f"invalid CIDR address: {text}")
    ipaddress.ip_network(text, strict=False)
    return {CIDR: text}


def _network(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(value[CIDR] if _holds(value, CIDR) else value, strict=False)


def _address(value: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(value[IP]) if _holds(value, IP) else _parsed(value)


def _is_global_unicast(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """As Go's ``net/netip`` has it: private addresses too, broadcast and those of one link not."""
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not special and str(address) != "255.255.255.255"


def _contains_ip(net: Any, address: Any) -> bool:
    return _address(address) in _network(net)


def _contains_cidr(net: Any, other: Any) -> bool:
    mine, theirs = _network(net), _network(other)
    return mine.version == theirs.version and theirs.subnet_of(mine)  # type: ignore[arg-type]


VALUE_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "__ip_isCanonical": lambda text: str(_parsed(text)) == text,
    "url": _url,
    "isURL": _is_url,
    "getScheme": lambda url: urlsplit(url[URL]).scheme,
    "getHost": _host,
    "getHostname": _hostname,
    "getPort": _port,
    "getEscapedPath": lambda url: quote(urlsplit(url[URL]).path, safe=_ESCAPED),
    "getQuery": lambda url: parse_qs(urlsplit(url[URL]).query, keep_blank_values=True),
    "quantity": _quantity,
    "isQuantity": _is(_quantity),
    "isGreaterThan": lambda a, b: _order(a) > _order(b),
    "isLessThan": lambda a, b: _order(a) < _order(b),
    "compareTo": _compare_to,
    "add": lambda a, b: _with_nanos(_nanos(a) + _nanos(b)),
    "sub": lambda a, b: _with_nanos(_nanos(a) - _nanos(b)),
    "sign": lambda q: (_nanos(q) > 0) - (_nanos(q) < 0),
    "isInteger": lambda q: _nanos(q) % quantity.NANO == 0 and abs(_nanos(q)) < 2**63 * quantity.NANO,
    "asInteger": _as_integer,
    "asApproximateFloat": lambda q: _nanos(q) / quantity.NANO,
    "ip": _ip,
    "isIP": _is(_ip),
    "family": lambda ip: _address(ip).version,
    "isLoopback": lambda ip: _address(ip).is_loopback,
    "isUnspecified": lambda ip: _address(ip).is_unspecified,
    "isLinkLocalUnicast": lambda ip: _address(ip).is_link_local and not _address(ip).is_multicast,
    "isLinkLocalMulticast": lambda ip: any(_address(ip) in net for net in _LINK_LOCAL_MULTICAST),
    "isGlobalUnicast": lambda ip: _is_global_unicast(_address(ip)),
    "cidr": _cidr,
    "isCIDR": _is(_cidr),
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "prefixLength": lambda net: _network(net).prefixlen,
    "masked": lambda net: {CIDR: str(_network(net))},
    "semver": _semver,
    "isSemver": _is(_semver),
    "major": lambda v: _semver_key(v)[0],
    "minor": lambda v: _semver_key(v)[1],
    "patch": lambda v: _semver_key(v)[2],
}
"""By the name under which the library calls them."""
