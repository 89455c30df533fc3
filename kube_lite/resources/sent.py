"""Empty maps and lists that a client sent: nothing of them is kept, but refusals tell ``{}`` from what is not there.

remember(type, obj, dropped)         -> what decoding dropped, for as long as the request lasts
as_sent(type, obj, found, check)     -> the same problems, worded for the object as it was sent
was_sent_empty(type, path, key)      -> whether decoding dropped an empty list or map there
was_sent_empty_in(type, obj, field)  -> the same for the field and all below it

Go keeps an empty map apart from nil until it writes the object, and shows both where it refuses one. Here decoding
drops what would not be written. What it dropped waits beside the request, so that only refusals pay for the wording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from kube_lite.resources.field import Errors
from kube_lite.resources.schema import Type

Path = tuple[str | int, ...]
_dropped: ContextVar[tuple[Type, tuple[tuple[Path, str, Any], ...]] | None] = ContextVar("dropped", default=None)
"""The type that was decoded last, and where it had what: the way to an object, its field, the empty value."""


def remember(type_: Type, obj: dict[str, Any], dropped: Sequence[tuple[dict[str, Any], str, Any]]) -> None:
    """Keep what was dropped from an object; nothing is kept of an earlier one.

    :param dropped: parts of ``obj`` with the field and the empty map or list that each of them lost
    """
    if not dropped:
        if _dropped.get() is not None:
            _dropped.set(None)
        return
    lost: dict[int, list[tuple[str, Any]]] = {}
    for owner, key, value in dropped:
        lost.setdefault(id(owner), []).append((key, value))
    _dropped.set((type_, tuple(_located(obj, (), lost))))


def _located(value: Any, path: Path, lost: dict[int, list[tuple[str, Any]]]) -> Iterator[tuple[Path, str, Any]]:
    if isinstance(value, dict):
        for key, empty in lost.get(id(value), ()):
            yield path, key, empty
        for key, below in value.items():
            yield from _located(below, (*path, key), lost)
    elif isinstance(value, list):
        for i, below in enumerate(value):
            yield from _located(below, (*path, i), lost)


def was_sent_empty(type_: Type, path: Path, key: str) -> bool:
    """Whether the object that was decoded last, one of that type, came with ``[]`` or ``{}`` in a field."""
    kept = _dropped.get()
    if kept is None or kept[0] is not type_:
        return False
    return any(where == path and name == key for where, name, _ in kept[1])


def was_sent_empty_in(type_: Type, obj: dict[str, Any], field: str) -> bool:
    """Whether the object came with ``[]`` or ``{}`` in a field or below it, and nothing has taken the place since."""
    kept = _dropped.get()
    if kept is None or kept[0] is not type_:
        return False
    return any(
        (*where, name)[0] == field and isinstance(owner := _at(obj, where), dict) and name not in owner
        for where, name, _ in kept[1]
    )


def as_sent(type_: Type, obj: dict[str, Any], found: Errors, check: Callable[[], Errors]) -> Errors:
    """What ``check`` says of the object as it was sent, if that is ``found`` in other words; else ``found``."""
    kept = _dropped.get()
    if not found or kept is None or kept[0] is not type_:
        return found
    with _restored(obj, kept[1]):
        again = check()
    same = [(error.reason, error.field) for error in again] == [(error.reason, error.field) for error in found]
    return again if same else found


@contextmanager
def _restored(obj: dict[str, Any], empties: Sequence[tuple[Path, str, Any]]) -> Iterator[None]:
    """Put back what was dropped where nothing else has taken the place."""
    put: list[tuple[dict[str, Any], str]] = []
    for path, key, empty in empties:
        owner = _at(obj, path)
        if isinstance(owner, dict) and key not in owner:
            owner[key] = empty
            put.append((owner, key))
    try:
        yield
    finally:
        for owner, key in put:
            owner.pop(key, None)


def _at(value: Any, path: Path) -> Any:
    """What is found on the way, None where it ends early: hooks may have changed the object since."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value
