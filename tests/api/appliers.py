"""Objects, types and writers for the tests of applies."""

from __future__ import annotations

import copy
from typing import Any

from kube_lite.api.apply import Applied, Writer
from kube_lite.resources import schema
from kube_lite.resources.custom_schema import from_openapi
from kube_lite.resources.decode import complete, decode

CONFIG_MAP = schema.type_for("", "v1", "ConfigMap")
DEPLOYMENT = schema.type_for("apps", "v1", "Deployment")
POD = schema.type_for("", "v1", "Pod")
WIDGET = from_openapi(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer"},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "items": {"type": "array", "items": {"type": "string"}},
                    "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    "map": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["k"],
                        "items": {
                            "type": "object",
                            "properties": {"k": {"type": "string"}, "v": {"type": "string"}},
                        },
                    },
                },
            }
        },
    }
)

Obj = dict[str, Any]


def writer(manager: str, second: int = 0, version: str = "v1", **more: Any) -> Writer:
    return Writer(manager, version, f"2026-01-01T00:00:{second:02d}Z", **more)


def config_map(data: Obj | None = None, **metadata: Any) -> Obj:
    obj: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", **metadata}}
    if data is not None:
        obj["data"] = data
    return obj


def stored(type_: schema.Type, outcome: Applied) -> Obj:
    """What the server keeps after an apply."""
    obj = decode(type_, copy.deepcopy(outcome.obj)).obj
    complete(type_, obj)
    if outcome.entries:
        obj["metadata"]["managedFields"] = outcome.entries
    return obj


def owners(obj: Obj) -> dict[str, Obj]:
    return {f"{e['manager']}/{e['operation']}": e["fieldsV1"] for e in obj["metadata"].get("managedFields", [])}


def with_entries(obj: Obj, entries: list[Obj]) -> Obj:
    result = copy.deepcopy(obj)
    result["metadata"]["managedFields"] = entries
    return result
