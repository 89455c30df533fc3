"""Small rules that many kinds share: ranges, enumerations, immutable fields, addresses, numbers or percentages."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from typing import Any

from kube_lite.resources import names
from kube_lite.resources.field import IMMUTABLE, Errors, child, go_int_or_string, invalid, not_supported, required
from kube_lite.resources.remembered import remembered

NOT_NEGATIVE = "must be greater than or equal to 0"
POSITIVE = "must be greater than zero"
BAD_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def nonnegative(value: int | None, path: str) -> Errors:
    """A number that may be missing, but not below zero."""
    return [invalid(path, value, NOT_NEGATIVE)] if value is not None and value < 0 else []


def in_range(value: int, low: int, high: int, path: str) -> Errors:
    """A number between two bounds, inclusive."""
    return [] if low <= value <= high else [invalid(path, value, names.in_range(low, high))]


def one_of(value: str | None, choices: Collection[str], path: str, *, told: bool = False) -> Errors:
    """A text out of an enumeration, which must be there.

    :param told: whether an empty text is told from a missing one
    """
    if value in choices:
        return []
    missing = value is None or (not value and not told)
    return [required(path) if missing else not_supported(path, value, choices)]


def immutable(new: Mapping[str, Any], old: Mapping[str, Any], name: str, path: str) -> Errors:
    """A field that keeps its first value."""
    if new.get(name) == old.get(name):
        return []
    return [invalid(child(path, name), new.get(name), IMMUTABLE)]


@remembered(4096)
def parse_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, or None."""
    try:
        return ipaddress.ip_address(text) if "%" not in text else None
    except ValueError:
        return None


@remembered(1024)
def parse_cidr(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The network (host bits may be set), or None; a mask is no length."""
    length = text.rpartition("/")[2]
    if length == text or not (length.isascii() and length.isdecimal()):
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def ip(text: str, path: str) -> Errors:
    """A text that must be an address."""
    return [] if parse_ip(text) is not None else [invalid(path, text, BAD_IP)]


def dns_label(text: str, path: str) -> Errors:
    """A text that must be an RFC 1123 label."""
    return [invalid(path, text, problem) for problem in names.dns_label(text)]


def dns_subdomain(text: str, path: str) -> Errors:
    """A text that must be an RFC 1123 subdomain."""
    return [invalid(path, text, problem) for problem in names.dns_subdomain(text)]


def qualified_name(text: str, path: str) -> Errors:
    """A text that must look like a label key."""
    return [invalid(path, text, problem) for problem in names.qualified_name(text)]


def fully_qualified_name(text: str, path: str) -> Errors:
    """A domain name of two parts or more, which may end with a dot."""
    if not text:
        return [required(path)]
    name = text.removesuffix(".")
    if problems := names.dns_subdomain(name):
        return [invalid(path, name, ",".join(problems))]
    labels = name.split(".")
    if len(labels) < 2:
        return [invalid(path, name, "should be a domain with at least two segments separated by dots")]
    return [invalid(path, label, problem) for label in labels for problem in names.dns_label(label)]


def domain_prefixed_path(text: str, path: str) -> Errors:
    """A text like ``acme.io/foo``; what is shown is the part that is wrong."""
    if not text:
        return [required(path)]
    domain, slash, rest = text.partition("/")
    if not slash or not domain or not rest:
        return [invalid(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    return dns_subdomain(domain, path) + [invalid(path, rest, problem) for problem in names.process_path(rest)]


def port_number(number: int, path: str) -> Errors:
    """A number that must be a port."""
    return [invalid(path, number, problem) for problem in names.port_number(number)]


def port_number_or_name(port: int | str, path: str) -> Errors:
    """A port, or the name of one."""
    if isinstance(port, int):
        return port_number(port, path)
    return [invalid(path, port, problem) for problem in names.port_name(port)]


def number_or_percent(value: int | str, path: str) -> Errors:
    """A number of at least 0, or a percentage."""
    if isinstance(value, int):
        return nonnegative(value, path)
    return [invalid(path, go_int_or_string(value), problem) for problem in names.percent(value)]


def at_most_100_percent(value: int | str, path: str) -> Errors:
    """A percentage may not be above 100; numbers may."""
    if isinstance(value, str) and not names.percent(value) and int(value[:-1]) > 100:
        return [invalid(path, go_int_or_string(value), "must not be greater than 100%")]
    return []


def as_number(value: int | str | None) -> int:
    """The number in a number or percentage; 0 when it is neither."""
    if isinstance(value, int):
        return value
    return int(value[:-1]) if value and not names.percent(value) else 0


def validate_public_ip(text: str, path: str) -> Errors:
    """An address that others can reach: neither unspecified, loopback, link-local nor multicast."""
    parsed = parse_ip(text)
    if parsed is None:
        return [invalid(path, text, BAD_IP)]
    found: Errors = []
    if parsed.is_unspecified:
        found.append(invalid(path, text, f"may not be unspecified ({text})"))
    if parsed.is_loopback:
        found.append(invalid(path, text, "may not be in the loopback range (127.0.0.0/8)"))
    if parsed.is_link_local:
        found.append(invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if parsed.is_multicast and (parsed.version == 6 or text.startswith("224.0.0.")):
        detail = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        found.append(invalid(path, text, detail))
    return found


def no_backsteps(text: str, path: str) -> Errors:
    """A path without ``..``."""
    return [invalid(path, text, "must not contain '..'")] if ".." in text.split("/") else []
