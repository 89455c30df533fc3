"""The parts of an OpenAPI v2 document that other servers answer for: cut out of theirs, and put into ours.

As kube-aggregator does it: of a server's document only the paths of its own group and version count, with the
definitions that they need. A definition that both documents have, and not the same, gets ``_v2`` behind its name.
A server that has no OpenAPI v3 gets a document made from its v2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from typing import Any, Final

import msgspec

from kube_lite.api.openapi_operations import ACTION, GVK, Operation, Parameter, references

Schema = dict[str, Any]

_V2: Final = "#/definitions/"
_V3: Final = "#/components/schemas/"
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch")


class Part(msgspec.Struct, frozen=True):
    """What one server says of one group and version, in the words of v2."""

    paths: Mapping[str, Schema]
    definitions: Mapping[str, Schema]
    digest: str


def part_of(document: Any, group: str, version: str) -> Part | None:
    """The part of a server's document that is about its own version; None if there is none."""
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        return None
    root = f"/apis/{group}/{version}"
    paths = {
        path: item
        for path, item in document["paths"].items()
        if (path == root or path.startswith(root + "/")) and isinstance(item, dict)
    }
    known = document.get("definitions")
    definitions: dict[str, Schema] = {}
    wanted = set(references(paths))
    if isinstance(known, dict):
        wanted |= {name for name, schema in known.items() if _is_of(schema, group, version)}
        while wanted:
            name = wanted.pop()
            if name not in definitions and isinstance(known.get(name), dict):
                definitions[name] = known[name]
                wanted |= set(references(known[name]))
    if not paths and not definitions:
        return None
    digest = hashlib.sha256(msgspec.json.encode([paths, definitions], order="sorted")).hexdigest()
    return Part(paths, definitions, digest)


def _is_of(schema: Any, group: str, version: str) -> bool:
    kinds = schema.get(GVK) if isinstance(schema, dict) else None
    return isinstance(kinds, list) and any(
        isinstance(kind, dict) and (kind.get("group"), kind.get("version")) == (group, version) for kind in kinds
    )


def _rewritten(value: Any, names: Mapping[str, str], prefix: str) -> Any:
    """A copy whose references are ``prefix`` and the name that ``names`` has for theirs."""
    if isinstance(value, dict):
        return {
            key: prefix + names.get(inner.rpartition("/")[2], inner.rpartition("/")[2])
            if key == "$ref" and isinstance(inner, str)
            else _rewritten(inner, names, prefix)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_rewritten(inner, names, prefix) for inner in value]
    return value


def fitted(part: Part, definitions: Mapping[str, Schema]) -> Part:
    """The part as it can stand beside ``definitions``: those it shares left out, others of their names renamed."""
    shared = {name for name, schema in part.definitions.items() if definitions.get(name) == schema}
    names = {name: _free(name, definitions) for name in part.definitions if name in definitions and name not in shared}
    kept = {
        names.get(name, name): _rewritten(schema, names, _V2)
        for name, schema in part.definitions.items()
        if name not in shared
    }
    paths = _rewritten(dict(part.paths), names, _V2) if names else part.paths
    return Part(paths, kept, part.digest)


def _free(name: str, taken: Container[str]) -> str:
    number = 2
    while f"{name}_v{number}" in taken:
        number += 1
    return f"{name}_v{number}"


# ---- as operations, for the protobuf form


def operations_of(part: Part) -> list[Operation]:
    """The methods of the paths; what makes no sense is left out."""
    return [
        _operation(method, path, item[method], item.get("parameters"))
        for path, item in part.paths.items()
        for method in _METHODS
        if isinstance(item.get(method), dict)
    ]


def _operation(method: str, path: str, told: Schema, common: Any) -> Operation:
    parameters = [p for p in (*_list(told.get("parameters")), *_list(common)) if isinstance(p, dict)]
    body = next((p.get("schema") for p in parameters if p.get("in") == "body"), None)
    responses = told.get("responses")
    answers = {
        int(code): _name((answer or {}).get("schema"))
        for code, answer in (responses.items() if isinstance(responses, dict) else ())
        if str(code) in ("200", "201", "202")
    }
    kind = told.get(GVK)
    gvk = kind if isinstance(kind, dict) else {}
    return Operation(
        method=method,
        path=path,
        id=_text(told.get("operationId")),
        tag=_text(next(iter(_list(told.get("tags"))), "")),
        description=_text(told.get("description")),
        action=_text(told.get(ACTION)),
        gvk=(_text(gvk.get("group")), _text(gvk.get("version")), _text(gvk.get("kind"))),
        path_parameters=_scalars(parameters, "path"),
        query=_scalars(parameters, "query"),
        answers=tuple(sorted(answers.items())),
        body=_name(body),
        consumes=tuple(_text(media) for media in _list(told.get("consumes"))),
        produces=tuple(_text(media) for media in _list(told.get("produces"))),
    )


def _scalars(parameters: list[Schema], place: str) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(_text(p.get("name")), _text(p.get("description")), _text(p.get("type")) or "string", place)
        for p in parameters
        if p.get("in") == place
    )


def _name(schema: Any) -> str:
    return next(references(schema), "")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


# ---- as OpenAPI v3


def v3_document(part: Part, info: Mapping[str, Any]) -> Schema:
    """A document of OpenAPI v3 that says the same."""
    return {
        "openapi": "3.0.0",
        "info": dict(info),
        "paths": {path: _item(item) for path, item in sorted(part.paths.items())},
        "components": {
            "schemas": {name: _rewritten(schema, {}, _V3) for name, schema in sorted(part.definitions.items())}
        },
    }


def _item(item: Schema) -> Schema:
    made: Schema = {method: _method(item[method]) for method in _METHODS if isinstance(item.get(method), dict)}
    common = [p for p in _list(item.get("parameters")) if isinstance(p, dict) and p.get("in") != "body"]
    if common:
        made["parameters"] = [_parameter(p) for p in common]
    return made


def _parameter(told: Schema) -> Schema:
    outer: Schema = {key: told[key] for key in ("name", "in", "description", "required") if key in told}
    inner = {key: told[key] for key in ("type", "format", "items", "uniqueItems") if key in told}
    return {**outer, "schema": inner}


def _method(told: Schema) -> Schema:
    made = {
        key: value
        for key, value in told.items()
        if key in ("tags", "description", "operationId", "deprecated") or key.startswith("x-")
    }
    parameters = [p for p in _list(told.get("parameters")) if isinstance(p, dict)]
    if plain := [_parameter(p) for p in parameters if p.get("in") != "body"]:
        made["parameters"] = plain
    body = next((p for p in parameters if p.get("in") == "body"), None)
    if body is not None:
        schema = _rewritten(body.get("schema"), {}, _V3)
        content = {media: {"schema": schema} for media in _list(told.get("consumes")) or ["*/*"]}
        made["requestBody"] = {"content": content, "required": bool(body.get("required"))}
    made["responses"] = {}
    responses = told.get("responses")
    for code, answer in responses.items() if isinstance(responses, dict) else ():
        shown: Schema = {"description": _text((answer or {}).get("description"))}
        if isinstance(answer, dict) and isinstance(answer.get("schema"), dict):
            schema = _rewritten(answer["schema"], {}, _V3)
            shown["content"] = {media: {"schema": schema} for media in _list(told.get("produces"))}
        made["responses"][code] = shown
    return made
