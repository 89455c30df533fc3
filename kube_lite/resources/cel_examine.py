"""What can be said of an expression before it runs: that it compiles, what it gives, what it may cost.

``examine`` is for those who store expressions; the texts are the causes that clients see. Whoever evaluates one
later compiles it by ``cel``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from kube_lite.resources import cel, cel_cost
from kube_lite.resources.cel_check import check
from kube_lite.resources.cel_parse import ParseError, located, parse
from kube_lite.resources.cel_types import DYN, CelType

FAILED: Final = "compilation failed: "


@dataclass(frozen=True, slots=True)
class Examined:
    """``problem`` is empty where the expression compiles; then ``cost`` is the most it takes."""

    problem: str
    type: CelType = DYN
    cost: int = 0


def examine(source: str, scope: Mapping[str, CelType]) -> Examined:
    """An expression over variables of these types."""
    try:
        root = parse(source)
    except ParseError as error:
        return Examined(FAILED + (cel.syntax_problem(source) or located(source, error.offset, str(error))))
    checked = check(source, root, scope)
    if checked.messages:
        return Examined(FAILED + "\n".join(checked.messages))
    try:
        cel.compile(source)
    except cel.CelError as error:
        return Examined(str(error))
    return Examined("", checked.type, cel_cost.estimate(checked))


def gives(found: Examined, wanted: Iterable[CelType]) -> bool:
    """Whether an expression's type is one of those wanted; what is not known before it runs is none."""
    return any(found.type == one for one in wanted)
