"""Field selectors: conditions on the few fields of a kind that it offers for them.

Grammar, canonical text and messages are those of upstream's ``apimachinery/pkg/fields`` (v1.36). Parsing is cached by
text, as that of label selectors is (``selectors``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from kube_lite.resources.remembered import remembered
from kube_lite.resources.selectors import EQUALS, NOT_EQUALS, SelectorError, check_length


class FieldRequirement(msgspec.Struct, frozen=True):
    """One condition on one field; ``operator`` is ``=`` or ``!=``."""

    field: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{escape(self.value)}"


class FieldSelector(msgspec.Struct, frozen=True):
    """A field selector; which fields a kind has is the caller's business."""

    requirements: tuple[FieldRequirement, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether everything matches."""
        return not self.requirements

    @property
    def fields(self) -> list[str]:
        """The fields it names, to be checked against what the kind supports."""
        return [r.field for r in self.requirements]

    def exact(self, name: str) -> str | None:
        """The value that field ``name`` must have, or None when it may have several."""
        return next((r.value for r in self.requirements if r.field == name and r.operator == EQUALS), None)

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Whether an object with ``fields`` is selected; a missing field is ''."""
        return all((fields.get(r.field, "") == r.value) == (r.operator == EQUALS) for r in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


def escape(value: str) -> str:
    """A field value with the selector's own characters escaped."""
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def unescape(value: str) -> str:
    """The value that :func:`escape` was given. :raises SelectorError: a stray or unknown escape"""
    if not any(c in value for c in "\\,="):
        return value
    plain, characters = [], iter(value)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "")
            if not escaped or escaped not in "\\,=":
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{escaped}")
            plain.append(escaped)
        elif character in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(character)}")
        else:
            plain.append(character)
    return "".join(plain)


_FIELD_TERM = re.compile(r"(?:[^\\,]|\\.|\\$)+", re.DOTALL)
_FIELD_OPERATOR = re.compile(r"!=|==|=")


@remembered(4096)
def parse(text: str) -> FieldSelector:
    """The field selector that a query parameter stands for; '' selects everything.

    :raises SelectorError: with upstream's message
    """
    check_length(text)
    requirements = []
    for term in sorted(_FIELD_TERM.findall(text)):
        operator = _FIELD_OPERATOR.search(term)
        if operator is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
        sign = NOT_EQUALS if operator[0] == NOT_EQUALS else EQUALS
        field, value = term[: operator.start()], unescape(term[operator.end() :])
        if field or value:  # a bare operator asks for nothing
            requirements.append(FieldRequirement(field, sign, value))
    return FieldSelector(tuple(requirements))
