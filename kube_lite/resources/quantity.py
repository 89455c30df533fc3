"""Resource quantities (``500m``, ``1.5Gi``): exact arithmetic and upstream's canonical text.

A quantity is a whole number of nano-units and the family of its suffix. Python's integers are unbounded, so
nothing here rounds but what upstream rounds: anything finer than a nano is rounded away from zero, and binary
quantities stop at 2**63-1. Grammar, messages and canonical form are those of upstream's
``k8s.io/apimachinery/pkg/api/resource``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from kube_lite.resources.remembered import remembered

NANO = 10**9
"""Nano-units in one unit."""

MAX_INT64 = 2**63 - 1

MAX_EXPONENT = 9999
"""Largest power of ten taken after ``e``; bounds the work that a hostile text can cause."""

FORMAT_MESSAGE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
NUMERIC_MESSAGE = "unable to parse numeric part of quantity"
SUFFIX_MESSAGE = "unable to parse quantity's suffix"

_PARTS = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_EXPONENT = re.compile(r"[eE][+-]?[0-9]+")
_DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_NAMES = {exponent: suffix for suffix, exponent in _DECIMAL_SUFFIXES.items()}
_BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_BINARY_NAMES = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]


class Format(StrEnum):
    """The families of suffixes; a quantity keeps the one it was written in."""

    DECIMAL_SI = "DecimalSI"
    BINARY_SI = "BinarySI"
    DECIMAL_EXPONENT = "DecimalExponent"


def _divide_away_from_zero(amount: int, divisor: int) -> int:
    return -(-amount // divisor) if amount >= 0 else amount // divisor


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """An exact amount; compared by amount alone, so ``1`` equals ``1000m``.

    ``text`` is the spelling to keep where upstream keeps it, else empty and worked out by ``str``.
    """

    nanos: int
    format: Format = field(default=Format.DECIMAL_SI, compare=False)
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text or _canonical_text(self.nanos, self.format)

    def __add__(self, other: Quantity) -> Quantity:
        """The sum, in this quantity's format, or the other's when this one is zero."""
        return Quantity(self.nanos + other.nanos, self.format if self.nanos else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        """The difference, in this quantity's format, or the other's when this one is zero."""
        return Quantity(self.nanos - other.nanos, self.format if self.nanos else other.format)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nanos, self.format)

    def __bool__(self) -> bool:
        return self.nanos != 0

    @property
    def milli(self) -> int:
        """Thousandths, rounded away from zero."""
        return _divide_away_from_zero(self.nanos, NANO // 1000)

    @property
    def value(self) -> int:
        """Whole units, rounded away from zero."""
        return _divide_away_from_zero(self.nanos, NANO)


def _interpret(suffix: str) -> tuple[int, int, Format]:
    """Base, exponent and family of a suffix. :raises ValueError: there is no such suffix"""
    if (exponent := _DECIMAL_SUFFIXES.get(suffix)) is not None:
        return 10, exponent, Format.DECIMAL_SI
    if (exponent := _BINARY_SUFFIXES.get(suffix)) is not None:
        return 2, exponent, Format.BINARY_SI
    if _EXPONENT.fullmatch(suffix) and len(suffix) <= 8 and abs(int(suffix[1:])) <= MAX_EXPONENT:
        return 10, int(suffix[1:]), Format.DECIMAL_EXPONENT
    raise ValueError(SUFFIX_MESSAGE)


def _kept_text(text: str, whole: str, fraction: str, exponent: int, family: Format) -> str:
    """``text`` where upstream hands out the spelling it was given, else ''.

    Upstream keeps a spelling that its fast path could read without arithmetic and that looks canonical; that
    test lets some others through (``1.500``), which clients then see unchanged, so it is repeated here.
    """
    digits = whole + fraction
    if family is Format.BINARY_SI:
        fits = 15 - len(whole) - int(exponent * 3 / 10) - 1 >= 0
        return text if not fraction and fits and int(whole) % 8 else ""
    scale = exponent - len(fraction)
    canonical = scale % 3 == 0 and scale >= -9 and len(digits) <= 18
    return text if canonical and not digits.endswith("000") and digits[0] != "0" else ""


@remembered(8192)
def _parse_text(text: str) -> Quantity:
    parts = _PARTS.fullmatch(text)
    if not text or parts is None:
        raise ValueError(FORMAT_MESSAGE)
    sign, whole, fraction, suffix = parts[1], parts[2].lstrip("0") or "0", parts[3] or "", parts[4]
    base, exponent, family = _interpret(suffix)
    if len(whole) + len(fraction) > MAX_EXPONENT:
        raise ValueError(NUMERIC_MESSAGE)
    amount, divisor = int(whole + fraction), 10 ** len(fraction)
    if base == 2:
        amount <<= exponent
    elif exponent >= 0:
        amount *= 10**exponent
    else:
        divisor *= 10**-exponent
    nanos = _divide_away_from_zero(amount * NANO, divisor)
    if family is Format.BINARY_SI:
        nanos = min(nanos, MAX_INT64 * NANO)
        if 0 < nanos < NANO:
            family = Format.DECIMAL_SI
    kept = _kept_text(text, whole, fraction, exponent, family) if nanos else ""
    return Quantity(-nanos if sign == "-" else nanos, family, kept)


def parse(text: str | int | float) -> Quantity:
    """The quantity that a JSON string or number stands for.

    :raises ValueError: it is none, with upstream's message
    """
    return _parse_text(text.strip() if isinstance(text, str) else repr(text))


def _canonical_text(nanos: int, family: Format) -> str:
    if nanos == 0:
        return "0"
    # Small and fractional binary amounts are written in decimal so that nothing is lost.
    if family is Format.BINARY_SI and abs(nanos) >= 1024 * NANO and nanos % NANO == 0:
        number, power = nanos // NANO, 0
        while number % 1024 == 0 and power < len(_BINARY_NAMES) - 1:
            number, power = number // 1024, power + 1
        return f"{number}{_BINARY_NAMES[power]}"
    number, exponent = nanos, -9
    largest = MAX_EXPONENT if family is Format.DECIMAL_EXPONENT else 18
    while number % 1000 == 0 and exponent < largest:
        number, exponent = number // 1000, exponent + 3
    if family is Format.DECIMAL_EXPONENT:
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{_DECIMAL_NAMES[exponent]}"


@remembered(8192)
def _canonical_cached(text: str) -> str:
    return str(_parse_text(text))


def canonical(text: str | int | float) -> str:
    """The text that the API answers with: ``0.5`` as ``500m``. :raises ValueError: not a quantity"""
    return _canonical_cached(text.strip() if isinstance(text, str) else repr(text))


@remembered(8192)
def milli(text: str) -> int:
    """Thousandths, rounded up: milli-CPU of a cpu quantity. :raises ValueError: not a quantity"""
    return parse(text).milli


@remembered(8192)
def value(text: str) -> int:
    """Whole units, rounded up: bytes of a memory quantity. :raises ValueError: not a quantity"""
    return parse(text).value
