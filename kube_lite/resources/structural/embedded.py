"""Resources embedded in custom resources (``x-kubernetes-embedded-resource``): they say what they are.

Their apiVersion, kind and metadata are checked like those of every object (apiextensions-apiserver
``objectmeta.Validate``); the name may be any path segment, since it is not known what the kind demands of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kube_lite.resources import names
from kube_lite.resources.field import Errors, child, invalid, required
from kube_lite.resources.metadata import validate_metadata
from kube_lite.resources.structural.problems import Schema
from kube_lite.resources.structural.walk import Walk, compile_walk


def compile_embedded(schema: Schema) -> Walk | None:
    """The check of all resources embedded in objects of a schema; None when there are none."""
    return compile_walk(schema, lambda node: _resource if node.get("x-kubernetes-embedded-resource") else None)


def _resource(value: Any, path: str) -> Errors:
    return validate_resource(value, path) if isinstance(value, dict) else []


def validate_resource(obj: Mapping[str, Any], path: str) -> Errors:
    """What is wrong with what an object says of itself."""
    found: Errors = []
    for name in ("apiVersion", "kind"):
        at = child(path, name)
        if name not in obj:
            found.append(required(at, "must not be empty"))
        elif not isinstance(obj[name], str):
            found.append(invalid(at, obj[name], "must be a string"))
        elif not obj[name]:
            found.append(invalid(at, "", "must not be empty"))
        else:
            found += _api_version(obj[name], at) if name == "apiVersion" else _kind(obj[name], at)
    meta = obj.get("metadata")
    if isinstance(meta, Mapping):
        named = {"name": "fakename", **{name: value for name, value in meta.items() if value != ""}}
        found += validate_metadata(
            named,
            namespaced=bool(meta.get("namespace")),
            rule=names.path_segment,
            path=child(path, "metadata"),
            builtin=False,
        )
    return found


def _api_version(text: str, at: str) -> Errors:
    if text.count("/") > 1:
        return [invalid(at, text, f"unexpected GroupVersion string: {text}")]
    return []


def _kind(text: str, at: str) -> Errors:
    problems = names.dns_1035_label(text.lower())
    told = "may have mixed case, but should otherwise match: " + ",".join(problems)
    return [invalid(at, text, told)] if problems else []
