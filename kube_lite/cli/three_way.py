"""Client-side apply: what must be sent so that ``live`` becomes what the file says.

Three objects take part: what was applied last, what is applied now, and what the server has. Fields that the file
has and the server has otherwise are set; fields that were in the file and no longer are, are deleted; everything else
on the server stays. Lists that the API merges by key (containers by name, ports by number) are treated entry by
entry, in the format of strategic merge patches (``$patch``, ``$setElementOrder``, ``$retainKeys``,
``$deleteFromPrimitiveList``). Kinds without a published type are patched by JSON merge patch, where lists are values.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kube_lite.cli.connection import MERGE_PATCH, STRATEGIC_PATCH, Obj

if TYPE_CHECKING:
    from kube_lite.cli.names import Kind
    from kube_lite.resources.schema import Type

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which kubectl, and this command line, keep what was applied."""


def with_last_applied(obj: Obj) -> Obj:
    """A copy of the file's object that carries itself, as compact JSON, in its annotation."""
    bare = json.loads(json.dumps(obj))
    metadata = bare.setdefault("metadata", {})
    annotations = metadata.setdefault("annotations", {}) or {}
    annotations.pop(LAST_APPLIED, None)
    metadata["annotations"] = annotations
    text = json.dumps(bare, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
    metadata["annotations"] = {**annotations, LAST_APPLIED: text}
    return bare  # type: ignore[no-any-return]  # json.loads of an object


def last_applied(live: Obj) -> Obj | None:
    """What the live object says was applied last; None if it never was."""
    text = (live.get("metadata", {}).get("annotations") or {}).get(LAST_APPLIED)
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def difference(kind: Kind, original: Obj, modified: Obj, live: Obj) -> tuple[Obj, str]:
    """The patch that makes ``live`` what ``modified`` says, and its media type; empty when they agree.

    :param original: what ``modified`` was made of: fields that are in it and not in ``modified`` are deleted
    """
    from kube_lite.resources import schema

    try:
        node = schema.type_for(kind.group, kind.version, kind.kind)
    except KeyError:
        node = None
    if node is None or not node.fields:
        return merge_patch(original, modified, live), MERGE_PATCH
    return strategic_patch(original, modified, live, node), STRATEGIC_PATCH


def merge_patch(original: Any, modified: Any, live: Any) -> Obj:
    """The JSON merge patch; empty when nothing has to change."""
    patch: Obj = {}
    for key, value in modified.items():
        if isinstance(value, dict) and isinstance(live.get(key), dict):
            before = original.get(key)
            below = merge_patch(before if isinstance(before, dict) else {}, value, live[key])
            if below:
                patch[key] = below
        elif not same(live.get(key), value):
            patch[key] = value
    patch.update({key: None for key in original if key not in modified and key in live})
    return patch


def strategic_patch(original: Any, modified: Any, live: Any, node: Type | None) -> Obj:
    """The strategic merge patch for a value of type ``node``; empty when nothing has to change."""
    patch: Obj = {}
    for key, value in modified.items():
        field = node.fields.get(key) if node is not None else None
        below = field.type if field is not None else None
        before, now = original.get(key), live.get(key)
        strategies = field.strategies if field is not None else ()
        if isinstance(value, dict) and isinstance(now, dict) and "replace" not in strategies:
            part = strategic_patch(before if isinstance(before, dict) else {}, value, now, _inside(below))
            if part:
                patch[key] = _retaining(part, value, strategies)
        elif isinstance(value, list) and isinstance(now, list) and "merge" in strategies:
            patch.update(_list_patch(key, before if isinstance(before, list) else [], value, now, field))
        elif not same(now, value):
            patch[key] = value
    patch.update({key: None for key in original if key not in modified and key in live})
    return patch


def _retaining(part: Obj, value: Obj, strategies: Sequence[str]) -> Obj:
    """Of a union, such as a volume or a rollout strategy, the server must drop what the file does not have."""
    return {**part, "$retainKeys": sorted(value)} if "retainKeys" in strategies else part


def _inside(node: Type | None) -> Type | None:
    """The type of an object's fields; of a map, nothing is known of the keys."""
    return node if node is not None and node.fields else None


def _list_patch(key: str, original: list[Any], modified: list[Any], live: list[Any], field: Any) -> Obj:
    merge_key = field.merge_key
    if not merge_key:
        return _set_patch(key, original, modified, live)
    entries = [
        entry for entry in [*modified, *live, *original] if not isinstance(entry, dict) or merge_key not in entry
    ]
    if entries:
        return {} if same(live, modified) else {key: modified}
    was = {entry[merge_key]: entry for entry in original}
    now = {entry[merge_key]: entry for entry in live}
    wanted = {entry[merge_key]: entry for entry in modified}
    changes: list[Any] = []
    for name, entry in wanted.items():
        if name not in now:
            changes.append(entry)
            continue
        part = strategic_patch(was.get(name, {}), entry, now[name], _inside(field.type.item))
        if part:
            changes.append({merge_key: name, **_retaining(part, entry, field.strategies)})
    gone = [name for name in was if name not in wanted and name in now]
    changes += [{"$patch": "delete", merge_key: name} for name in gone]
    # entries that others added stand where they stand; among the file's own, the file's order holds
    ordered = [name for name in now if name in wanted] == [name for name in wanted if name in now]
    if not changes and ordered:
        return {}
    order = {f"$setElementOrder/{key}": [{merge_key: name} for name in wanted]}
    return {**order, key: changes} if changes else order


def _set_patch(key: str, original: list[Any], modified: list[Any], live: list[Any]) -> Obj:
    patch: Obj = {}
    added = [value for value in modified if value not in live]
    gone = [value for value in original if value not in modified and value in live]
    if gone:
        patch[f"$deleteFromPrimitiveList/{key}"] = gone
    if added:
        patch[key] = added
    if patch:
        patch[f"$setElementOrder/{key}"] = modified
    return patch


def same(left: Any, right: Any) -> bool:
    """Equality of JSON: 1 is 1.0, but True is not 1."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)
