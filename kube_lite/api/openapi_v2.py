"""OpenAPI v2 ("swagger"), as JSON and as the protobuf that kubectl up to 1.28 insists on.

The protobuf is gnostic's ``openapi.v2.Document``; the numbers below are those of its ``OpenAPIv2.proto``
(github.com/google/gnostic). Extensions travel as YAML text, of which JSON is a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kube_lite.api.openapi_operations import GVK, REASONS, Operation, Parameter
from kube_lite.api.protobuf_wire import field, number, text
from kube_lite.api.swagger import Part, fitted, operations_of

MEDIA_TYPES: Final = (
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    "application/x-protobuf",
)
PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"

Schema = dict[str, Any]


def schema_v2(schema: Mapping[str, Any]) -> Schema:
    """A v3 schema in the words of v2, which has no choices and no null.

    kubectl up to 1.24 validates by it, and refuses what a type does not name. So where null or unknown fields are
    let in (only in custom resources), all that it could hold against them is left out, as upstream's server does.
    """
    if schema.get(PRESERVE) and GVK in schema:
        return {"type": "object", GVK: schema[GVK]}
    made: Schema = {}
    untyped = bool(schema.get("nullable"))
    left_out = {"oneOf", "anyOf", "allOf", "not", "nullable", "default"}
    if untyped or schema.get(PRESERVE):
        left_out |= {"properties", "items"}
    for key, value in schema.items():
        if key == "allOf" and len(value) == 1 and "$ref" in value[0]:
            made["$ref"] = _definition(value[0]["$ref"])
        elif key == "$ref":
            made["$ref"] = _definition(value)
        elif key in left_out:
            continue
        elif key == "properties":
            made[key] = {name: schema_v2(sub) for name, sub in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, Mapping):
            made[key] = schema_v2(value)
        else:
            made[key] = value
    if untyped or (made.get("type") == "array" and "items" not in made) or (schema.get(PRESERVE) and "type" in made):
        made.pop("type", None)
    elif "oneOf" in schema and "type" not in made and not schema.get("x-kubernetes-int-or-string"):
        made["type"] = "string"  # a built-in Quantity or IntOrString
    _require(made, schema)
    return made


def _require(made: Schema, schema: Mapping[str, Any]) -> None:
    """Require only what can never be null."""
    below = schema.get("properties") or {}
    required = [name for name in made.pop("required", ()) if not (below.get(name) or {}).get("nullable")]
    additional = schema.get("additionalProperties")
    if required and not (isinstance(additional, Mapping) and additional.get("nullable")):
        made["required"] = required


def _definition(reference: str) -> str:
    return "#/definitions/" + reference.rpartition("/")[2]


def _answer_schema(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"} if name else {"type": "string"}


# ---- JSON


def _parameter(parameter: Parameter) -> Schema:
    shown: Schema = {"uniqueItems": True, "type": parameter.type, "description": parameter.description}
    shown |= {"name": parameter.name, "in": parameter.place}
    if parameter.place == "path":
        shown["required"] = True
    return shown


def _operation(operation: Operation) -> Schema:
    shown: Schema = {
        "description": operation.description,
        "consumes": list(operation.consumes),
        "produces": list(operation.produces),
        "schemes": ["https"],
        "tags": [operation.tag],
        "operationId": operation.id,
    }
    parameters = [_parameter(p) for p in operation.query]
    if operation.body:
        body: Schema = {"name": "body", "in": "body", "schema": {"$ref": f"#/definitions/{operation.body}"}}
        if operation.method != "delete":
            body["required"] = True
        parameters.insert(0, body)
    if parameters:
        shown["parameters"] = parameters
    shown["responses"] = {
        **{
            str(code): {"description": REASONS[code], "schema": _answer_schema(name)}
            for code, name in operation.answers
        },
        "401": {"description": "Unauthorized"},
    }
    return shown | operation.extensions


def json_document(
    info: Mapping[str, str],
    found: Iterable[Operation],
    schemas: Mapping[str, Schema],
    security: Mapping[str, Any],
    elsewhere: Iterable[Part] = (),
) -> bytes:
    """The whole document as JSON.

    :param elsewhere: what other servers answer for
    """
    paths: dict[str, Schema] = {}
    for operation in found:
        item = paths.setdefault(operation.path, {})
        item[operation.method] = _operation(operation)
        if operation.path_parameters:
            item.setdefault("parameters", [_parameter(p) for p in operation.path_parameters])
    definitions = {name: schema_v2(schema) for name, schema in schemas.items()}
    for part in elsewhere:
        fitting = fitted(part, definitions)
        paths = {**fitting.paths, **paths}
        definitions |= fitting.definitions
    return msgspec.json.encode(
        {
            "swagger": "2.0",
            "info": info,
            "paths": dict(sorted(paths.items())),
            "definitions": definitions,
            "securityDefinitions": security,
            "security": [{name: [] for name in security}],
        }
    )


# ---- protobuf


def _any(value: Any) -> bytes:
    """``Any{yaml}``."""
    return text(2, msgspec.json.encode(value).decode() + "\n")


def _named(name: str, value: bytes) -> bytes:
    """``NamedX{name, value}``."""
    return text(1, name) + field(2, value)


def _extensions(at: int, values: Mapping[str, Any]) -> bytes:
    return b"".join(field(at, _named(key, _any(value))) for key, value in values.items() if key.startswith("x-"))


def _schema(schema: Mapping[str, Any]) -> bytes:
    """``Schema`` of a v2 schema."""
    parts = [
        text(1, schema.get("$ref", "")),
        text(2, schema.get("format", "")),
        text(4, schema.get("description", "")),
    ]
    for at, key in ((11, "maxLength"), (12, "minLength"), (14, "maxItems"), (15, "minItems")):
        parts.append(number(at, schema.get(key) or 0))
    parts.append(text(13, schema.get("pattern", "")))
    parts += [text(19, name) for name in schema.get("required", ())]
    parts += [field(20, _any(value)) for value in schema.get("enum", ())]
    additional = schema.get("additionalProperties")
    if isinstance(additional, Mapping):
        parts.append(field(21, field(1, _schema(additional))))
    elif additional:
        parts.append(field(21, number(2, 1)))
    if schema.get("type"):
        parts.append(field(22, text(1, schema["type"])))
    if isinstance(schema.get("items"), Mapping):
        parts.append(field(23, field(1, _schema(schema["items"]))))
    properties = schema.get("properties")
    if properties:
        parts.append(field(25, _named_schemas(properties)))
    parts.append(_extensions(31, schema))
    return b"".join(parts)


def _named_schemas(schemas: Mapping[str, Mapping[str, Any]]) -> bytes:
    return b"".join(field(1, _named(name, _schema(schema))) for name, schema in schemas.items())


def _simple_parameter(parameter: Parameter) -> bytes:
    """``ParametersItem`` of a query or path parameter."""
    head = number(1, parameter.place == "path") + text(2, parameter.place)
    head += text(3, parameter.description) + text(4, parameter.name)
    if parameter.place == "path":
        inner = field(4, head + text(5, parameter.type) + number(19, 1))
    else:
        inner = field(3, head + text(6, parameter.type) + number(20, 1))
    return field(1, field(2, inner))


def _body_parameter(operation: Operation) -> bytes:
    body = text(2, "body") + text(3, "body") + number(4, operation.method != "delete")
    body += field(5, _schema({"$ref": f"#/definitions/{operation.body}"}))
    return field(1, field(1, body))


def _operation_message(operation: Operation) -> bytes:
    parts = [text(1, operation.tag), text(3, operation.description), text(5, operation.id)]
    parts += [text(6, media) for media in operation.produces]
    parts += [text(7, media) for media in operation.consumes]
    if operation.body:
        parts.append(field(8, _body_parameter(operation)))
    parts += [field(8, _simple_parameter(p)) for p in operation.query]
    responses = b""
    for code, name in operation.answers:
        response = text(1, REASONS[code]) + field(2, field(1, _schema(_answer_schema(name))))
        responses += field(1, _named(str(code), field(1, response)))
    responses += field(1, _named("401", field(1, text(1, "Unauthorized"))))
    parts += [field(9, responses), text(10, "https")]
    parts.append(_extensions(13, operation.extensions))
    return b"".join(parts)


_METHODS: Final = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}


def _path_item(found: Sequence[Operation]) -> bytes:
    parts = [field(_METHODS[operation.method], _operation_message(operation)) for operation in found]
    parts += [field(9, _simple_parameter(p)) for p in found[0].path_parameters]
    return b"".join(parts)


def protobuf(
    info: Mapping[str, str],
    found: Iterable[Operation],
    schemas: Mapping[str, Schema],
    security: Mapping[str, Any],
    elsewhere: Iterable[Part] = (),
) -> bytes:
    """The whole document as ``openapi.v2.Document``."""
    by_path: dict[str, list[Operation]] = {}
    for operation in found:
        by_path.setdefault(operation.path, []).append(operation)
    definitions = {name: schema_v2(schema) for name, schema in schemas.items()}
    own = set(by_path)
    for part in elsewhere:
        fitting = fitted(part, definitions)
        definitions |= fitting.definitions
        for operation in operations_of(fitting):
            if operation.path not in own:
                by_path.setdefault(operation.path, []).append(operation)
    paths = b"".join(field(2, _named(path, _path_item(by_path[path]))) for path in sorted(by_path))
    return b"".join(
        (
            text(1, "2.0"),
            field(2, text(1, info["title"]) + text(2, info["version"])),
            field(8, paths),
            field(9, _named_schemas(definitions)),
        )
    )
