"""The structure of a schema: what every node outside anyOf, oneOf, allOf and not has to say.

Pruning and defaulting read this part alone, so it must be complete: a type at every node, and every field that is
mentioned inside anyOf and the like mentioned outside of it as well. Inside them only values are restricted.
Messages and their order are those of ``apiextensions-apiserver`` (``ValidateStructural``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kube_lite.errors import FieldError
from kube_lite.resources.field import Errors, child, forbidden, index, invalid, key, required
from kube_lite.resources.regexes import RegexError, go_regex
from kube_lite.resources.structural.problems import Schema, mapping

_FALSE, _UNDEFINED, _EMPTY = (f"must be {what} to be structural" for what in ("false", "undefined", "empty"))
_NOT_NESTED: Final = {
    "type": _EMPTY,
    "additionalProperties": _UNDEFINED,
    "default": _UNDEFINED,
    "title": _EMPTY,
    "description": _EMPTY,
    "nullable": _FALSE,
    "x-kubernetes-preserve-unknown-fields": _FALSE,
    "x-kubernetes-embedded-resource": _FALSE,
    "x-kubernetes-int-or-string": _FALSE,
    "x-kubernetes-list-map-keys": _EMPTY,
    "x-kubernetes-list-type": _UNDEFINED,
    "x-kubernetes-map-type": _UNDEFINED,
    "x-kubernetes-validations": _EMPTY,
}
"""What stands only where a schema says which fields there are, and how that is told."""
_EITHER: Final = [{"type": "integer"}, {"type": "string"}]
"""How authors spell out x-kubernetes-int-or-string, which is let pass."""
_ROOT, _ITEM, _FIELD = "at the root", "for specified array items", "for specified object fields"
_IMPLICIT: Final = "must not specify anything other than name and generateName, but metadata is implicitly specified"


def validate_structure(schema: Schema, path: str) -> Errors:
    """What keeps a schema from being structural, in the order of the messages."""
    found = [*_node(schema, path, _ROOT), *_complete(schema, schema, path, path)]
    return sorted(found, key=str)


def _node(schema: Schema, path: str, level: str) -> Iterator[FieldError]:
    items, additional = schema.get("items"), schema.get("additionalProperties")
    kind, embedded = schema.get("type", ""), bool(schema.get("x-kubernetes-embedded-resource"))
    if kind == "array" and not isinstance(items, Mapping):
        yield required(child(path, "items"), "must be specified")
    if isinstance(items, Mapping):
        yield from _node(items, child(path, "items"), _ITEM)
    for name, sub in mapping(schema.get("properties")).items():
        yield from _node(sub, key(child(path, "properties"), name), _FIELD)
    if additional is not None:
        if level == _ROOT:
            yield forbidden(child(path, "additionalProperties"), "must not be used at the root")
        if isinstance(additional, Mapping):
            yield from _node(additional, child(path, "additionalProperties"), _FIELD)
        if embedded:
            detail = "must not be used if x-kubernetes-embedded-resource is set"
            yield forbidden(child(path, "additionalProperties"), detail)
    yield from _type(schema, path, level)
    if level == _ROOT or embedded:
        yield from _identity(schema, path)
    if level == _ROOT and not _leaves_metadata(mapping(schema.get("properties")).get("metadata")):
        yield forbidden(key(child(path, "properties"), "metadata"), _IMPLICIT)
    if embedded and not schema.get("x-kubernetes-preserve-unknown-fields") and not schema.get("properties"):
        detail = (
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        )
        yield required(child(path, "properties"), detail)
    yield from _values(schema, path, (schema.get("anyOf") == _EITHER, _first_any_of(schema) == _EITHER))


def _first_any_of(schema: Schema) -> Any:
    return ((schema.get("allOf") or [{}])[0]).get("anyOf")


def _type(schema: Schema, path: str, level: str) -> Iterator[FieldError]:
    kind, at = schema.get("type", ""), child(path, "type")
    either = bool(schema.get("x-kubernetes-int-or-string"))
    for extension in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
        if either and schema.get(extension):
            yield invalid(child(path, extension), True, "must be false if x-kubernetes-int-or-string is true")
    if schema.get("x-kubernetes-embedded-resource") and kind != "object":
        detail = "must be object if x-kubernetes-embedded-resource is true"
        yield invalid(at, kind, detail) if kind else required(at, detail)
    elif not kind and not either and not schema.get("x-kubernetes-preserve-unknown-fields"):
        yield required(at, f"must not be empty {level}")
    if level == _ROOT and kind not in ("", "object"):
        yield invalid(at, kind, "must be object at the root")


def _identity(schema: Schema, path: str) -> Iterator[FieldError]:
    """Every object has these three, and they are what they are."""
    properties = mapping(schema.get("properties"))
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        given = properties[name].get("type", "") if name in properties else wanted
        if given != wanted:
            at = child(key(child(path, "properties"), name), "type")
            yield invalid(at, given, f"must be {wanted}")


def _leaves_metadata(schema: Any) -> bool:
    """Whether a schema restricts at most the names in an object's metadata."""
    if schema is None:
        return True
    said = {name for name, value in schema.items() if value not in (None, "", False, [], {})}
    if mapping(schema.get("properties")).keys() <= {"name", "generateName"}:
        said.discard("properties")
    return said <= {"type", "default", "externalDocs", "example"}


def _values(schema: Schema, path: str, skip: tuple[bool, bool]) -> Iterator[FieldError]:
    """The parts that restrict values; ``skip`` says whether anyOf, and that of the first allOf, spell out a choice."""
    for name in ("anyOf", "allOf", "oneOf"):
        for i, part in enumerate(schema.get(name) or ()):
            if name != "anyOf" or not skip[0]:
                yield from _nested(part, index(child(path, name), i), name == "allOf" and i == 0 and skip[1])
    if schema.get("not") is not None:
        yield from _nested(schema["not"], child(path, "not"))
    pattern = schema.get("pattern")
    if pattern:
        try:
            go_regex(pattern)
        except RegexError as error:
            detail = f"must be a valid regular expression, but isn't: {error}"
            yield invalid(child(path, "pattern"), pattern, detail)


def _nested(schema: Schema, path: str, spelled_out: bool = False) -> Iterator[FieldError]:
    yield from _values(schema, path, (spelled_out, False))
    if isinstance(schema.get("items"), Mapping):
        yield from _nested(schema["items"], child(path, "items"))
    for name, sub in mapping(schema.get("properties")).items():
        yield from _nested(sub, key(child(path, "properties"), name))
    for name, detail in _NOT_NESTED.items():
        value = schema.get(name)
        if value or (value is not None and detail is _UNDEFINED):
            yield forbidden(child(path, name), detail)
    if "metadata" in mapping(schema.get("properties")):
        detail = "must not be specified in a nested context"
        yield forbidden(key(child(path, "properties"), "metadata"), detail)


def _complete(schema: Schema, outer: Schema | None, path: str, outer_path: str) -> Iterator[FieldError]:
    """What the value restrictions of ``schema`` name and ``outer``, the structure at the same place, does not."""
    for name in ("allOf", "anyOf", "oneOf"):
        for i, part in enumerate(schema.get(name) or ()):
            yield from _complete_nested(part, outer, index(child(path, name), i), outer_path)
    if schema.get("not") is not None:
        yield from _complete_nested(schema["not"], outer, child(path, "not"), outer_path)


def _complete_nested(schema: Schema, outer: Schema | None, path: str, outer_path: str) -> Iterator[FieldError]:
    if outer is None:
        yield required(outer_path, f"because it is defined in {path}")
        return
    yield from _complete(schema, outer, path, outer_path)
    if isinstance(schema.get("items"), Mapping):
        items = outer.get("items")
        below = items if isinstance(items, Mapping) else None
        yield from _complete_nested(schema["items"], below, child(path, "items"), child(outer_path, "items"))
    known = mapping(outer.get("properties"))
    for name, sub in mapping(schema.get("properties")).items():
        places = key(child(path, "properties"), name), key(child(outer_path, "properties"), name)
        yield from _complete_nested(sub, known.get(name), *places)
