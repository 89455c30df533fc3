"""Patches: JSON patch (RFC 6902), merge patch (RFC 7386) and strategic merge, read once and applied to any object.

A patch is parsed when its request arrives and applied to whatever is stored, again each time somebody else was
faster; so applying changes neither the patch nor the object. Errors are those of upstream's
``apiserver/pkg/endpoints/handlers/patch.go``. Server-side apply is ``api/apply.py``.

    read(content_type, raw) -> Patch          raises BadRequest, UnsupportedMediaType, RequestEntityTooLarge
    Patch.apply(type, obj) -> patched object  raises BadRequest, Invalid
    Patch.undecodable(patched, why) -> Invalid   when the patched object does not fit its type
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from kube_lite import errors
from kube_lite.api import body, strategic
from kube_lite.errors import BadRequest, Invalid, RequestEntityTooLarge, UnsupportedMediaType
from kube_lite.resources.field import invalid as invalid_field
from kube_lite.resources.go.structs import struct_order
from kube_lite.resources.schema import Type

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"

BUILT_IN_PATCHES: Final = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)
CUSTOM_PATCHES: Final = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
"""Custom resources have no merge keys, so no strategic merge."""

MAX_OPERATIONS: Final = 10_000
"""Operations in one JSON patch; upstream's limit."""

MAX_COPY: Final = 3 * 1024 * 1024
"""Bytes by which the copies of one JSON patch may grow an object; upstream's limit."""

REJECTED: Final = "the server rejected our request due to an error in our request"


class PatchFailed(Invalid):
    """The patch cannot be applied to this object (422), e.g. a failed ``test``."""

    def __init__(self) -> None:
        super().__init__(REJECTED)

    def to_status(self) -> dict[str, Any]:
        """With the empty details that upstream sends."""
        status = super().to_status()
        code = status.pop("code")
        return {**status, "details": {}, "code": code}


@dataclass(slots=True)
class Patch:
    """A parsed patch of one of the three kinds; ``raw`` is its text."""

    media_type: str
    value: Any
    raw: bytes = b""
    duplicates: list[str] | None = field(default=None, repr=False)
    """Complaints about fields that occur twice in the patch itself; None until somebody has looked."""

    def strict_errors(self) -> list[str]:
        """Fields that occur twice in the patch itself: ``duplicate field "spec.replicas"``."""
        if self.duplicates is None and body.has_no_duplicates(self.raw, self.value):
            self.duplicates = []
        if self.duplicates is None:
            self.duplicates = [f'duplicate field "{path}"' for path in body.duplicate_fields(self.raw)]
        return self.duplicates

    def apply(self, type_: Type, obj: dict[str, Any]) -> dict[str, Any]:
        """The patched object; it may share parts with ``obj``, which stays as it was.

        :raises BadRequest: a strategic merge that does not fit the type
        :raises Invalid: a JSON patch that cannot be carried out
        """
        if self.media_type == JSON_PATCH:
            return apply_json_patch(self.value, obj)
        if self.media_type == MERGE_PATCH:
            merged = merge_patch(obj, self.value)
            assert isinstance(merged, dict)
            return merged
        try:
            return strategic.merge(type_, obj, self.value)
        except strategic.ListOfLists:
            raise PatchFailed from None

    def text(self, type_: Type, patched: dict[str, Any]) -> str:
        """The patched object as messages show it; a strategic merge shows the patch instead."""
        if self.media_type == STRATEGIC_PATCH:
            return strategic.go_text(self.value)
        touched = self.value if self.media_type == MERGE_PATCH else _touched(self.value)
        shown = msgspec.json.encode(_as_merged(None if type_.custom else type_, patched, touched)).decode()
        for char in "<>&":
            shown = shown.replace(char, f"\\u{ord(char):04x}")
        return shown

    def undecodable(self, shown: str, why: str) -> Invalid:
        """The refusal when the patched object is not one of its type, or not strictly so.

        :param shown: what :meth:`text` makes of the patched object
        """
        return errors.invalid("", "", "", [invalid_field("patch", shown, why)])


def media_type(content_type: str) -> str:
    """The kind of patch that a header names, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def read(content_type: str, raw: bytes, accepted: Sequence[str] = BUILT_IN_PATCHES) -> Patch:
    """Parse a patch of the kind that ``content_type`` names (not an apply patch).

    :param accepted: what this resource takes; custom resources take no strategic merge
    """
    kind = media_type(content_type)
    if kind not in BUILT_IN_PATCHES and accepted is BUILT_IN_PATCHES:
        raise _UnsupportedPatch()  # by upstream's router, which custom resources do not pass
    if kind not in accepted:
        offered = ", ".join(accepted)
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {offered}"
        )
    if kind == JSON_PATCH:
        return Patch(kind, _operations(body.parse_json(raw)), raw)
    if kind == MERGE_PATCH:
        try:
            value = body.parse_json(raw)
        except BadRequest as error:
            raise BadRequest(f"error decoding patch: {error.message}") from None
    else:
        try:
            value = body.parse_json(raw)
        except BadRequest as error:
            ended = error.message == "unexpected end of JSON input"
            raise BadRequest(("unexpected EOF" if raw.strip() else "EOF") if ended else error.message) from None
        value = {} if value is None else value
    if isinstance(value, list) and kind == MERGE_PATCH:
        # upstream's library merges a list into an object as that list, which is then no object
        why = f"couldn't get version/kind; json parse error: {body.not_an_object(value)}"
        raise errors.invalid("", "", "", [invalid_field("patch", msgspec.json.encode(value).decode(), why)])
    if not isinstance(value, dict):
        name = body.json_name(value) if value is not None else "null"
        raise BadRequest(f"json: cannot unmarshal {name} into Go value of type map[string]interface {{}}")
    return Patch(kind, value, raw)


class _UnsupportedPatch(UnsupportedMediaType):
    def __init__(self) -> None:
        super().__init__("415: Unsupported Media Type")

    def to_status(self) -> dict[str, Any]:
        status = super().to_status()
        code = status.pop("code")
        return {**status, "details": {}, "code": code}


def _as_merged(type_: Type | None, patched: Any, touched: Any) -> Any:
    """``patched`` in the order upstream prints it: keys sorted where the patch has been, else those of Go's struct.

    :param touched: objects within objects, by key or position, that the patch has looked into; None where it has not,
        a list where it gave all there is
    """
    whole = isinstance(touched, list)
    inside = touched if isinstance(touched, dict) else {}
    item = type_.item if type_ is not None else None
    if isinstance(patched, list):
        looked = [touched if whole else inside.get(str(position)) for position in range(len(patched))]
        return [_as_merged(item, sub, seen) for sub, seen in zip(patched, looked, strict=True)]
    if not isinstance(patched, dict):
        return patched
    fields = type_.fields if type_ is not None else {}
    keys = sorted(patched)
    if touched is None or not isinstance(touched, dict | list):
        keys = struct_order(type_, patched) if fields and type_ is not None else keys
    return {
        key: _as_merged(
            fields[key].type if key in fields else item, patched[key], touched if whole else inside.get(key)
        )
        for key in keys
    }


def _touched(operations: list[dict[str, Any]]) -> dict[str, Any]:
    """The objects and lists that a JSON patch walks through, as nested dicts."""
    root: dict[str, Any] = {}
    for operation in operations:
        for name in ("path", "from"):
            path = operation.get(name)
            if isinstance(path, str) and "/" in path:
                node = root
                for step in _steps(path)[:-1]:
                    node = node.setdefault(step, {})
    return root


# ---- merge patch


def merge_patch(target: Any, patch: Any) -> Any:
    """``target`` with an RFC 7386 patch applied; null removes.

    Beyond the RFC, nulls in lists go too, as in the library that upstream uses.
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        current = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(current, dict) and isinstance(value, dict):
            merged[key] = merge_patch(current, value)
        else:
            merged[key] = _without_nulls(value)
    return merged


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(sub) for key, sub in value.items() if sub is not None}
    if isinstance(value, list):
        return [_without_nulls(sub) for sub in value if sub is not None]
    return value


# ---- JSON patch


def _operations(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        name = body.json_name(value)
        raise BadRequest(f"json: cannot unmarshal {name} into Go value of type jsonpatch.Patch")
    operations: list[Any] = [{} if operation is None else operation for operation in value]
    for operation in operations:
        if not isinstance(operation, dict):
            name = body.json_name(operation)
            raise BadRequest(f"json: cannot unmarshal {name} into Go value of type jsonpatch.Operation")
    if len(operations) > MAX_OPERATIONS:
        raise RequestEntityTooLarge(
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        )
    return operations


_MISSING: Final = object()


def apply_json_patch(operations: Sequence[dict[str, Any]], obj: dict[str, Any]) -> dict[str, Any]:
    """A copy of ``obj`` with the operations carried out in order, or none of them. :raises Invalid"""
    document = msgspec.json.decode(msgspec.json.encode(obj))
    budget = MAX_COPY
    for operation in operations:
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
            budget -= len(text)
            if budget < 0:
                raise RequestEntityTooLarge(f"the copies of the patch add more than {MAX_COPY} bytes")
            _add(document, path, msgspec.json.decode(text))
        elif name == "test":
            found = _get(document, path)
            if not _same(None if found is _MISSING else found, operation.get("value")):
                raise PatchFailed
        else:
            raise PatchFailed
    if not isinstance(document, dict):
        raise PatchFailed
    return document


def _copied(value: Any) -> Any:
    """A later operation may change what an earlier one added, and the patch is used again."""
    return msgspec.json.decode(msgspec.json.encode(value)) if isinstance(value, dict | list) else value


def _from(operation: dict[str, Any]) -> str:
    source = operation.get("from")
    if not source or not isinstance(source, str):
        raise PatchFailed
    return source


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: ``1`` is neither ``true`` nor ``1.0``."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _steps(path: str) -> list[str]:
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
        raise PatchFailed
    return position


def _container(document: Any, path: str) -> tuple[Any, str]:
    """The map or list that holds the last step. :raises Invalid: there is none"""
    *steps, last = _steps(path)
    node = document
    for step in steps:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list):
            node = node[_index(step, len(node))]
        else:
            raise PatchFailed
    if not isinstance(node, dict | list):
        raise PatchFailed
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
            raise PatchFailed
        return holder.pop(last)
    return holder.pop(_index(last, len(holder)))


def strict_error(problems: Sequence[str]) -> str:
    """The text of a strict decoding error over its parts."""
    return "strict decoding error: " + ", ".join(problems)
