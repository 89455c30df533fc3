"""Say what the fields of a kind mean, from the server's own OpenAPI document.

kube-lite explain pod
kube-lite explain deploy.spec.strategy
kube-lite explain svc.spec --recursive                # names and types of everything below
kube-lite explain hpa --api-version=autoscaling/v1
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError, api_error
from kube_lite.cli.names import Kind
from kube_lite.cli.targets import Kinds

HELP = "say what fields mean"

WIDTH = 76
"""Columns of a description, beside its indentation, as kubectl wraps it."""
SHORT_ENUM = 4
"""Values that are shown of an enumeration in a list of fields."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite explain``."""
    add = parser.add_argument
    add("what", nargs="*", metavar="TYPE.FIELD", help="pod, deploy.spec.strategy")
    add("--recursive", action="store_true", help="names and types of all fields below, without descriptions")
    add("--api-version", default="", metavar="GROUP/VERSION", help="default: the preferred one")
    add_connection_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print."""
    if not args.what:
        raise CommandError(
            'You must specify the type of resource to explain. Use "kube-lite api-resources" for a complete list of '
            "supported resources."
        )
    if len(args.what) > 1:
        raise CommandError("We accept only this format: explain RESOURCE")
    api = open_api(args)
    word, _, path = args.what[0].rstrip(".").partition(".")
    kind = _kind(Kinds(api), word, args.api_version)
    schemas = _schemas(api, kind)
    for line in _Explanation(schemas, kind, [p for p in path.split(".") if p]).lines(args.recursive):
        print(line)
    return 0


def _kind(kinds: Kinds, word: str, api_version: str) -> Kind:
    kind = kinds.named(word)
    if not api_version or kind.api_version == api_version:
        return kind
    found = next((k for k in kinds.served() if k.plural == kind.plural and k.api_version == api_version), None)
    if found is None:
        raise CommandError(f'couldn\'t find resource for "{api_version}, Resource={kind.plural}"')
    return found


def _schemas(api: Api, kind: Kind) -> dict[str, Obj]:
    """The document of a group and version. :raises CommandError: the server has none"""
    root = "apis" if kind.group else "api"
    try:
        document = api.get(f"/openapi/v3/{root}/{kind.api_version}")
    except api_error() as error:
        raise CommandError(f"couldn't find resource for {kind.api_version}: {error}") from error
    found: dict[str, Obj] = (document.get("components") or {}).get("schemas") or {}
    return found


class _Explanation:
    """A field of a kind, or the kind itself."""

    def __init__(self, schemas: dict[str, Obj], kind: Kind, path: list[str]) -> None:
        self._schemas = schemas
        self._kind = kind
        self._path = path
        self._field: Obj = self._of_kind()
        self._missing = ""
        for name in path:
            inside = self._inside(self._field)
            properties = inside.get("properties") or {}
            if name not in properties:
                self._missing = name
                return
            self._field = properties[name]

    def _of_kind(self) -> Obj:
        wanted = {"group": self._kind.group, "version": self._kind.version, "kind": self._kind.kind}
        for schema in self._schemas.values():
            if wanted in (schema.get("x-kubernetes-group-version-kind") or ()):
                return schema
        raise CommandError(f"the server's OpenAPI document does not describe {self._kind.kind}")

    def lines(self, recursive: bool) -> Iterator[str]:
        """The page. :raises CommandError: there is no such field"""
        if self._kind.group:
            yield f"GROUP:      {self._kind.group}"
        yield f"KIND:       {self._kind.kind}"
        yield f"VERSION:    {self._kind.version}"
        yield ""
        if self._missing:
            raise CommandError(f'field "{self._missing}" does not exist')
        if self._path:
            yield f"FIELD: {self._path[-1]} <{self._type(self._field)}>"
            if values := self._resolved(self._field).get("enum"):
                yield "ENUM:"
                yield from (f"    {shown(value)}" for value in values)
            else:
                yield ""
            yield ""
        yield "DESCRIPTION:"
        for text in self._descriptions(self._field) or ["<empty>"]:
            yield from _wrapped(text)
        yield "    "
        inside = self._inside(self._field)
        if inside.get("properties"):
            yield "FIELDS:"
            yield from self._fields(inside, 1, recursive, (_reference(_innermost(self._field)),))
        if not recursive or not inside.get("properties"):
            yield ""

    def _fields(self, schema: Obj, level: int, recursive: bool, above: tuple[str, ...]) -> Iterator[str]:
        required = schema.get("required") or ()
        for at, (name, field) in enumerate(sorted((schema.get("properties") or {}).items())):
            if at and not recursive:
                yield ""
            indent = "  " * level
            yield f"{indent}{name}\t<{self._type(field)}>" + (" -required-" if name in required else "")
            if values := self._resolved(field).get("enum"):
                few = ", ".join(map(shown, values[:SHORT_ENUM])) + (", ...." if len(values) > SHORT_ENUM else "")
                yield f"{indent}enum: {few}"
            if not recursive:
                yield from _wrapped(str(field.get("description") or "").strip() or "<no description>")
                continue
            name = _reference(_innermost(field))
            if name not in above:  # JSONSchemaProps has fields of its own type
                below = (*above, name) if name else above
                yield from self._fields(self._inside(field), level + 1, True, below)

    def _resolved(self, schema: Obj) -> Obj:
        """The type behind a reference, else the schema itself."""
        name = _reference(schema)
        return self._schemas.get(name, {}) if name else schema

    def _inside(self, schema: Obj) -> Obj:
        """The object whose fields a path goes on with: through references, lists and maps."""
        schema = self._resolved(schema)
        if schema.get("items"):
            return self._inside(schema["items"])
        below = schema.get("additionalProperties")
        return self._inside(below) if isinstance(below, dict) else schema

    def _descriptions(self, schema: Obj) -> list[str]:
        """Of the field, then of its type."""
        found = [str(schema.get("description") or "").strip()]
        below = schema
        while below.get("items"):
            below = below["items"]
        if name := _reference(below):
            found.append(str(self._schemas.get(name, {}).get("description") or "").strip())
        return [text for text in dict.fromkeys(found) if text]

    def _type(self, schema: Obj) -> str:
        if name := _reference(schema):
            behind = self._schemas.get(name, {})
            return "string" if behind.get("format") == "date-time" else name.rpartition(".")[2]
        if schema.get("items"):
            return f"[]{self._type(schema['items'])}"
        if isinstance(schema.get("additionalProperties"), dict):
            return f"map[string]{self._type(schema['additionalProperties'])}"
        return str(schema.get("type") or "Object").replace("object", "Object")


def shown(value: object) -> str:
    """A value of an enumeration; an empty one in quotes."""
    return str(value) if value != "" else '""'


def _reference(schema: Obj) -> str:
    """The name of the type that a schema refers to; empty if it is a type itself."""
    found = schema.get("$ref") or ""
    every: list[Obj] = schema.get("allOf") or []
    if not found and len(every) == 1:
        found = every[0].get("$ref") or ""
    return str(found).rpartition("/")[2]


def _innermost(schema: Obj) -> Obj:
    """What a list, or a map, or a list of maps, is of in the end."""
    while schema.get("items") or isinstance(schema.get("additionalProperties"), dict):
        schema = schema.get("items") or schema["additionalProperties"]
    return schema


def _wrapped(text: str) -> Iterator[str]:
    import textwrap

    for line in text.splitlines():
        yield from (
            f"    {part}" for part in textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
        )
