"""Ratcheting: what an update leaves as it was may stay wrong."""

from __future__ import annotations

from typing import Any

from kube_lite.resources.structural.problems import Path, Schema, canonical, key_of, mapping, steps


def unchanged(at: Path, schema: Schema, new: Any, old: Any) -> bool:
    """Whether the value at a path was the same before; list items are told apart by their keys."""
    node: Schema = schema
    for step in steps(at):
        if isinstance(step, int):
            if new == old:
                return True
            identify = key_of(node) if node.get("x-kubernetes-list-type") == "map" else None
            if identify is None or not isinstance(old, list) or not isinstance(new, list):
                return False
            new = new[step]
            wanted = identify(new)
            same = [item for item in old if identify(item) == wanted]
            if len(same) != 1:
                return False
            old = same[0]
            node = mapping(node.get("items"))
        else:
            if not isinstance(new, dict) or not isinstance(old, dict) or step not in old or step not in new:
                return False
            new, old = new[step], old[step]
            properties = mapping(node.get("properties"))
            node = mapping(properties.get(step) or node.get("additionalProperties"))
    return bool(new == old) and canonical(new) == canonical(old)
