"""Schemas of old CustomResourceDefinitions that keep unknown fields (``preserveUnknownFields: true``).

Such a schema only checks: it prunes nothing, and need not be structural. It is made structural here, so that the
rest needs no second way: objects whose type is left out get one, and every object keeps what it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEEP = "x-kubernetes-preserve-unknown-fields"


def keeping_unknown(schema: Mapping[str, Any], *, top: bool = True) -> dict[str, Any]:
    """A copy of ``schema`` that keeps unknown fields at every level."""
    made = dict(schema)
    if top and not made.get("type"):
        made["type"] = "object"
    properties, items = made.get("properties"), made.get("items")
    if properties and not made.get("type"):
        made["type"] = "object"
    if properties:
        made["properties"] = {name: keeping_unknown(sub, top=False) for name, sub in properties.items()}
    additional = made.get("additionalProperties")
    if isinstance(additional, Mapping):
        made["additionalProperties"] = keeping_unknown(additional, top=False)
    elif made.get("type") == "object" or not made.get("type"):
        made[KEEP] = True
    if isinstance(items, Mapping):
        made["items"] = keeping_unknown(items, top=False)
        made.pop(KEEP, None)
        made.setdefault("type", "array")
    return made
