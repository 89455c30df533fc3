"""Versions of a CustomResourceDefinition as Go prints them in messages."""

from __future__ import annotations

from kube_lite.resources.field import GoLiteral, show
from kube_lite.resources.meta import Obj

_GO = "apiextensions.CustomResourceDefinitionVersion"
HOISTED = ("schema", "subresources", "additionalPrinterColumns")
"""What upstream's internal form keeps once when all versions share it, and so does not print with each."""


def _go_pointer(value: object, go_type: str) -> str:
    return f"(*{go_type})(nil)" if value is None else f"(*{go_type})(0xc000000000)"


def _go_columns(columns: list[Obj] | None) -> str:
    name = "[]apiextensions.CustomResourceColumnDefinition"
    if columns is None:
        return f"{name}(nil)"
    parts = (("Name", "name"), ("Type", "type"), ("Format", "format"), ("Description", "description"))
    shown = [
        "{"
        + "".join(f"{go}:{show(c.get(key, ''))}, " for go, key in parts)
        + f"Priority:{c.get('priority') or 0}, JSONPath:{show(c.get('jsonPath', ''))}"
        + "}"
        for c in columns
    ]
    return f"{name}{{{', '.join(name.removeprefix('[]') + one for one in shown)}}}"


def go_version(version: Obj, versions: list[Obj]) -> GoLiteral:
    """A version as Go prints v1.20's internal form of it."""
    own = {part: None if is_shared(versions, part) else version.get(part) for part in HOISTED}
    schema, subresources = (_go_pointer(own[part], f"apiextensions.CustomResource{name}") for part, name in _POINTERS)
    flags = "".join(
        f", {name.capitalize()}:{str(bool(version.get(name))).lower()}" for name in ("served", "storage", "deprecated")
    )
    return GoLiteral(
        f"{_GO}{{Name:{show(version.get('name', ''))}{flags}, "
        f"DeprecationWarning:{_go_pointer(version.get('deprecationWarning'), 'string')}, Schema:{schema}, "
        f"Subresources:{subresources}, AdditionalPrinterColumns:{_go_columns(own['additionalPrinterColumns'])}}}"
    )


_POINTERS = (("schema", "Validation"), ("subresources", "Subresources"))


def go_versions(versions: list[Obj] | None) -> GoLiteral:
    """All versions, printed likewise."""
    if versions is None:
        return GoLiteral(f"[]{_GO}(nil)")
    return GoLiteral(f"[]{_GO}{{{', '.join(go_version(version, versions) for version in versions)}}}")


def is_shared(versions: list[Obj], part: str) -> bool:
    """Whether upstream's internal form holds this part once, so that messages name it without a version."""
    return all(version.get(part) == versions[0].get(part) for version in versions)
