"""OpenAPI documents of what is served: v3 per group and version, v2 for all, written when first asked for.

Schemas are the published definitions with their package's changes undone, so ``kubectl explain`` shows every
field's description; custom resources bring theirs. Paths come from the registry. A document's hash covers what
it is made from, so the root can name it without writing the document; the URL with a hash may be cached for ever.

    OpenAPI(registry, custom_schema).page(request) -> Response | None
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from kube_lite import KUBERNETES_VERSION, errors
from kube_lite.api import openapi_v2
from kube_lite.api.http import Request, Response, encode_json
from kube_lite.api.negotiate import clauses
from kube_lite.api.openapi_operations import (
    GVK,
    REASONS,
    Operation,
    Parameter,
    about_version,
    definition_of,
    list_definition_of,
    operations,
    overview,
    references,
)
from kube_lite.api.swagger import Part
from kube_lite.resources.registry import Registry, Resource
from kube_lite.resources.schema import META, definitions

JSON: Final = "application/json"
INFO: Final = {"title": "Kubernetes", "version": KUBERNETES_VERSION}
SECURITY: Final = {
    "BearerToken": {
        "type": "apiKey",
        "description": "Bearer Token authentication",
        "name": "authorization",
        "in": "header",
    }
}

CustomSchema = Callable[[Resource], Mapping[str, Any] | None]
"""The ``openAPIV3Schema`` of a custom resource's version."""

Schema = dict[str, Any]

_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING: Final = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"


SELECTABLE: Final = "x-kubernetes-selectable-fields"
"""Where a custom resource's document tells what field selectors may name."""


# ---- schemas


def component(name: str) -> Schema:
    """A built-in definition as OpenAPI v3 has it, with references to ``#/components/schemas``."""
    raw: Schema = msgspec.json.decode(definitions()[name])
    if name == _QUANTITY:
        return {"description": raw.get("description", ""), "oneOf": [{"type": "string"}, {"type": "number"}]}
    if name == _INT_OR_STRING:
        return {
            "description": raw.get("description", ""),
            "format": "int-or-string",
            "oneOf": [{"type": "integer"}, {"type": "string"}],
        }
    return _clean(raw)


def _clean(schema: Schema) -> Schema:
    """Undo what the package adds: nulls beside types, and enumerations of apiVersion and kind."""
    if "$ref" in schema:
        reference = {"$ref": "#/components/schemas/" + schema["$ref"].rpartition("/")[2]}
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return {"allOf": [reference], **beside} if beside else reference
    clean: Schema = {}
    for key, value in schema.items():
        if key == "enum":
            continue
        if key == "type" and isinstance(value, list):
            clean[key] = value[0]
        elif key == "properties":
            clean[key] = {name: _clean(sub) for name, sub in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            clean[key] = _clean(value)
        else:
            clean[key] = value
    return clean


def _custom_components(resource: Resource, schema: Mapping[str, Any] | None) -> dict[str, Schema]:
    """The schemas of a custom resource and of its list."""
    gvk = {"group": resource.group, "kind": resource.kind, "version": resource.version}
    shared = component("io.k8s.api.core.v1.ConfigMap")["properties"]
    standard = {name: shared[name] for name in ("apiVersion", "kind", "metadata")}
    # without a schema nothing may be told: clients would take it for all that there is
    one: Schema = {"type": "object", GVK: [gvk]}
    if schema is not None:
        whole = _with_embedded(schema, standard)
        one = {"type": "object", **whole, "properties": {**whole.get("properties", {}), **standard}, GVK: [gvk]}
    if resource.selectable_names:
        one[SELECTABLE] = [{"fieldPath": name} for name in resource.selectable_names]
    items = {"type": "array", "items": {"$ref": f"#/components/schemas/{definition_of(resource)}"}}
    many = {
        "description": f"{resource.list_kind_name} is a list of {resource.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": standard["apiVersion"],
            "kind": standard["kind"],
            "metadata": component("io.k8s.api.core.v1.ConfigMapList")["properties"]["metadata"],
            "items": items,
        },
        GVK: [{**gvk, "kind": resource.list_kind_name}],
    }
    return {definition_of(resource): one, list_definition_of(resource): many}


def _with_embedded(schema: Mapping[str, Any], standard: Mapping[str, Schema]) -> Schema:
    """A custom schema in which each embedded object has the fields that every object has."""
    made = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), Mapping):
            made[key] = _with_embedded(made[key], standard)
    if "properties" in made:
        made["properties"] = {name: _with_embedded(sub, standard) for name, sub in made["properties"].items()}
    if made.get("x-kubernetes-embedded-resource"):
        made["properties"] = {**made.get("properties", {}), **standard}
        required = list(made.get("required", ()))
        made["required"] = required + [name for name in ("kind", "apiVersion") if name not in required]
    return made


# ---- paths


def _parameter(parameter: Parameter) -> Schema:
    shown: Schema = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
    }
    if parameter.place == "path":
        shown["required"] = True
    shown["schema"] = {"type": parameter.type, "uniqueItems": True}
    return shown


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"} if name else {"type": "string"}


def _operation(operation: Operation) -> Schema:
    shown: Schema = {
        "tags": [operation.tag],
        "description": operation.description,
        "operationId": operation.id,
    }
    if operation.query:
        shown["parameters"] = [_parameter(p) for p in operation.query]
    if operation.body:
        content = {media: {"schema": _reference(operation.body)} for media in operation.consumes}
        shown["requestBody"] = {"content": content, "required": operation.method in ("post", "put", "patch")}
        if operation.method == "delete":
            del shown["requestBody"]["required"]
    responses: Schema = {}
    for code, answer in operation.answers:
        content = {media: {"schema": _reference(answer)} for media in operation.produces}
        responses[str(code)] = {"description": REASONS[code], "content": content}
    shown["responses"] = {**responses, "401": {"description": "Unauthorized"}}
    return shown | operation.extensions


def _paths(resources: list[Resource]) -> dict[str, Schema]:
    paths: dict[str, Schema] = {}
    found = (operation for resource in resources for operation in operations(resource))
    for operation in (about_version(resources[0].group, resources[0].version), *found):
        item = paths.setdefault(operation.path, {})
        item[operation.method] = _operation(operation)
        if operation.path_parameters:
            item.setdefault("parameters", [_parameter(p) for p in operation.path_parameters])
    return {path: paths[path] for path in sorted(paths)}


# ---- documents


class OpenAPI:
    """The documents of a registry; each is kept, with its hash, until what it is made from changes."""

    def __init__(self, registry: Registry, custom_schema: CustomSchema = lambda resource: None) -> None:
        self._registry = registry
        self._custom_schema = custom_schema
        self._documents: dict[tuple[str, str], tuple[str, bytes]] = {}
        self._v2: dict[str, tuple[str, bytes]] = {}
        self.elsewhere: tuple[Part, ...] = ()
        """What other servers answer for, put into the v2 document."""
        self.elsewhere_v3: Mapping[str, Any] = {}
        """Where their v3 documents are, put into the root."""

    def group_versions(self) -> dict[tuple[str, str], list[Resource]]:
        """What is served, by group and version."""
        found: dict[tuple[str, str], list[Resource]] = {}
        for resource in self._registry:
            found.setdefault((resource.group, resource.version), []).append(resource)
        return found

    def _hash(self, resources: list[Resource]) -> str:
        """What the document depends on, as an upper-case SHA-512 like upstream's."""
        made_of = [KUBERNETES_VERSION.encode()]
        for resource in sorted(resources, key=lambda r: (r.group, r.version, r.plural)):
            subs = ",".join(f"{s.name}:{'/'.join(s.verbs)}" for s in resource.subresources.values())
            line = f"{resource.path}/{resource.plural} {resource.kind} {resource.namespaced} {'/'.join(resource.verbs)}"
            made_of.append(f"{line} {resource.list_kind_name} {subs}".encode())
            if resource.custom:
                made_of.append(encode_json([self._custom_schema(resource), list(resource.selectable_names)]))
        return hashlib.sha512(b"\n".join(made_of)).hexdigest().upper()

    def root(self) -> bytes:
        """``/openapi/v3``: where each group and version has its document."""
        paths = {}
        for (group, version), resources in self.group_versions().items():
            name = f"apis/{group}/{version}" if group else f"api/{version}"
            paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={self._hash(resources)}"}
        return encode_json({"paths": dict(sorted({**paths, **self.elsewhere_v3}.items()))})

    def document(self, group: str, version: str) -> tuple[bytes, str] | None:
        """The v3 document of one group and version, and its hash; None when it is not served."""
        served = self.group_versions()
        resources = served.get((group, version))
        if resources is None:
            return None
        wanted = self._hash(resources)
        known = self._documents.get((group, version))
        if known is None or known[0] != wanted:
            known = (wanted, encode_json(self._build(resources)))
            # groups of definitions come and go
            kept = {name: document for name, document in self._documents.items() if name in served}
            self._documents = {**kept, (group, version): known}
        return known[1], wanted

    def _build(self, resources: list[Resource]) -> Schema:
        paths = _paths(resources)
        schemas = self._components(resources, set(references(paths)))
        return {
            "openapi": "3.0.0",
            "info": INFO,
            "paths": paths,
            "components": {"schemas": schemas, "securitySchemes": SECURITY},
        }

    def _components(self, resources: list[Resource], wanted: set[str]) -> dict[str, Schema]:
        """The schemas named, and all that they refer to."""
        schemas: dict[str, Schema] = {}
        for resource in resources:
            if resource.custom:
                schemas.update(_custom_components(resource, self._custom_schema(resource)))
        for schema in list(schemas.values()):
            wanted |= set(references(schema))
        wanted.add(META + "WatchEvent")
        known = definitions()
        while wanted:
            name = wanted.pop()
            if name not in schemas and name in known:
                schemas[name] = component(name)
                wanted |= set(references(schemas[name])) - schemas.keys()
        return {name: schemas[name] for name in sorted(schemas)}

    def v2(self, protobuf: bool) -> tuple[bytes, str]:
        """The v2 document of everything served, as JSON or as gnostic's protobuf, and its hash."""
        resources, elsewhere = list(self._registry), self.elsewhere
        wanted = self._hash(resources)
        if elsewhere:
            made_of = "".join([wanted, *(part.digest for part in elsewhere)])
            wanted = hashlib.sha512(made_of.encode()).hexdigest().upper()
        form = "protobuf" if protobuf else "json"
        known = self._v2.get(form)
        if known is None or known[0] != wanted:
            found = [operation for resource in resources for operation in operations(resource)]
            found += overview(self.group_versions())
            names = {o.body for o in found} | {answer for o in found for _, answer in o.answers}
            schemas = self._components(resources, names - {""})
            write = openapi_v2.protobuf if protobuf else openapi_v2.json_document
            known = (wanted, write(INFO, found, schemas, SECURITY, elsewhere))
            self._v2[form] = known
        return known[1], wanted

    # ---- HTTP

    def page(self, request: Request) -> Response | None:
        """The answer to a path below ``/openapi``; None for what is not ours. :raises NotAcceptable"""
        parts = [part for part in request.info.path.split("/") if part]
        if parts == ["openapi", "v2"]:
            return self._v2_page(request)
        if parts == ["openapi", "v3"]:
            return _answer(request, self.root(), JSON, "")
        if parts[:2] != ["openapi", "v3"]:
            return None
        where = parts[2:]
        if len(where) == 2 and where[0] == "api":
            found = self.document("", where[1])
        else:
            found = self.document(where[1], where[2]) if len(where) == 3 and where[0] == "apis" else None
        if found is None:
            return None
        body, digest = found
        if request.info.param("hash", digest) not in ("", digest):  # of another time: it may not be cached as that
            return Response(301, b"", JSON, {"Location": f"{request.info.path}?hash={digest}"})
        return _answer(request, body, JSON, digest)

    def _v2_page(self, request: Request) -> Response:
        for media, _ in clauses(request.header("accept") or "*/*"):
            if media in (JSON, "application/*", "*/*"):
                return _answer(request, *_typed(self.v2(False), JSON))
            if media in openapi_v2.MEDIA_TYPES:
                # "@" is no character of a media type: Go refuses to parse what it asked for
                return _answer(request, *_typed(self.v2(True), openapi_v2.MEDIA_TYPES[1]))
        raise errors.NotAcceptable(f"only the following media types are accepted: {JSON}, {openapi_v2.MEDIA_TYPES[0]}")


def _typed(found: tuple[bytes, str], media: str) -> tuple[bytes, str, str]:
    return found[0], media, found[1]


def _answer(request: Request, body: bytes, media: str, digest: str) -> Response:
    etag = f'"{digest or hashlib.sha512(body).hexdigest().upper()}"'
    response = Response(200, body, media)
    response.headers["ETag"] = etag
    response.headers["Vary"] = "Accept"
    asked = request.info.query.get("hash")
    if digest and asked and digest in asked:
        response.headers["Cache-Control"] = "public, immutable"
        response.headers["Expires"] = "Fri, 31 Dec 2100 23:59:59 GMT"
    else:
        response.headers["Cache-Control"] = "no-cache, private"
    if request.header("if-none-match") == etag:
        return Response(304, b"", media, response.headers)
    return response
