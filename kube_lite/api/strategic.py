"""Strategic merge patch: a merge patch that knows which lists are maps in disguise.

Lists whose field has a merge key are merged item by item, primitive lists with the merge strategy as sets, all
others are replaced. Directives in the patch steer it: ``$patch: replace|delete`` in a map or list item,
``$deleteFromPrimitiveList/x``, ``$setElementOrder/x`` and ``$retainKeys``. Merge keys and strategies come from
the schema. Order of items, and which combinations are errors, follow upstream's
``apimachinery/pkg/util/strategicpatch``. Neither the object nor the patch is changed.

    merge(type, obj, patch) -> the patched object; raises BadRequest
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from kube_lite.errors import BadRequest
from kube_lite.resources.schema import Field, Type

DIRECTIVE: Final = "$patch"
RETAIN_KEYS: Final = "$retainKeys"
DELETE_FROM: Final = "$deleteFromPrimitiveList/"
SET_ORDER: Final = "$setElementOrder/"

Map = dict[str, Any]
_CONTAINERS: Final = (dict, list)


def go_text(value: Any) -> str:
    """A value as Go's ``%v`` prints it: ``map[image:i:8 name:c]``."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(go_text(item) for item in value) + "]"
    return str(value)


def merge(type_: Type | None, original: Map, patch: Map) -> Map:
    """``original`` with ``patch`` applied. :raises BadRequest: the patch is not one for this type"""
    directive = patch.get(DIRECTIVE)
    if directive is not None:
        if directive == "replace":
            return {key: value for key, value in patch.items() if key != DIRECTIVE}
        if directive == "delete":
            return {}
        if directive != "merge":
            raise BadRequest(f"unknown patch type: {go_text(directive)} in map: {go_text(patch)}")
    merged = dict(original)
    _retain_keys(merged, patch)
    done = _merge_ordered(type_, merged, patch)
    for key, value in patch.items():
        if (key[:1] == "$" and (key in (DIRECTIVE, RETAIN_KEYS) or key.startswith(SET_ORDER))) or key in done:
            continue
        if key[:1] == "$" and key.startswith(DELETE_FROM):
            _delete_from(merged, key, value)
        elif value is None:
            merged.pop(key, None)
        else:
            _merge_field(type_, merged, key, value)
    return merged


def _merge_field(type_: Type | None, merged: Map, key: str, value: Any) -> None:
    field = type_.fields.get(key) if type_ is not None else None
    current = merged.get(key)
    if isinstance(value, dict) and isinstance(current, dict):
        replaces = field is not None and "replace" in field.strategies
        merged[key] = _plain(value) if replaces else merge(_below(type_, field), current, value)
    elif isinstance(value, list) and isinstance(current, list):
        merged[key] = _merge_list(field, current, value)
    else:
        merged[key] = _plain(value)


def _below(type_: Type | None, field: Field | None) -> Type | None:
    """The type of a map's value: of the field, or of every value where the map is free."""
    if field is not None:
        return field.type
    return type_.item if type_ is not None else None


def _plain(value: Any) -> Any:
    """What a patch adds where nothing was: without directives and nulls."""
    if isinstance(value, dict):
        if value.get(DIRECTIVE) == "delete":
            return {}
        return {
            key: _plain(sub) if type(sub) in _CONTAINERS else sub
            for key, sub in value.items()
            if sub is not None
            and not (key[:1] == "$" and key.startswith(("$patch", RETAIN_KEYS, SET_ORDER, DELETE_FROM)))
        }
    if isinstance(value, list):
        return [_plain(item) for item in value if not (isinstance(item, dict) and DIRECTIVE in item)]
    return value


def _retain_keys(merged: Map, patch: Map) -> None:
    retain = patch.get(RETAIN_KEYS)
    if retain is None:
        return
    if not isinstance(retain, list):
        raise BadRequest("invalid patch format of retainKeys")
    kept = set(map(str, retain))
    for key in patch:
        if not key.startswith("$") and key not in kept:
            raise BadRequest("invalid patch format of retainKeys")
    for key in list(merged):
        if key not in kept:
            del merged[key]


def _delete_from(merged: Map, key: str, values: Any) -> None:
    if not isinstance(values, list):
        raise BadRequest("invalid patch format of primitive list")
    name = key[len(DELETE_FROM) :]
    current = merged.get(name)
    if isinstance(current, list):
        merged[name] = [item for item in current if item not in values]


# ---- lists


def _merge_list(field: Field | None, original: list[Any], patch: list[Any]) -> list[Any]:
    if field is None or "merge" not in field.strategies:
        return _plain_list(patch)
    if not original and not patch:
        return original
    if all(isinstance(item, dict) for item in original) and all(isinstance(item, dict) for item in patch):
        return _merge_maps(field, original, patch)
    if any(isinstance(item, dict | list) for item in [*original, *patch]):
        raise BadRequest("invalid patch format: a list may not mix maps with other values")
    merged = list(dict.fromkeys([*original, *patch]))
    return _ordered(merged, patch, original, lambda item: item)


def _plain_list(patch: list[Any]) -> list[Any]:
    return [_plain(item) for item in patch if not (isinstance(item, dict) and DIRECTIVE in item)]


def _key_reader(key: str) -> Callable[[Any], Any]:
    def read(item: Any) -> Any:
        if not isinstance(item, dict) or key not in item:
            raise BadRequest(f"map: {go_text(item)} does not contain declared merge key: {key}")
        return item[key]

    return read


def _merge_maps(field: Field, original: list[Map], patch: list[Map]) -> list[Map]:
    key = field.merge_key
    if not key:
        raise BadRequest(f"cannot merge lists without merge key for {field.name}")
    key_of = _key_reader(key)
    current, additions = _special_items(original, patch, key)
    merged = list(current)
    places = {_hashable(item[key]): place for place, item in enumerate(merged) if key in item}
    for item in additions:
        value = _hashable(key_of(item))
        place = places.get(value)
        if place is None:
            places[value] = len(merged)
            merged.append(_plain(item))
        else:
            merged[place] = merge(field.type.item, merged[place], item)
    return _ordered(merged, additions, current, key_of)


def _hashable(value: Any) -> Any:
    return value if not isinstance(value, dict | list) else go_text(value)


def _special_items(original: list[Map], patch: list[Map], key: str) -> tuple[list[Map], list[Map]]:
    """What is left of both lists once the items that carry ``$patch`` have had their effect."""
    additions: list[Map] = []
    replace = False
    current = original
    for item in patch:
        directive = item.get(DIRECTIVE)
        if directive is None:
            additions.append(item)
        elif directive == "delete":
            value = _key_reader(key)(item)
            current = [one for one in current if one.get(key) != value]
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise BadRequest("merging lists cannot yet be specified in the patch")
        else:
            raise BadRequest(f"unknown patch type: {go_text(directive)} in map: {go_text(item)}")
    return ([], additions) if replace else (current, additions)


def _ordered(
    merged: Sequence[Any], order: Sequence[Any], server_order: Sequence[Any], key_of: Callable[[Any], Any]
) -> list[Any]:
    """``merged`` in its final order: as in ``order``, with the items not named there at their old relative place."""
    wanted = {_hashable(key_of(item)): place for place, item in reversed(list(enumerate(order)))}
    before = {_hashable(key_of(item)): place for place, item in reversed(list(enumerate(server_order)))}
    named = [(key, item) for item in merged if (key := _hashable(key_of(item))) in wanted]
    others = [(key, item) for item in merged if (key := _hashable(key_of(item))) not in wanted]
    named.sort(key=lambda pair: wanted[pair[0]])
    others.sort(key=lambda pair: before.get(pair[0], len(before)))
    result: list[Any] = []
    left = 0
    for key, item in named:
        while left < len(others) and key in before and before.get(others[left][0], -1) < before[key]:
            if others[left][0] not in before:
                break
            result.append(others[left][1])
            left += 1
        result.append(item)
    result.extend(item for _, item in others[left:])
    return result


def _merge_ordered(type_: Type | None, merged: Map, patch: Map) -> set[str]:
    """Handle the lists that come with ``$setElementOrder``; the names of the fields that are finished."""
    done: set[str] = set()
    for key, order in patch.items():
        if not key.startswith(SET_ORDER):
            continue
        name = key[len(SET_ORDER) :]
        field = type_.fields.get(name) if type_ is not None else None
        original, change = merged.get(name), patch.get(name)
        if not isinstance(order, list) or (change is not None and not isinstance(change, list)):
            raise BadRequest("invalid patch format of setElementOrder list")
        done.add(name)
        if change is None and name in patch:
            merged.pop(name, None)
            continue
        if original is None and change is None:
            continue
        key_of = _key_reader(field.merge_key) if field is not None and field.merge_key else _identity
        if change is not None:
            _check_order(change, order, key_of)
        if original is None:
            items = _plain_list(change or [])
        else:
            items = original if change is None else _merge_list(field, original, change)
        merged[name] = _ordered(items, order, original or [], key_of)
    return done


def _identity(item: Any) -> Any:
    return item


def _check_order(change: list[Any], order: list[Any], key_of: Callable[[Any], Any]) -> None:
    """The items of a patch list must stand in ``$setElementOrder``, in the same order."""
    places = {_hashable(key_of(item)): place for place, item in enumerate(order)}
    last = -1
    for item in change:
        if isinstance(item, dict) and DIRECTIVE in item:
            continue
        place = places.get(_hashable(key_of(item)), -1)
        if place <= last:
            shown = f"{go_text(change)}\n doesn't match {SET_ORDER[:-1]} list:\n{go_text(order)}"
            raise BadRequest(f"The order in patch list:\n{shown}\n")
        last = place
