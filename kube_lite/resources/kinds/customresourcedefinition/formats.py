"""Warnings of formats in schemas that no server checks: most are misspelt, and the values pass as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kube_lite.resources.field import show
from kube_lite.resources.formats import FORMATS
from kube_lite.resources.meta import Obj

SCHEMAS_BY_NAME: Final = ("properties", "patternProperties", "definitions", "dependencies")
_SCHEMAS: Final = ("items", "additionalProperties", "additionalItems", "not")
_LISTS_OF_SCHEMAS: Final = ("allOf", "anyOf", "oneOf")
_CHECKED: Final = frozenset(name.replace("-", "") for name in FORMATS)
_NOT_LOOKED_AT: Final = ("integer", "number", None)
"""Types whose formats say how wide numbers are, and schemas without one."""


def below(schema: Obj) -> list[Obj]:
    """The schemas right inside a schema."""
    found = [value for key in SCHEMAS_BY_NAME if isinstance(schema.get(key), dict) for value in schema[key].values()]
    found += [schema.get(key) for key in _SCHEMAS]
    found += [value for key in _LISTS_OF_SCHEMAS if isinstance(schema.get(key), list) for value in schema[key]]
    return [value for value in found if isinstance(value, dict)]


def _unchecked(schema: Obj) -> Iterator[str]:
    """Formats that mean nothing where they stand; only texts have some that are checked."""
    name, kind = schema.get("format"), schema.get("type")
    if name and kind not in _NOT_LOOKED_AT and not (kind == "string" and name.replace("-", "") in _CHECKED):
        yield name
    for inner in below(schema):
        yield from _unchecked(inner)


def _unchecked_of(obj: Obj) -> dict[str, None]:
    """Those of all versions, each once, in their order."""
    versions = (obj.get("spec") or {}).get("versions") or ()
    schemas = ((version.get("schema") or {}).get("openAPIV3Schema") or {} for version in versions)
    return dict.fromkeys(name for schema in schemas for name in _unchecked(schema))


def format_warnings(new: Obj, old: Obj | None) -> list[str]:
    """Of formats that the definition did not have before."""
    known = {} if old is None else _unchecked_of(old)
    return [f"unrecognized format {show(name)}" for name in _unchecked_of(new) if name not in known]
