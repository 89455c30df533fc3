"""What expressions see of built-in kinds: their types, made of the compiled definitions."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kube_lite.resources import schema
from kube_lite.resources.cel.types import BOOL, BYTES, DOUBLE, DYN, INT, STRING, TIMESTAMP, CelType, list_of, map_of
from kube_lite.resources.schema import Type

_SCALARS: Final = {
    schema.STRING: STRING,
    schema.INTEGER: INT,
    schema.NUMBER: DOUBLE,
    schema.BOOLEAN: BOOL,
    schema.BYTES: BYTES,
    schema.TIME: TIMESTAMP,
    schema.MICRO_TIME: TIMESTAMP,
}
_made: dict[str, CelType] = {}


def of_type(type_: Type) -> CelType:
    """The type of a definition's values; quantities and the like are of any type."""
    if type_.kind == schema.LIST and type_.item is not None:
        return list_of(of_type(type_.item))
    if type_.kind == schema.MAP and type_.item is not None:
        return map_of(STRING, of_type(type_.item))
    if type_.kind == schema.OBJECT and type_.fields:
        return _object(type_)
    return _SCALARS.get(type_.kind, DYN)


def _object(type_: Type) -> CelType:
    known = _made.get(type_.definition)
    if known is None:
        fields: dict[str, CelType] = {}
        known = replace(CelType("object", least=2), fields=fields)
        if type_.definition:
            _made[type_.definition] = known  # before its fields: definitions contain themselves
        fields |= {name: of_type(field.type) for name, field in type_.fields.items()}
    return known
