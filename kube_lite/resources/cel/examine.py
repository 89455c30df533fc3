"""What can be said of an expression before it runs: that it compiles, what it gives, what it may cost.

``examine`` is for those who store expressions; the texts are the causes that clients see. Whoever evaluates one
later compiles it by ``program``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from kube_lite.resources.cel import program
from kube_lite.resources.cel.check import check
from kube_lite.resources.cel.cost import estimate
from kube_lite.resources.cel.parse import TOO_DEEP, ParseError, located, parse
from kube_lite.resources.cel.types import DYN, CelType

FAILED: Final = "compilation failed: "


class Examined(msgspec.Struct, frozen=True):
    """``problem`` is empty where the expression compiles; then ``cost`` is the most it takes."""

    problem: str
    type: CelType = DYN
    cost: int = 0


def examine(source: str, scope: Mapping[str, CelType]) -> Examined:
    """An expression over variables of these types."""
    try:
        return _examined(source, scope)
    except RecursionError:
        return Examined(FAILED + TOO_DEEP)


def _examined(source: str, scope: Mapping[str, CelType]) -> Examined:
    try:
        root = parse(source)
    except ParseError as error:
        return Examined(FAILED + (program.syntax_problem(source) or located(source, error.offset, str(error))))
    checked = check(source, root, scope)
    if checked.messages:
        return Examined(FAILED + "\n".join(checked.messages))
    try:
        program.compile(source)
    except program.CelError as error:
        return Examined(str(error))
    return Examined("", checked.type, estimate(checked))
