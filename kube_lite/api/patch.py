"""Patches: JSON patch (RFC 6902), merge patch (RFC 7386) and strategic merge, read once and applied to any object.

A patch is parsed when its request arrives and applied to whatever is stored, again each time somebody else was
faster; so applying changes neither the patch nor the object. Errors are those of upstream's
``apiserver/pkg/endpoints/handlers/patch.go``. Server-side apply is ``api/apply.py``.

    read(content_type, raw) -> Patch          raises BadRequest, UnsupportedMediaType, RequestEntityTooLarge
    Patch.apply(type, obj) -> patched object  raises BadRequest, Invalid
    Patch.undecodable(patched, why) -> Invalid   when the patched object does not fit its type
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kube_lite import errors
from kube_lite.api import body, strategic
from kube_lite.api.json_patch import (
    PatchFailed,
    apply_json_patch,
    json_equal,
    read_operations,
    split_pointer,
    unknown_members,
)
from kube_lite.errors import BadRequest, Invalid, UnsupportedMediaType
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


class Patch(msgspec.Struct):
    """A parsed patch of one of the three kinds; ``raw`` is its text."""

    media_type: str
    value: Any
    raw: bytes = b""
    duplicates: list[str] | None = None
    """Complaints about the patch itself; None until somebody has looked."""

    def strict_errors(self) -> list[str]:
        """Fields that occur twice in the patch itself, or that no operation of a JSON patch has.

        In upstream's words: ``duplicate field "spec.replicas"``, ``json patch unknown field "[0].foo"``.
        """
        if self.duplicates is None:
            unknown = unknown_members(self.value) if self.media_type == JSON_PATCH else []
            if not unknown and body.has_no_duplicates(self.raw, self.value):
                self.duplicates = []
            else:
                about = "json patch " if self.media_type == JSON_PATCH else ""
                self.duplicates = [about + told for told in body.strict_complaints(self.raw, unknown)]
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
        # only refusals show it, so the patch is read again, with its numbers as they were written
        given = json.loads(self.raw, parse_int=_literal, parse_float=_literal) if self.raw else self.value
        touched = _without_nulls(given) if self.media_type == MERGE_PATCH else _touched(self.value, given or [])
        shown = msgspec.json.encode(_as_merged(None if type_.custom else type_, patched, touched)).decode()
        for char in "<>&\u2028\u2029":
            shown = shown.replace(char, f"\\u{ord(char):04x}")
        return shown

    def undecodable(self, shown: str, why: str) -> Invalid:
        """The refusal when the patched object is not one of its type, or not strictly so.

        :param shown: what :meth:`text` makes of the patched object
        """
        return errors.invalid("", "", "", [invalid_field("patch", shown, why)])


def media_type(content_type: str) -> str:
    """The kind of patch that a header names, without parameters; upstream's router takes no capitals."""
    return content_type.partition(";")[0].strip()


def read(content_type: str, raw: bytes, accepted: Sequence[str] = BUILT_IN_PATCHES, strictly: bool = True) -> Patch:
    """Parse a patch of the kind that ``content_type`` names (not an apply patch).

    :param accepted: what this resource takes; custom resources take no strategic merge
    :param strictly: unless ``fieldValidation=Ignore``; complaints then are those of another parser
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
        return Patch(kind, read_operations(body.parse_json(raw), strictly), raw)
    try:
        value = body.parse_json(raw)
        if isinstance(value, list) and kind == MERGE_PATCH:
            # upstream's library merges a list into an object as that list, which is then no object
            why = f"couldn't get version/kind; json parse error: {body.not_an_object(value)}"
            raise errors.invalid("", "", "", [invalid_field("patch", msgspec.json.encode(value).decode(), why)])
        if value is None and kind == STRATEGIC_PATCH:
            value = {}
        if value is None:
            strictly = False  # it is a map to the strict parser, but none to merge
        if not isinstance(value, dict):
            raise BadRequest(f"json: cannot unmarshal {body.json_name(value)} into {_MAP}")
    except BadRequest as error:
        if kind == STRATEGIC_PATCH:
            ended = error.message == "unexpected end of JSON input"
            raise BadRequest(("unexpected EOF" if raw.strip() else "EOF") if ended else error.message) from None
        raise BadRequest(f"error decoding patch: {error.message}" if strictly else "Invalid JSON Patch") from None
    return Patch(kind, value, raw)


_MAP: Final = "Go value of type map[string]interface {}"


class _UnsupportedPatch(UnsupportedMediaType):
    def __init__(self) -> None:
        super().__init__("415: Unsupported Media Type")

    def to_status(self) -> dict[str, Any]:
        status = super().to_status()
        code = status.pop("code")
        return {**status, "details": {}, "code": code}


def _literal(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


class _Given(msgspec.Struct, frozen=True):
    """A value that a JSON patch puts somewhere: as parsed, and as written."""

    parsed: Any
    written: Any

    def parts(self) -> dict[str, Any]:
        """What is in it, by key or position."""
        if isinstance(self.parsed, dict) and isinstance(self.written, dict):
            return {key: _Given(value, self.written.get(key)) for key, value in self.parsed.items()}
        if isinstance(self.parsed, list) and isinstance(self.written, list):
            pairs = zip(self.parsed, self.written, strict=True)
            return {str(position): _Given(*pair) for position, pair in enumerate(pairs)}
        return {}


def _as_merged(type_: Type | None, patched: Any, touched: Any) -> Any:
    """``patched`` in the order upstream prints it: keys sorted where the patch has been, else those of Go's struct.

    :param touched: what the patch holds for this place as it was written; None where it has not been, a dict of what
        is inside by key or position where it has looked in
    """
    if isinstance(touched, msgspec.Raw):
        return touched
    if isinstance(touched, _Given):
        if json_equal(touched.parsed, patched):  # a later operation may have moved it
            return touched.written
        touched = None
    if isinstance(touched, list):
        touched = {str(position): value for position, value in enumerate(touched)}
    inside = touched if isinstance(touched, dict) else {}
    item = type_.item if type_ is not None else None
    if isinstance(patched, list):
        return [_as_merged(item, sub, inside.get(str(position))) for position, sub in enumerate(patched)]
    if not isinstance(patched, dict):
        return patched
    fields = type_.fields if type_ is not None else {}
    keys = sorted(patched)
    if not isinstance(touched, dict):
        keys = struct_order(type_, patched) if fields and type_ is not None else keys
    return {key: _as_merged(fields[key].type if key in fields else item, patched[key], inside.get(key)) for key in keys}


def _touched(operations: list[dict[str, Any]], written: list[Any]) -> dict[str, Any]:
    """The objects and lists that a JSON patch walks through, as nested dicts, and the values it puts there.

    :param written: the operations with their numbers as they were written
    """
    root: dict[str, Any] = {}
    for operation, as_written in zip(operations, written, strict=True):
        for name in ("path", "from"):
            path = operation.get(name)
            if not isinstance(path, str) or "/" not in path:
                continue
            node = root
            *steps, last = split_pointer(path)
            for step in steps:
                below = node.get(step)
                node[step] = below.parts() if isinstance(below, _Given) else below if below is not None else {}
                node = node[step]
            if name == "path" and operation.get("op") in ("add", "replace"):
                node[last] = _Given(operation.get("value"), as_written.get("value"))
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


def strict_error(problems: Sequence[str]) -> str:
    """The text of a strict decoding error over its parts."""
    return "strict decoding error: " + ", ".join(problems)
