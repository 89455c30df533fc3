"""JSON patch (RFC 6902): reading its operations, and carrying them out.

Where the RFC and the library that upstream uses differ, the library is followed: a key that is not there can be
replaced, and a missing source is copied as null.

    read_operations(value) -> operations      raises BadRequest, RequestEntityTooLarge
    apply_json_patch(operations, obj) -> obj  raises PatchFailed
    unknown_members(operations) -> paths of what strict decoding complains of
    split_pointer(path), json_equal(one, other)   pointers and equality as the operations have them
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kube_lite.api import body
from kube_lite.errors import BadRequest, Invalid, RequestEntityTooLarge

MAX_OPERATIONS: Final = 10_000
"""Operations in one JSON patch; upstream's limit."""

MAX_COPY: Final = 3 * 1024 * 1024
"""Bytes by which the copies of one JSON patch may grow an object; upstream's limit."""

REJECTED: Final = "the server rejected our request due to an error in our request"


_NO_PLACE: Final = "missing value"


class PatchFailed(Invalid):
    """The patch cannot be applied to this object (422), e.g. a failed ``test``.

    :param why: what upstream's library (``evanphx/json-patch`` v4) says, which clients never see of their own patches
    """

    def __init__(self, why: str = "") -> None:
        super().__init__(REJECTED)
        self.why = why

    def to_status(self) -> dict[str, Any]:
        """With the empty details that upstream sends."""
        status = super().to_status()
        code = status.pop("code")
        return {**status, "details": {}, "code": code}


class TestFailed(PatchFailed):
    """An operation ``test`` found something else."""


def read_operations(value: Any, strictly: bool = False) -> list[dict[str, Any]]:
    """The operations of a parsed patch; a null among them is one without a name.

    :param strictly: refuse members of the wrong type here, as a server does that tells of unknown ones
    :raises BadRequest: it is no list of objects
    :raises RequestEntityTooLarge: there are more than :data:`MAX_OPERATIONS`
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise _not_decoded(value, "value of type jsonpatch.Patch")
    operations: list[Any] = [{} if operation is None else operation for operation in value]
    for operation in operations:
        if not isinstance(operation, dict):
            raise _not_decoded(operation, "value of type jsonpatch.Operation")
        for key, sub in operation.items() if strictly else ():
            if key in _STRINGS and sub is not None and not isinstance(sub, str):
                told = _not_decoded(sub, f"struct field jsonPatchOp.{key} of type string")
                raise BadRequest(f"error decoding patch: {told.message}")
    if len(operations) > MAX_OPERATIONS:
        raise RequestEntityTooLarge(
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(operations)}"
        )
    return operations


_STRINGS: Final = frozenset(("op", "path", "from"))
_MEMBERS: Final = _STRINGS | {"value"}


def _not_decoded(value: Any, into: str) -> BadRequest:
    return BadRequest(f"json: cannot unmarshal {body.json_name(value)} into Go {into}")


def unknown_members(operations: Sequence[dict[str, Any]]) -> list[str]:
    """Paths of what no operation has: ``[0].foo``."""
    return [
        f"[{i}].{key}"
        for i, one in enumerate(operations)
        if not one.keys() <= _MEMBERS
        for key in one
        if key not in _MEMBERS
    ]


_MISSING: Final = object()


def apply_json_patch(operations: Sequence[dict[str, Any]], obj: dict[str, Any]) -> dict[str, Any]:
    """A copy of ``obj`` with the operations carried out in order, or none of them. :raises Invalid"""
    document = msgspec.json.decode(msgspec.json.encode(obj))
    budget = MAX_COPY
    for operation in operations:
        if operation.get("op") == "replace" and operation.get("path") == "":
            document = _copied(operation.get("value"))
            if not isinstance(document, dict):
                raise PatchFailed
            continue
        try:
            budget -= _carry_out(document, operation, budget)
        except PatchFailed as failed:
            failed.why = _told(operation, failed.why)
            raise
    if not isinstance(document, dict):
        raise PatchFailed
    return document


def _carry_out(document: Any, operation: dict[str, Any], budget: int) -> int:
    """One operation; how many bytes it copied."""
    name, path = operation.get("op"), operation.get("path")
    if not isinstance(path, str):
        raise PatchFailed
    if name == "add":
        _add(document, path, _copied(operation.get("value")))
    elif name == "remove":
        _remove(document, path)
    elif name == "replace":
        # upstream's library replaces a key that is not there, too; only lists have bounds
        _set(document, path, _copied(operation.get("value")))
    elif name == "move":
        source = _from(operation)
        value = _remove(document, source)
        _add(document, path, value)
    elif name == "copy":
        # A missing source is copied as null, as upstream's library does.
        value = _get(document, _from(operation))
        text = msgspec.json.encode(None if value is _MISSING else value)
        if len(text) > budget:
            raise RequestEntityTooLarge(f"the copies of the patch add more than {MAX_COPY} bytes")
        _add(document, path, msgspec.json.decode(text))
        return len(text)
    elif name == "test":
        found = _get(document, path)
        if not json_equal(None if found is _MISSING else found, operation.get("value")):
            raise TestFailed("test failed")
    else:
        raise PatchFailed(f"Unexpected kind: {name}")
    return 0


def _told(operation: dict[str, Any], why: str) -> str:
    """What went wrong with an operation, as the library words it."""
    name, path = operation.get("op"), operation.get("path")
    if name == "test" and why == _NO_PLACE:
        return f"test operation does not apply: is missing path: {path}: {why}"
    if name == "test":
        return f"testing value {path} failed: {why}"
    if why != _NO_PLACE:
        return f"error in {name} for path: '{path}': {why}"
    if name in ("move", "copy"):
        return f"{name} operation does not apply: doc is missing from path: {operation.get('from')}: {why}"
    shown = path if name == "replace" else f'"{path}"'
    return f"{name} operation does not apply: doc is missing path: {shown}: {why}"


def _copied(value: Any) -> Any:
    """A later operation may change what an earlier one added, and the patch is used again."""
    return msgspec.json.decode(msgspec.json.encode(value)) if isinstance(value, dict | list) else value


def _from(operation: dict[str, Any]) -> str:
    source = operation.get("from")
    if not source or not isinstance(source, str):
        raise PatchFailed
    return source


def json_equal(one: Any, other: Any) -> bool:
    """Equal as JSON: ``1`` is neither ``true`` nor ``1.0``."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(json_equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(json_equal, one, other))
    return bool(one == other)


def split_pointer(path: str) -> list[str]:
    """The steps of a pointer. What stands before the first slash is passed over, as upstream's library does it."""
    if "/" not in path:
        raise PatchFailed
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


_POSITION: Final = re.compile("[+-]?[0-9]{1,18}")


def _index(step: str, length: int) -> int:
    """A position below ``length``; negative ones count from the end. :raises Invalid"""
    if not _POSITION.fullmatch(step):
        raise PatchFailed
    position = int(step)
    if position < 0:
        position += length
    if not 0 <= position < length:
        raise PatchFailed(f"Unable to access invalid index: {step}: invalid index referenced")
    return position


def _container(document: Any, path: str) -> tuple[Any, str]:
    """The map or list that holds the last step. :raises Invalid: there is none"""
    *steps, last = split_pointer(path)
    node = document
    for step in steps:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list):
            node = node[_index(step, len(node))]
        else:
            raise PatchFailed(_NO_PLACE)
    if not isinstance(node, dict | list):
        raise PatchFailed(_NO_PLACE)
    return node, last


def _get(document: Any, path: str) -> Any:
    if path == "":
        return document
    holder, last = _container(document, path)
    if isinstance(holder, dict):
        return holder.get(last, _MISSING)
    return holder[_index(last, len(holder))]


def _add(document: Any, path: str, value: Any) -> None:
    holder, last = _container(document, path)
    if isinstance(holder, dict):
        holder[last] = value
    elif last == "-":
        holder.append(value)
    else:
        holder.insert(_index(last, len(holder) + 1), value)


def _set(document: Any, path: str, value: Any) -> None:
    holder, last = _container(document, path)
    if isinstance(holder, dict):
        holder[last] = value
    else:
        holder[_index(last, len(holder))] = value


def _remove(document: Any, path: str) -> Any:
    holder, last = _container(document, path)
    if isinstance(holder, dict):
        if last not in holder:
            raise PatchFailed(f"Unable to remove nonexistent key: {last}: {_NO_PLACE}")
        return holder.pop(last)
    return holder.pop(_index(last, len(holder)))
