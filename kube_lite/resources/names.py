"""What names, label keys and label values may look like, with upstream's explanations.

Each rule takes a text and gives the problems found, worst length first; an empty tuple means valid. Formats
and wording are those of upstream's ``k8s.io/apimachinery/pkg/util/validation``; the name rules that take
``is_prefix`` are those of ``pkg/api/validation``: a prefix (generateName) may end with a dash.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from kube_lite.resources.remembered import remembered

Problems = Sequence[str]

NameRule = Callable[[str, bool], Problems]
"""``(name, is_prefix) -> problems``."""

LABEL_LENGTH = 63
"""RFC 1035 and 1123: octets of one label."""
SUBDOMAIN_LENGTH = 253
"""RFC 1123: octets of a domain name."""
PORT_NAME_LENGTH = 15
"""RFC 6335: octets of a service name."""

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_UNDERSCORE = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_UNDERSCORE = rf"{_LABEL_UNDERSCORE}(\.{_LABEL_UNDERSCORE})*"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = rf"({_QUALIFIED})?"
_CONFIG_KEY = r"[-._a-zA-Z0-9]+"
_C_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
_HEADER_NAME = r"[-A-Za-z0-9]+"
_PERCENT = r"[0-9]+%"
_PROCESS_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"


def _explain(what: str, pattern: str, *examples: str) -> str:
    if not examples:
        return f"{what} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{e}', " for e in examples)
    return f"{what} (e.g. {shown}regex used for validation is '{pattern}')"


LABEL_MESSAGE = _explain(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
LABEL_1035_MESSAGE = _explain(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character",
    _LABEL_1035,
    "my-name",
    "abc-123",
)
SUBDOMAIN_MESSAGE = _explain(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
WILDCARD_MESSAGE = _explain(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    _WILDCARD,
    "*.example.com",
)
_QUALIFIED_WHAT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
QUALIFIED_MESSAGE = _explain(_QUALIFIED_WHAT, _QUALIFIED, "MyName", "my.name", "123-abc")
TWO_SLASHES_MESSAGE = (
    f"a qualified name {QUALIFIED_MESSAGE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)
LABEL_VALUE_MESSAGE = _explain(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character",
    _LABEL_VALUE,
    "MyValue",
    "my_value",
    "12345",
)
CONFIG_KEY_MESSAGE = _explain(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)
ENV_NAME_MESSAGE = _explain(
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not "
    "start with a digit",
    r"[-._a-zA-Z][-._a-zA-Z0-9]*",
    "my.env-name",
    "MY_ENV.NAME",
    "MyEnvName1",
)
"""The stricter rule that servers had up to v1.33, said of what breaks the present one: printable ASCII without '='."""
C_IDENTIFIER_MESSAGE = _explain(
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
    "characters or '_'",
    _C_IDENTIFIER,
    "my_name",
    "MY_NAME",
    "MyName",
)
HEADER_NAME_MESSAGE = _explain(
    "a valid HTTP header must consist of alphanumeric characters or '-'", _HEADER_NAME, "X-Header-Name"
)
PERCENT_MESSAGE = _explain(
    "a valid percent string must be a numeric string followed by an ending '%'", _PERCENT, "1%", "93%"
)
DOMAIN_PATH_MESSAGE = _explain("Invalid path", _PROCESS_PATH)

_label = re.compile(_LABEL).fullmatch
_label_1035 = re.compile(_LABEL_1035).fullmatch
_subdomain = re.compile(_SUBDOMAIN).fullmatch
_subdomain_underscore = re.compile(_SUBDOMAIN_UNDERSCORE).fullmatch
_wildcard = re.compile(_WILDCARD).fullmatch
_qualified = re.compile(_QUALIFIED).fullmatch
_label_value = re.compile(_LABEL_VALUE).fullmatch
_config_key = re.compile(_CONFIG_KEY).fullmatch
_c_identifier = re.compile(_C_IDENTIFIER).fullmatch
_header_name = re.compile(_HEADER_NAME).fullmatch
_percent = re.compile(_PERCENT).fullmatch
_process_path = re.compile(_PROCESS_PATH).fullmatch


def max_length(limit: int) -> str:
    """The explanation of a text that is too long."""
    return f"must be no more than {limit} characters"


EMPTY = "must be non-empty"


def size(text: str) -> int:
    """Length in bytes of UTF-8, which is what upstream's limits count."""
    return len(text) if text.isascii() else len(text.encode())


def _checked(text: str, limit: int, fits: bool, message: str) -> Problems:
    if size(text) > limit:
        return (max_length(limit),) if fits else (max_length(limit), message)
    return () if fits else (message,)


@remembered(4096)
def dns_label(text: str) -> Problems:
    """RFC 1123 label."""
    message = LABEL_MESSAGE
    return _checked(text, LABEL_LENGTH, _label(text) is not None, message)


@remembered(1024)
def dns_1035_label(text: str) -> Problems:
    """RFC 1035 label: as a DNS label, but starting with a letter."""
    return _checked(text, LABEL_LENGTH, _label_1035(text) is not None, LABEL_1035_MESSAGE)


@remembered(8192)
def dns_subdomain(text: str) -> Problems:
    """RFC 1123 subdomain."""
    return _checked(text, SUBDOMAIN_LENGTH, _subdomain(text) is not None, SUBDOMAIN_MESSAGE)


@remembered(256)
def dns_subdomain_with_underscore(text: str) -> Problems:
    """RFC 1123 subdomain that may also hold underscores (search domains, since v1.32); told as that without them."""
    return _checked(text, SUBDOMAIN_LENGTH, _subdomain_underscore(text) is not None, SUBDOMAIN_MESSAGE)


@remembered(256)
def wildcard_dns_subdomain(text: str) -> Problems:
    """``*.`` and a subdomain."""
    return _checked(text, SUBDOMAIN_LENGTH, _wildcard(text) is not None, WILDCARD_MESSAGE)


@remembered(8192)
def qualified_name(text: str) -> Problems:
    """A label key: a name of up to 63 characters, with an optional ``prefix/`` that is a subdomain."""
    prefix, slash, name = text.rpartition("/")
    found: list[str] = []
    if "/" in prefix:
        return (TWO_SLASHES_MESSAGE,)
    if slash:
        if not prefix:
            found.append("prefix part must be non-empty")
        else:
            found.extend(f"prefix part {problem}" for problem in dns_subdomain(prefix))
    if not name:
        found.append("name part must be non-empty")
    elif size(name) > LABEL_LENGTH:
        found.append(f"name part {max_length(LABEL_LENGTH)}")
    if not _qualified(name):
        found.append(f"name part {QUALIFIED_MESSAGE}")
    return tuple(found)


@remembered(8192)
def label_value(text: str) -> Problems:
    """The value of a label."""
    found = (max_length(LABEL_LENGTH),) if size(text) > LABEL_LENGTH else ()
    return found if _label_value(text) else (*found, LABEL_VALUE_MESSAGE)


@remembered(1024)
def config_map_key(text: str) -> Problems:
    """A key of a ConfigMap or Secret: a plain file name."""
    found = list(_checked(text, SUBDOMAIN_LENGTH, _config_key(text) is not None, CONFIG_KEY_MESSAGE))
    if text in (".", ".."):
        found.append(f"must not be '{text}'")
    elif text.startswith(".."):
        found.append("must not start with '..'")
    return tuple(found)


@remembered(2048)
def env_var_name(text: str) -> Problems:
    """The name of an environment variable: any printable ASCII but ``=``."""
    if not text:
        return (f"environment variable name {EMPTY}",)
    return () if all(" " <= c <= "~" and c != "=" for c in text) else (ENV_NAME_MESSAGE,)


def c_identifier(text: str) -> Problems:
    """An identifier as in C."""
    return () if _c_identifier(text) else (C_IDENTIFIER_MESSAGE,)


def http_header_name(text: str) -> Problems:
    """The name of an HTTP header."""
    return () if _header_name(text) else (HEADER_NAME_MESSAGE,)


def percent(text: str) -> Problems:
    """``25%``."""
    return () if _percent(text) and len(text) <= 20 else (PERCENT_MESSAGE,)  # as a number it has 64 bits


@remembered(1024)
def port_name(text: str) -> Problems:
    """An IANA service name, as container ports have (RFC 6335)."""
    found: list[str] = []
    if size(text) > PORT_NAME_LENGTH:
        found.append(max_length(PORT_NAME_LENGTH))
    if not text or not all(c in "abcdefghijklmnopqrstuvwxyz0123456789-" for c in text):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not any("a" <= c <= "z" for c in text):
        found.append("must contain at least one letter or number (a-z, 0-9)")
    if "--" in text:
        found.append("must not contain consecutive hyphens")
    if text and (text[0] == "-" or text[-1] == "-"):
        found.append("must not begin or end with a hyphen")
    return tuple(found)


def port_number(number: int) -> Problems:
    """A TCP or UDP port."""
    return () if 1 <= number <= 65535 else (in_range(1, 65535),)


def in_range(low: int, high: int) -> str:
    """The explanation of a number outside ``low`` to ``high``."""
    return f"must be between {low} and {high}, inclusive"


def process_path(text: str) -> Problems:
    """What follows the domain in ``example.com/path``."""
    return () if _process_path(text) else (DOMAIN_PATH_MESSAGE,)


def path_segment(text: str, is_prefix: bool = False) -> Problems:
    """Anything that can stand between two slashes of a URL: what names of RBAC objects and custom ones may be."""
    if not is_prefix and text in (".", ".."):
        return (f"may not be '{text}'",)
    return tuple(f"may not contain '{illegal}'" for illegal in ("/", "%") if illegal in text)


def rbac_name(text: str, is_prefix: bool = False) -> Problems:
    """Names of RBAC objects; a prefix is held to what a whole name is."""
    return path_segment(text)


def _trimmed(name: str, is_prefix: bool) -> str:
    """A trailing dash of a prefix is followed by a random suffix; up to v1.20, what is before it was not looked at."""
    return f"{name[:-2]}a" if is_prefix and len(name) > 1 and name.endswith("-") else name


def label_name(name: str, is_prefix: bool = False) -> Problems:
    """Name rule: RFC 1123 label (namespaces)."""
    return dns_label(_trimmed(name, is_prefix))


def label_1035_name(name: str, is_prefix: bool = False) -> Problems:
    """Name rule: RFC 1035 label (services)."""
    return dns_1035_label(_trimmed(name, is_prefix))


def subdomain_name(name: str, is_prefix: bool = False) -> Problems:
    """Name rule: RFC 1123 subdomain, the usual one."""
    return dns_subdomain(_trimmed(name, is_prefix))
