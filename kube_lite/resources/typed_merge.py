"""Merging and pruning by type, for server-side apply: what upstream's structured-merge-diff calls typed values.

check(type, config)          complaints about an applied configuration, as upstream words them
named(type, config)          what the configuration names, if there is nothing to complain of
merge(type, live, config)    the configuration laid over the live object
remove(type, value, set)     the value without the fields of a set
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, Final

from kube_lite.resources.fieldset import IN, SELF, Node, has, in_order, step_text
from kube_lite.resources.ownership import DEDUCED, applied, below, is_leaf, is_owned_empty, item_step
from kube_lite.resources.schema import (
    ANY,
    BOOLEAN,
    BYTES,
    INTEGER,
    LIST,
    MAP,
    MICRO_TIME,
    NUMBER,
    OBJECT,
    QUANTITY,
    STRING,
    TIME,
    Type,
)

_TEXT: Final = frozenset({STRING, TIME, MICRO_TIME, BYTES})


def check(type_: Type, config: Any, path: str = "") -> Iterator[str]:
    """Everything in a configuration that its type does not allow: ``.spec.frob: field not declared in schema``."""
    if config is None:
        return
    kind = type_.kind
    where = f"{path}: " if path else ""
    if kind in (OBJECT, MAP):
        if not isinstance(config, dict):
            yield f"{where}expected map, got &{{{_go(config)}}}"
            return
        yield from _check_map(type_, config, path)
    elif kind == LIST:
        if not isinstance(config, list):
            yield f"{where}expected list, got &{{{_go(config)}}}"
            return
        yield from _check_list(type_, config, path)
    elif kind in _TEXT:
        if not isinstance(config, str):
            yield f"{where}expected string, got {_shown(config)}"
    elif kind == BOOLEAN:
        if not isinstance(config, bool):
            yield f"{where}expected boolean, got &{{{_go(config)}}}"
    elif kind in (INTEGER, NUMBER):
        if isinstance(config, bool) or not isinstance(config, int | float):
            yield f"{where}expected numeric (int or float), got *value.valueUnstructured"
    elif kind not in (ANY, QUANTITY) and not isinstance(config, str | int):
        yield f"{where}expected any scalar, got &{{{_go(config)}}}"


def _check_map(type_: Type, config: dict[str, Any], path: str) -> Iterator[str]:
    open_ended = type_.item is not None or type_.preserve
    for key, value in config.items():
        where = f"{path}.{key}"
        if key not in type_.fields and type_.kind == OBJECT and not open_ended:
            yield f"{where}: field not declared in schema"
        else:
            yield from check(below(type_, key), value, where)


def _check_list(type_: Type, config: list[Any], path: str) -> Iterator[str]:
    item_type = type_.item or DEDUCED
    if type_.list_type == "atomic":
        for position, item in enumerate(config):
            yield from check(item_type, item, f"{path}[{position}]")
        return
    seen: set[str] = set()
    for position, item in enumerate(config):
        problem = _keyless(type_, item)
        if problem:
            yield f"{path}: element {position}: {problem}"
            continue
        step = item_step(type_, item, position)
        if step in seen:
            yield f"{path}: duplicate entries for key {step_text(step)}"
        seen.add(step)
        yield from check(item_type, item, path + step_text(step))


def _keyless(type_: Type, item: Any) -> str:
    """Why an item of a list with keys cannot be named, or ''."""
    if item is None:
        return "associative list with keys may not have null elements"
    if type_.list_type != "map":
        return ""
    if not isinstance(item, dict):
        return "associative list with keys may not have non-map elements"
    missing = [key for key in type_.keys if key not in item and key not in type_.key_defaults]
    if missing:
        name = missing[0]
        return (
            f'associative list with keys has an element that omits key field "{name}" (and doesn\'t have default value)'
        )
    return ""


def _shown(value: Any) -> str:
    """A value as upstream's ``%v`` of its wrapper prints it."""
    if isinstance(value, bool):
        return f"&value.valueUnstructured{{Value:{str(value).lower()}}}"
    if isinstance(value, int | float):
        return f"&value.valueUnstructured{{Value:{value}}}"
    if isinstance(value, str):
        return f'&value.valueUnstructured{{Value:"{value}"}}'
    return "&{" + _go(value) + "}"


def _go(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_go(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_go, value)) + "]"
    return str(value)


class Mistyped(ValueError):
    """A configuration does not fit its type; :func:`check` says why."""


def named(type_: Type, config: dict[str, Any]) -> Node:
    """The set of ``ownership.applied``, with its steps in order, in one walk with what :func:`check` looks for.

    :raises Mistyped: ``check`` has something to say
    """
    node: Node = {}
    fields = type_.fields
    item = type_.item
    for key in sorted(config):
        value = config[key]
        field = fields.get(key)
        if field is not None:
            sub = field.type
        elif item is not None:
            sub = item
        elif type_.preserve or type_.kind != OBJECT:
            sub = DEDUCED
        else:
            raise Mistyped
        kind = sub.kind
        if kind == STRING and type(value) is str:
            node["f:" + key] = IN
            continue
        if value is None or (not value and type(value) in (dict, list)):
            if next(check(sub, value), None):
                raise Mistyped
            if field is None or is_owned_empty(field, value):
                node["f:" + key] = IN
            continue
        set_ = _named_below(sub, value)
        if field is None:
            node["f:" + key] = {SELF: IN, **set_} if set_ else IN
        elif set_ is not None:
            node["f:" + key] = set_
    return node


def _named_below(type_: Type, value: Any) -> Node | None:
    """What is named in a value that is there; None for nothing."""
    kind = type_.kind
    if kind in (OBJECT, MAP) and not type_.atomic:
        if type(value) is not dict:
            raise Mistyped
        return named(type_, value) or None
    if kind == LIST and type_.list_type != "atomic":
        if type(value) is not list:
            raise Mistyped
        return _named_items(type_, value)
    of_strings = kind == LIST and type_.item is not None and type_.item.kind == STRING
    if of_strings and type(value) is list and all(type(item) is str for item in value):
        return IN
    if next(check(type_, value), None):
        raise Mistyped
    return IN if is_leaf(type_, value) else applied(type_, value)


def _named_items(type_: Type, values: list[Any]) -> Node:
    item_type = type_.item or DEDUCED
    found: Node = {}
    for position, item in enumerate(values):
        if _keyless(type_, item):
            raise Mistyped
        set_ = _named_below(item_type, item) if item else None
        found[item_step(type_, item, position)] = {SELF: IN, **set_} if set_ else IN
    if len(found) < len(values):
        raise Mistyped
    return {step: found[step] for step in in_order(found)}


# ---- merging


def merge(type_: Type, live: Any, config: Any) -> Any:
    """``config`` over ``live``; neither is changed. What is not changed in the result is ``live``'s own."""
    if is_leaf(type_, live) and is_leaf(type_, config):
        return live if live == config and type(live) is type(config) else config
    if type(live) is dict and type(config) is dict:
        return _merge_maps(type_, live, config)
    if isinstance(live, list) and isinstance(config, list) and not _is_atomic(type_):
        return _merge_lists(type_, live, config)
    if config is None or (live and not config and isinstance(config, dict | list)):
        return live if live is not None and not _is_atomic(type_) else config
    return config


_ABSENT: Final = object()


def _merge_maps(type_: Type, live: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    merged = live
    fields = type_.fields
    item = type_.item or DEDUCED
    for key, value in config.items():
        now = value
        current = live.get(key, _ABSENT)
        if current is not _ABSENT:
            if type(value) is str and type(current) is str:
                if value == current:
                    continue
            else:
                field = fields.get(key)
                now = merge(item if field is None else field.type, current, value)
                if now is current:
                    continue
        if merged is live:
            merged = dict(live)
        merged[key] = now
    return merged


def _is_atomic(type_: Type) -> bool:
    return type_.atomic or (type_.kind == LIST and type_.list_type == "atomic")


def _merge_lists(type_: Type, live: list[Any], config: list[Any]) -> list[Any]:
    """Items matched by key. What both have comes in the configuration's order, the rest keeps its neighbours.

    Items of the live list that share a key stay as they are, or make room for the one of the configuration.
    """
    item_type = type_.item or DEDUCED
    live_steps = [item_step(type_, value, position) for position, value in enumerate(live)]
    config_steps = [item_step(type_, value, position) for position, value in enumerate(config)]
    configs = dict(zip(config_steps, config, strict=True))
    lives = dict(zip(live_steps, live, strict=True))
    if len(lives) < len(live):
        lives |= {step: None for step in lives if live_steps.count(step) > 1}
    if live_steps == config_steps:
        items = [merge(item_type, lives[step], configs[step]) for step in config_steps]
        return items if any(map(operator.is_not, items, live)) else live
    shared = [step for step in config_steps if step in lives]
    merged: list[Any] = []
    left = right = turn = 0
    while left < len(live) or right < len(config):
        if left < len(live):
            step = live_steps[left]
            if right < len(config):
                if step == config_steps[right]:
                    merged.append(merge(item_type, lives[step], configs[step]))
                    left, right, turn = left + 1, right + 1, turn + 1
                    continue
                if step in configs and turn < len(shared) and shared[turn] != step:
                    left += 1  # it comes where the configuration has it
                    continue
            if step not in configs:
                merged.append(live[left])
                left += 1
                continue
            if step in config_steps[:right]:
                left += 1  # already taken at the configuration's place
        if right < len(config):
            step = config_steps[right]
            merged.append(merge(item_type, lives[step], configs[step]) if step in lives else configs[step])
            right += 1
            if turn < len(shared) and shared[turn] == step:
                turn += 1
    return merged


# ---- pruning


def remove(type_: Type, value: Any, gone: Node) -> Any:
    """``value`` without the members of ``gone``; None where nothing is left of a map or list.

    One in there of which nothing is left stays as an empty one, unless it is a member itself: somebody owns it.
    """
    if isinstance(value, dict):
        if not value or _is_atomic(type_):
            return None
        kept: dict[str, Any] = {}
        for key, sub in value.items():
            step = "f:" + key
            inner = gone.get(step)
            if inner is None:
                kept[key] = sub
            elif has(gone, step):
                continue
            else:
                left = remove(below(type_, key), sub, inner)
                kept[key] = type(sub)() if left is None else left
        return kept or None
    if isinstance(value, list):
        if not value or _is_atomic(type_):
            return None
        item_type = type_.item or DEDUCED
        items: list[Any] = []
        for position, sub in enumerate(value):
            step = item_step(type_, sub, position)
            inner = gone.get(step)
            if inner is None:
                items.append(sub)
            elif has(gone, step):
                continue
            else:
                left = remove(item_type, sub, inner)
                items.append(type(sub)() if left is None else left)
        return items or None
    return value
