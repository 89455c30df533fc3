"""Patches of a Scale. Applied to, it is merged and checked for conflicts as an object of its own.

Who owns the number of replicas is kept with the parent, so its owners are told in the Scale's words first
(``of_scale``), and what the merge makes of them in the parent's words again (``of_parent``), as upstream's
``managedfields/scalehandler.go`` does it. Owners by apply carry ``subresource: scale``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kube_lite import clock, errors
from kube_lite.api import apply, codec, patching
from kube_lite.api.apply import Obj, Writer
from kube_lite.api.http import decode_json, encode_json
from kube_lite.api.options import WriteOptions
from kube_lite.api.owners import Entry
from kube_lite.api.patch import STRATEGIC_PATCH, Patch
from kube_lite.api.target import Target
from kube_lite.resources import decode, schema
from kube_lite.resources.decode_complaints import told_by_converter
from kube_lite.resources.fieldset import SELF, Node, difference

API_VERSION: Final = "autoscaling/v1"
_IN_SCALE: Final = ("spec", "replicas")


def scale_type() -> schema.Type:
    """The type of a Scale."""
    return schema.type_of("io.k8s.api.autoscaling.v1.Scale")


def _only(path: Sequence[str]) -> Node:
    node: Node = {}
    for step in reversed(path):
        node = {f"f:{step}": node}
    return node


def _has(fields: Node, path: Sequence[str]) -> bool:
    node: Any = fields
    for step in path:
        node = node.get(f"f:{step}")
        if node is None:
            return False
    return not node or SELF in node


def _identity(entry: Entry) -> tuple[str, str, str]:
    return (entry.get("manager") or "", entry["operation"], entry.get("subresource") or "")


def of_scale(entries: Sequence[Entry], path: Sequence[str]) -> list[Entry]:
    """The owners of the field at ``path`` of the parent, as owners of a Scale's replicas."""
    owned = _only(_IN_SCALE)
    return [{**one, "apiVersion": API_VERSION, "fieldsV1": owned} for one in entries if _has(one["fieldsV1"], path)]


def of_parent(
    entries: Sequence[Entry], scale_entries: Sequence[Entry], path: Sequence[str], api_version: str
) -> list[Entry]:
    """The parent's owners once those of its Scale have become ``scale_entries``."""
    left = {_identity(one): one for one in scale_entries if _has(one["fieldsV1"], _IN_SCALE)}
    made: list[Entry] = []
    for one in entries:
        if _has(one["fieldsV1"], path) and left.pop(_identity(one), None) is None:
            fields = difference(one["fieldsV1"], _only(path))
            made += [{**one, "fieldsV1": fields}] if fields else []
        else:
            made.append(one)
    made += [{**one, "apiVersion": api_version, "fieldsV1": _only(path)} for one in left.values()]
    made.sort(key=lambda e: (e["operation"], e.get("time") or "", *_identity(e)))
    return made


class ScaleApplied:
    """One applied Scale, laid over the stored one as often as the swap needs it.

    :param path: where the parent keeps the number of replicas
    :param api_version: the parent's
    """

    def __init__(self, value: Obj, wanted: WriteOptions, path: Sequence[str], api_version: str) -> None:
        self._config = value
        self._force = wanted.force
        self._writer = Writer(wanted.field_manager, API_VERSION, clock.timestamp(), "scale")
        self._path = path
        self._api_version = api_version
        self._entries: list[Entry] = []

    def onto(self, scale: Obj, parent: Obj) -> Obj:
        """The configuration merged into the Scale of a parent.

        :raises BadRequest: it does not fit the type
        :raises Conflict: it changes what others own
        """
        owners = parent["metadata"].get("managedFields") or []
        live = {**scale, "metadata": {**scale["metadata"], "managedFields": of_scale(owners, self._path)}}
        outcome = apply.apply(scale_type(), live, self._config, self._writer, self._force)
        self._entries = of_parent(owners, outcome.entries, self._path, self._api_version)
        try:
            return decode.decode(scale_type(), decode_json(encode_json(outcome.obj))).obj
        except decode.DecodeError as error:
            raise errors.BadRequest(f'Scale in version "v1" cannot be handled as a Scale: {error}') from error

    def manage(self, old: Obj, new: Obj) -> list[Entry]:
        """The owners that the merge found."""
        return self._entries


def patched(target: Target, change: Patch, scale: Obj, wanted: WriteOptions, warnings: list[str]) -> Obj:
    """A Scale with a patch carried out.

    :raises Invalid: it is no Scale any more
    :raises BadRequest: it has another name
    :raises Conflict: it is meant for an earlier object of the same name
    """
    type_ = scale_type()
    merged = {"kind": "Scale", **change.apply(type_, scale)}

    def text() -> str:
        return change.text(type_, merged)

    strategic = change.media_type == STRATEGIC_PATCH
    if not strategic:
        if (unreadable := patching.unreadable_kind(merged)) != "":
            raise change.undecodable(text(), unreadable)
        kind, version = merged["kind"] or "Scale", merged.get("apiVersion") or ""
        if not version:
            raise patching.undeterminable(target)
        if (kind, version) != ("Scale", API_VERSION):
            raise change.undecodable(text(), codec.unregistered(kind, version))
    try:
        result = decode.decode(type_, decode_json(encode_json(merged)), None if strategic else lambda: text().encode())
    except decode.DecodeError as error:
        told = told_by_converter(type_, merged) if strategic else ""
        raise change.undecodable(text(), told or str(error)) from error
    patching.check_strictly(type_, change, merged, result, wanted, warnings)
    patching.check_identity(target, result.obj)
    uid, stored = result.obj["metadata"].get("uid"), scale["metadata"].get("uid")
    if uid and uid != stored:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored}"
        raise errors.conflict(f"{target.resource.plural}/scale", target.resource.group, target.name, why)
    return result.obj
