"""Ratcheting: what an update leaves as it was may stay wrong."""

from __future__ import annotations

from typing import Any

from kube_lite.resources.structural.problems import Path, Schema, canonical, key_of, mapping, steps


def same(new: Any, old: Any, schema: Schema) -> bool:
    """Whether a value is what it was before; items of lists with keys may have changed places."""
    if new == old and canonical(new) == canonical(old):
        return True
    if isinstance(new, dict) and isinstance(old, dict):
        return new.keys() == old.keys() and all(same(new[name], old[name], _field(schema, name)) for name in new)
    if not (isinstance(new, list) and isinstance(old, list)) or schema.get("x-kubernetes-list-type") != "map":
        return False
    identify, items = key_of(schema), mapping(schema.get("items"))
    if identify is None or len(new) != len(old):
        return False
    known = {identify(item): item for item in old}
    return all((name := identify(item)) in known and same(item, known[name], items) for item in new)


def _field(schema: Schema, name: str) -> Schema:
    return mapping(mapping(schema.get("properties")).get(name) or schema.get("additionalProperties"))


def unchanged(at: Path, schema: Schema, new: Any, old: Any) -> bool:
    """Whether the value at a path, or one around it, was the same before; items are told apart by their keys.

    apiVersion and kind are always looked at: both objects are of the same version by now.
    """
    path = steps(at)
    if path[:1] in (["apiVersion"], ["kind"]):
        return False
    node: Schema = schema
    for step in path:
        if same(new, old, node):
            return True
        if isinstance(step, int):
            identify = key_of(node) if node.get("x-kubernetes-list-type") == "map" else None
            if identify is None or not isinstance(old, list) or not isinstance(new, list):
                return False
            new = new[step]
            wanted = identify(new)
            found = [item for item in old if identify(item) == wanted]
            if len(found) != 1:
                return False
            old, node = found[0], mapping(node.get("items"))
        else:
            if not isinstance(new, dict) or not isinstance(old, dict) or step not in old or step not in new:
                return False
            new, old, node = new[step], old[step], _field(node, step)
    return same(new, old, node)
