"""What expressions may call: every function and operator of Kubernetes' CEL, with the types it takes and gives.

One line an overload: ``name``, then the types in brackets, before them the receiver's for methods, then the result.
Single capitals stand for any type that is the same wherever the letter is.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import Final

import msgspec

from kube_lite.resources.cel.types import CelType, read

_OPERATORS: Final = """
!_ (bool) bool
-_ (int) int
-_ (double) double
-_ (duration) duration
_==_ (A, A) bool
_!=_ (A, A) bool
@in (A, list(A)) bool
@in (A, map(A, B)) bool
_[_] (list(A), int) A
_[_] (map(A, B), A) B
_[?_] (list(A), int) optional_type(A)
_[?_] (map(A, B), A) optional_type(B)
_[?_] (optional_type(list(A)), int) optional_type(A)
_[?_] (optional_type(map(A, B)), A) optional_type(B)
_[_] (optional_type(list(A)), int) optional_type(A)
_[_] (optional_type(map(A, B)), A) optional_type(B)
_&&_ (bool, bool) bool
_||_ (bool, bool) bool
_+_ (int, int) int
_+_ (uint, uint) uint
_+_ (double, double) double
_+_ (string, string) string
_+_ (bytes, bytes) bytes
_+_ (list(A), list(A)) list(A)
_+_ (timestamp, duration) timestamp
_+_ (duration, timestamp) timestamp
_+_ (duration, duration) duration
_-_ (int, int) int
_-_ (uint, uint) uint
_-_ (double, double) double
_-_ (timestamp, timestamp) duration
_-_ (timestamp, duration) timestamp
_-_ (duration, duration) duration
_*_ (int, int) int
_*_ (uint, uint) uint
_*_ (double, double) double
_/_ (int, int) int
_/_ (uint, uint) uint
_/_ (double, double) double
_%_ (int, int) int
_%_ (uint, uint) uint
"""
_ORDERED: Final = ("bool", "string", "bytes", "timestamp", "duration", "int", "uint", "double")
_STANDARD: Final = """
size (string) int
size (bytes) int
size (list(A)) int
size (map(A, B)) int
size string() int
size bytes() int
size list(A)() int
size map(A, B)() int
contains string(string) bool
startsWith string(string) bool
endsWith string(string) bool
matches (string, string) bool
matches string(string) bool
type (A) type(A)
dyn (A) dyn
timestamp (string) timestamp
timestamp (int) timestamp
timestamp (timestamp) timestamp
duration (string) duration
duration (duration) duration
duration (int) duration
bytes (string) bytes
bytes (bytes) bytes
bool (bool) bool
bool (string) bool
double (double) double
double (int) double
double (uint) double
double (string) double
int (int) int
int (uint) int
int (double) int
int (string) int
int (timestamp) int
int (duration) int
uint (uint) uint
uint (int) uint
uint (double) uint
uint (string) uint
string (string) string
string (bool) string
string (int) string
string (uint) string
string (double) string
string (bytes) string
string (timestamp) string
string (duration) string
string (kubernetes.URL) string
string (net.IP) string
string (net.CIDR) string
optional.of (A) optional_type(A)
optional.none () optional_type(A)
optional.ofNonZeroValue (A) optional_type(A)
hasValue optional_type(A)() bool
value optional_type(A)() A
orValue optional_type(A)(A) A
or optional_type(A)(optional_type(A)) optional_type(A)
"""
_TIME_PARTS: Final = (
    *("getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth", "getDate", "getDayOfWeek"),
    *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
)
_DURATION_PARTS: Final = ("getHours", "getMinutes", "getSeconds", "getMilliseconds")
_STRINGS: Final = """
charAt string(int) string
indexOf string(string) int
indexOf string(string, int) int
lastIndexOf string(string) int
lastIndexOf string(string, int) int
join list(string)() string
join list(string)(string) string
lowerAscii string() string
upperAscii string() string
replace string(string, string) string
replace string(string, string, int) string
split string(string) list(string)
split string(string, int) list(string)
substring string(int) string
substring string(int, int) string
trim string() string
format string(list(dyn)) string
strings.quote (string) string
reverse string() string
find string(string) string
findAll string(string) list(string)
findAll string(string, int) list(string)
"""
_LISTS: Final = """
isSorted list(A)() bool
sum list(A)() A
min list(A)() A
max list(A)() A
indexOf list(A)(A) int
lastIndexOf list(A)(A) int
slice list(A)(int, int) list(A)
distinct list(A)() list(A)
flatten list(A)() list(dyn)
flatten list(A)(int) list(dyn)
reverse list(A)() list(A)
sort list(A)() list(A)
first list(A)() optional_type(A)
last list(A)() optional_type(A)
lists.range (int) list(int)
sets.contains (list(A), list(A)) bool
sets.equivalent (list(A), list(A)) bool
sets.intersects (list(A), list(A)) bool
"""
_KUBERNETES: Final = """
url (string) kubernetes.URL
isURL (string) bool
getScheme kubernetes.URL() string
getHost kubernetes.URL() string
getHostname kubernetes.URL() string
getPort kubernetes.URL() string
getEscapedPath kubernetes.URL() string
getQuery kubernetes.URL() map(string, list(string))
quantity (string) kubernetes.Quantity
isQuantity (string) bool
isInteger kubernetes.Quantity() bool
asInteger kubernetes.Quantity() int
asApproximateFloat kubernetes.Quantity() double
sign kubernetes.Quantity() int
add kubernetes.Quantity(kubernetes.Quantity) kubernetes.Quantity
add kubernetes.Quantity(int) kubernetes.Quantity
sub kubernetes.Quantity(kubernetes.Quantity) kubernetes.Quantity
sub kubernetes.Quantity(int) kubernetes.Quantity
isGreaterThan kubernetes.Quantity(kubernetes.Quantity) bool
isLessThan kubernetes.Quantity(kubernetes.Quantity) bool
compareTo kubernetes.Quantity(kubernetes.Quantity) int
ip (string) net.IP
isIP (string) bool
ip.isCanonical (string) bool
family net.IP() int
isUnspecified net.IP() bool
isLoopback net.IP() bool
isLinkLocalMulticast net.IP() bool
isLinkLocalUnicast net.IP() bool
isGlobalUnicast net.IP() bool
cidr (string) net.CIDR
isCIDR (string) bool
containsIP net.CIDR(net.IP) bool
containsIP net.CIDR(string) bool
containsCIDR net.CIDR(net.CIDR) bool
containsCIDR net.CIDR(string) bool
ip net.CIDR() net.IP
masked net.CIDR() net.CIDR
prefixLength net.CIDR() int
semver (string) kubernetes.Semver
semver (string, bool) kubernetes.Semver
isSemver (string) bool
isSemver (string, bool) bool
major kubernetes.Semver() int
minor kubernetes.Semver() int
patch kubernetes.Semver() int
isGreaterThan kubernetes.Semver(kubernetes.Semver) bool
isLessThan kubernetes.Semver(kubernetes.Semver) bool
compareTo kubernetes.Semver(kubernetes.Semver) int
format.named (string) optional_type(kubernetes.NamedFormat)
validate kubernetes.NamedFormat(string) optional_type(list(string))
jsonpatch.escapeKey (string) string
"""
_FORMATS: Final = (
    *("dns1123Label", "dns1123Subdomain", "dns1035Label", "qualifiedName", "labelValue"),
    *("dns1123LabelPrefix", "dns1123SubdomainPrefix", "dns1035LabelPrefix"),
    *("uri", "uuid", "byte", "date", "datetime"),
)
_AUTHORIZER: Final = """
path kubernetes.authorization.Authorizer(string) kubernetes.authorization.PathCheck
check kubernetes.authorization.PathCheck(string) kubernetes.authorization.Decision
group kubernetes.authorization.Authorizer(string) kubernetes.authorization.GroupCheck
serviceAccount kubernetes.authorization.Authorizer(string, string) kubernetes.authorization.Authorizer
resource kubernetes.authorization.GroupCheck(string) kubernetes.authorization.ResourceCheck
subresource kubernetes.authorization.ResourceCheck(string) kubernetes.authorization.ResourceCheck
namespace kubernetes.authorization.ResourceCheck(string) kubernetes.authorization.ResourceCheck
name kubernetes.authorization.ResourceCheck(string) kubernetes.authorization.ResourceCheck
fieldSelector kubernetes.authorization.ResourceCheck(string) kubernetes.authorization.ResourceCheck
labelSelector kubernetes.authorization.ResourceCheck(string) kubernetes.authorization.ResourceCheck
check kubernetes.authorization.ResourceCheck(string) kubernetes.authorization.Decision
allowed kubernetes.authorization.Decision() bool
reason kubernetes.authorization.Decision() string
errored kubernetes.authorization.Decision() bool
error kubernetes.authorization.Decision() string
"""

MACROS: Final = frozenset(
    {"all", "exists", "exists_one", "existsOne", "filter", "map", "sortBy", "optMap", "optFlatMap"}
    | {"transformList", "transformMap", "transformMapEntry"}
)
"""Methods whose first argument names a variable."""

NAMESPACES: Final = frozenset({"optional", "sets", "strings", "lists", "format", "ip", "jsonpatch", "cel"})
"""Names that qualify functions."""


class Overload(msgspec.Struct, frozen=True):
    """One form of a function; ``args`` begin with the receiver where it is a method."""

    method: bool
    args: tuple[CelType, ...]
    result: CelType


def _arguments(text: str) -> tuple[CelType, ...]:
    return read(f"f({text})").params if text.strip() else ()


def _split(line: str) -> tuple[str, str, str, str]:
    """Name, receiver, arguments and result of a line."""
    name, _, rest = line.partition(" ")
    depth, end = 0, len(rest)
    for position in range(len(rest) - 1, -1, -1):  # the result follows the last bracket at depth 0 before a space
        depth += (rest[position] == ")") - (rest[position] == "(")
        if rest[position] == " " and not depth:
            end = position
            break
    head, result = rest[:end], rest[end + 1 :]
    depth = 0
    for position in range(len(head) - 1, -1, -1):
        depth += (head[position] == ")") - (head[position] == "(")
        if not depth:
            return name, head[:position], head[position + 1 : -1], result
    raise ValueError(line)


@cache
def overloads() -> dict[str, tuple[Overload, ...]]:
    """The overloads of every function by its name."""
    lines = [*_OPERATORS.splitlines(), *_STANDARD.splitlines(), *_STRINGS.splitlines(), *_LISTS.splitlines()]
    lines += [*_KUBERNETES.splitlines(), *_AUTHORIZER.splitlines()]
    lines += [f"{op} ({t}, {t}) bool" for op in ("_<_", "_<=_", "_>_", "_>=_") for t in _ORDERED]
    lines += [f"{name} timestamp() int" for name in _TIME_PARTS] + [
        f"{name} timestamp(string) int" for name in _TIME_PARTS
    ]
    lines += [f"{name} duration() int" for name in _DURATION_PARTS]
    lines += [f"format.{name} () kubernetes.NamedFormat" for name in _FORMATS]
    numbers = ("int", "uint", "double")  # comparisons may cross number types
    pairs = [(a, b) for a in numbers for b in numbers if a != b]
    lines += [f"{op} ({a}, {b}) bool" for op in ("_<_", "_<=_", "_>_", "_>=_") for a, b in pairs]
    found: dict[str, list[Overload]] = defaultdict(list)
    for line in filter(None, lines):
        name, receiver, args, result = _split(line)
        types = _arguments(args)
        if receiver:
            types = (read(receiver), *types)
        found[name].append(Overload(bool(receiver), types, read(result)))
    return {name: tuple(forms) for name, forms in found.items()}
