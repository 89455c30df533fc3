"""What another server says that it serves, in the form of our own discovery documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def aggregated_resources(group: str, version: str, listed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ``resources`` of aggregated discovery, from an APIResourceList; what makes no sense is left out."""
    found: dict[str, dict[str, Any]] = {}
    below: list[tuple[str, str, dict[str, Any]]] = []
    for entry in listed.get("resources") or ():
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            continue
        name, slash, subresource = entry["name"].partition("/")
        kind = {
            "group": entry.get("group") or group,
            "version": entry.get("version") or version,
            "kind": entry.get("kind", ""),
        }
        verbs = sorted(str(verb) for verb in entry.get("verbs") or ())
        if slash:
            below.append((name, subresource, {"subresource": subresource, "responseKind": kind, "verbs": verbs}))
            continue
        found[name] = {
            "resource": name,
            "responseKind": kind,
            "scope": "Namespaced" if entry.get("namespaced") else "Cluster",
            "singularResource": entry.get("singularName") or str(kind["kind"]).lower(),
            "verbs": verbs,
        }
        for optional in ("shortNames", "categories"):
            if entry.get(optional):
                found[name][optional] = list(entry[optional])
    for name, _, entry in below:
        if name in found:
            found[name].setdefault("subresources", []).append(entry)
    return list(found.values())
