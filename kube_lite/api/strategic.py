"""Strategic merge patch: a merge patch that knows which lists are maps in disguise.

Lists whose field has a merge key are merged item by item, primitive lists with the merge strategy as sets, all
others are replaced. Directives in the patch steer it: ``$patch: replace|delete`` in a map or list item,
``$deleteFromPrimitiveList/x``, ``$setElementOrder/x`` and ``$retainKeys``. Merge keys and strategies come from
the schema. Order of items, which combinations are errors, and what a directive means where it has no business (in
lists that are replaced it is an unknown field), follow upstream's ``apimachinery/pkg/util/strategicpatch``. Neither
the object nor the patch is changed.

    merge(type, obj, patch) -> the patched object; raises BadRequest, ListOfLists
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from kube_lite.errors import BadRequest
from kube_lite.resources.schema import Field, Type

DIRECTIVE: Final = "$patch"
RETAIN_KEYS: Final = "$retainKeys"
DELETE_FROM: Final = "$deleteFromPrimitiveList"
SET_ORDER: Final = "$setElementOrder"

Map = dict[str, Any]
_CONTAINERS: Final = (dict, list)

_NAMELESS: Final = object()
"""Stands for what a directive takes out."""


class ListOfLists(ValueError):
    """A list to be merged has lists for items; upstream refuses that with 422."""


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


_GO_TYPES: Final = {
    dict: "map[string]interface {}",
    list: "[]interface {}",
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    type(None): "%!s(<nil>)",
}


def _bad_type(expected: type, actual: Any) -> BadRequest:
    return BadRequest(f"expected a {_GO_TYPES[expected]}, but received a {_GO_TYPES[type(actual)]}")


def _bad_directive(directive: Any, patch: Map) -> BadRequest:
    shown = directive
    if not isinstance(directive, str):  # what Go prints where it was told to print a text
        shown = f"%!s({_GO_TYPES[type(directive)]}={go_text(directive)})" if directive is not None else "%!s(<nil>)"
    return BadRequest(f"unknown patch type: {shown} in map: {go_text(patch)}")


def merge(type_: Type | None, original: Map, patch: Map) -> Map:
    """``original`` with ``patch`` applied. :raises BadRequest: the patch is not one for this type"""
    if DIRECTIVE in patch:
        directive = patch[DIRECTIVE]
        if directive == "replace":
            return {key: value for key, value in patch.items() if key != DIRECTIVE}
        if directive == "delete":
            return {}
        raise _bad_directive(directive, patch)
    merged = dict(original)
    _retain_keys(merged, patch)
    done = _merge_ordered(type_, merged, patch)
    for key, value in patch.items():
        deletes = False
        if key[:1] == "$":
            if key == RETAIN_KEYS or key.startswith(SET_ORDER):
                continue
            deletes = key.startswith(DELETE_FROM)
        if key in done:
            continue
        name = _field_named(key, DELETE_FROM, "primitive list") if deletes else key
        if value is None:
            merged.pop(name, None)
        elif name not in merged or type(merged[name]) is not type(value):
            kept = _NAMELESS if deletes else _added(value)
            if kept is not _NAMELESS:
                merged[name] = kept
            elif not deletes:
                merged.pop(name, None)
        else:
            merged[name] = _merge_field(type_, name, merged[name], value, deletes)
    return merged


def _field_named(key: str, prefix: str, kind: str) -> str:
    """The field that a directive is for: ``$setElementOrder/x`` gives ``x``."""
    head, slash, name = key.partition("/")
    if head != prefix or not slash:
        raise BadRequest(f"invalid patch format of {kind}")
    return name


def _merge_field(type_: Type | None, name: str, current: Any, value: Any, deletes: bool) -> Any:
    """Both are maps, both are lists, or both are neither."""
    field = type_.fields.get(name) if type_ is not None else None
    if isinstance(value, dict):
        replaces = field is not None and "replace" in field.strategies
        return value if replaces else merge(_below(type_, field), current, value)
    if isinstance(value, list):
        return _merge_list(field, current, value, deletes)
    return value


def _below(type_: Type | None, field: Field | None) -> Type | None:
    """The type of a map's value: of the field, or of every value where the map is free."""
    if field is not None:
        return field.type
    return type_.item if type_ is not None else None


def _added(value: Any) -> Any:
    """What a patch adds where nothing was: without nulls in maps, and without what carries ``$patch``."""
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return _NAMELESS
        made = {key: _added(sub) if type(sub) in _CONTAINERS else sub for key, sub in value.items() if sub is not None}
        return {key: sub for key, sub in made.items() if sub is not _NAMELESS}
    if isinstance(value, list):
        return [item for item in map(_added, value) if item is not _NAMELESS]
    return value


def _retain_keys(merged: Map, patch: Map) -> None:
    if RETAIN_KEYS not in patch:
        return
    retain = patch[RETAIN_KEYS]
    if not isinstance(retain, list):
        raise BadRequest("invalid patch format of retainKeys")
    kept = {name for name in retain if isinstance(name, str)}
    for key, value in patch.items():
        if value is not None and key not in kept and not key.startswith((RETAIN_KEYS, DELETE_FROM, SET_ORDER)):
            raise BadRequest("invalid patch format of retainKeys")
    for key in list(merged):
        if key not in kept:
            del merged[key]


# ---- lists


def _element_type(*lists: list[Any]) -> type:
    """The one type that all items have. :raises ListOfLists, BadRequest: they differ, or there are none"""
    found = [type(item) for one in lists for item in one]
    if not found:
        raise BadRequest("no elements in any of the given slices")
    if found[0] is list:
        raise ListOfLists
    if found[0] is type(None) or any(other is not found[0] for other in found):
        raise BadRequest(f"list element types are not identical: {go_text(list(lists))}")
    return found[0]


def _merge_list(field: Field | None, original: list[Any], patch: list[Any], deletes: bool = False) -> list[Any]:
    if field is None or "merge" not in field.strategies:
        return patch
    if not original and not patch:
        return original
    if _element_type(original, patch) is dict:
        return _merge_maps(field, original, patch)
    if deletes:
        gone = set(map(_identity, patch))
        return [item for item in original if _identity(item) not in gone]
    merged = list({_identity(item): item for item in [*original, *patch]}.values())
    return _ordered(merged, patch, original, "")


def _keyed(item: Any, key: str) -> Any:
    """The merge key of a list item, comparable. :raises BadRequest: it has none"""
    if not isinstance(item, dict):
        raise _bad_type(dict, item)
    if key not in item:
        raise BadRequest(f"map: {go_text(item)} does not contain declared merge key: {key}")
    return _identity(item[key])


def _identity(value: Any) -> Any:
    """Equal for what Go holds equal: ``1`` is neither ``true`` nor ``1.0``."""
    return (type(value), go_text(value) if isinstance(value, dict | list) else value)


def _merge_maps(field: Field, original: list[Map], patch: list[Map]) -> list[Map]:
    key = field.merge_key
    if not key:
        raise BadRequest(f"cannot merge lists without merge key for {field.name}")
    current, additions = _special_items(original, patch, key)
    merged = list(current)
    places: dict[Any, int] = {}
    for place, item in enumerate(merged):
        if key in item:
            places.setdefault(_identity(item[key]), place)
    for item in additions:
        value = _keyed(item, key)
        place = places.get(value, -1)
        if place < 0:
            places[value] = len(merged)
            merged.append(item)
        else:
            merged[place] = merge(field.type.item, merged[place], item)
    return _ordered(merged, additions, current, key)


def _special_items(original: list[Map], patch: list[Map], key: str) -> tuple[list[Map], list[Map]]:
    """What is left of both lists once the items that carry ``$patch`` have had their effect."""
    additions: list[Map] = []
    replace = False
    current = original
    for item in patch:
        if DIRECTIVE not in item:
            additions.append(item)
            continue
        directive = item[DIRECTIVE]
        if directive == "delete":
            value = _keyed(item, key)
            current = [one for one in current if key not in one or _identity(one[key]) != value]
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise BadRequest("merging lists cannot yet be specified in the patch")
        else:
            raise _bad_directive(directive, item)
    return (additions, []) if replace else (current, additions)


def _ordered(merged: Sequence[Any], order: Sequence[Any], server_order: Sequence[Any], key: str) -> list[Any]:
    """``merged`` in its final order: as in ``order``, with the items not named there at their old relative place.

    :param key: the merge key, '' for items that are no maps
    """
    key_of: Callable[[Any], Any] = (lambda item: _keyed(item, key)) if key else _identity
    wanted = {key_of(item): place for place, item in reversed(list(enumerate(order)))}
    before = {key_of(item): place for place, item in reversed(list(enumerate(server_order)))}
    keyed = [(key_of(item), item) for item in merged]
    named = [pair for pair in keyed if pair[0] in wanted]
    others = [pair for pair in keyed if pair[0] not in wanted]
    named.sort(key=lambda pair: wanted[pair[0]])
    others.sort(key=lambda pair: before.get(pair[0], len(before)))
    result: list[Any] = []
    left = 0
    for value, item in named:
        while left < len(others) and value in before and before.get(others[left][0], -1) < before[value]:
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
    for directive, order in patch.items():
        if not directive.startswith(SET_ORDER):
            continue
        if not isinstance(order, list):
            raise _bad_type(list, order)
        name = _field_named(directive, SET_ORDER, "setElementOrder list")
        for holder in (merged, patch):
            if name in holder and not isinstance(holder[name], list):
                raise _bad_type(list, holder[name])
        field = type_.fields.get(name) if type_ is not None else None
        if field is None and type_ is not None and type_.fields:
            raise BadRequest(f'unable to find api field in struct {_struct(type_)} for the json field "{name}"')
        key = field.merge_key if field is not None else ""
        change = patch.get(name, [])
        _check_order(change, order, key)
        if name not in merged and name not in patch:
            continue
        original = merged.get(name, [])
        if name not in merged:
            items = _added(change)
        else:
            items = _merge_list(field, original, change) if name in patch else original
        kind = _element_type(original, change)
        merged[name] = _ordered(items, order, original, key if kind is dict or key else "")
        done.add(name)
    return done


def _struct(type_: Type) -> str:
    """The name of a Go type without its package."""
    return type_.go.rpartition(".")[2]


def _check_order(change: list[Any], order: list[Any], key: str) -> None:
    """The items of a patch list must stand in ``$setElementOrder``, in the same order."""
    if not change or not order:
        return
    listed = change
    if key:
        for item in change:
            if not isinstance(item, dict):
                raise _bad_type(dict, item)
        listed = [item for item in change if DIRECTIVE not in item]
    place = 0
    for wanted in order:
        if place == len(listed):
            return
        item = listed[place]
        same = _keyed(item, key) == _keyed(wanted, key) if key else _identity(item) == _identity(wanted)
        place += same
    if place < len(listed):
        shown = f"{go_text(change)}\n doesn't match {SET_ORDER} list:\n{go_text(order)}"
        raise BadRequest(f"The order in patch list:\n{shown}\n")
