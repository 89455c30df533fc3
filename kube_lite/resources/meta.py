"""Object metadata: the typed view that in-process parts read, and small readers for plain dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import msgspec

Obj = dict[str, Any]
"""A whole object on the generic path: decoded JSON."""


class View(msgspec.Struct, frozen=True, rename="camel", kw_only=True, gc=False):
    """Base of typed views. A view names only what somebody reads, so it is never written back whole."""


class OwnerReference(View, frozen=True):
    """Who an object belongs to."""

    kind: str
    name: str
    uid: str
    api_version: str = ""
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(View, frozen=True):
    """The part of ``metadata`` that in-process parts read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    generate_name: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: list[str] = []
    owner_references: list[OwnerReference] = []

    @property
    def key(self) -> str:
        """``namespace/name``, or ``name`` for cluster-scoped objects: what work queues hold."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that manages this object, if any."""
        return next((owner for owner in self.owner_references if owner.controller), None)


class ObjectView(View, frozen=True):
    """Base of the views of whole objects."""

    metadata: ObjectMeta = ObjectMeta()
    kind: str = ""
    api_version: str = ""


class LabelSelectorRequirement(View, frozen=True):
    """One ``matchExpressions`` entry."""

    key: str
    operator: str
    values: list[str] = []


class LabelSelector(View, frozen=True):
    """``spec.selector`` of workloads; matched by ``selectors.matches``."""

    match_labels: dict[str, str] = {}
    match_expressions: list[LabelSelectorRequirement] = []


def metadata(obj: MutableMapping[str, Any]) -> Obj:
    """``obj.metadata``, made when missing."""
    meta: Obj = obj.setdefault("metadata", {})
    return meta


def name_of(obj: Mapping[str, Any]) -> str:
    """``metadata.name`` or ''."""
    return str((obj.get("metadata") or {}).get("name") or "")


def namespace_of(obj: Mapping[str, Any]) -> str:
    """``metadata.namespace`` or ''."""
    return str((obj.get("metadata") or {}).get("namespace") or "")


def uid_of(obj: Mapping[str, Any]) -> str:
    """``metadata.uid`` or ''."""
    return str((obj.get("metadata") or {}).get("uid") or "")


def dig(obj: Any, *path: str | int, default: Any = None) -> Any:
    """The value at ``path``, or ``default`` where the path ends early or holds null."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(obj, list) or not -len(obj) <= step < len(obj):
                return default
            obj = obj[step]
        else:
            if not isinstance(obj, dict):
                return default
            obj = obj.get(step)
        if obj is None:
            return default
    return obj


def without_nulls(value: Any) -> Any:
    """The value without fields that are null: itself where it has none, else a copy."""
    kind = type(value)
    if kind not in _CONTAINERS or b":null" not in _encode(value):  # a tenth of the time of looking at every field
        return value
    return _dict_without_nulls(value) if kind is dict else _list_without_nulls(value)


def _dict_without_nulls(value: Obj) -> Obj:
    made: Obj = {}
    for key, each in value.items():
        kind = type(each)
        if kind is dict:
            made[key] = each if key == "fieldsV1" else _dict_without_nulls(each)  # sets of fields hold no nulls
        elif kind is list:
            made[key] = _list_without_nulls(each)
        elif each is not None:
            made[key] = each
    return made


def _list_without_nulls(value: list[Any]) -> list[Any]:
    return [
        _dict_without_nulls(each) if type(each) is dict else _list_without_nulls(each) if type(each) is list else each
        for each in value
    ]


_CONTAINERS = (dict, list)
_encode = msgspec.json.Encoder().encode
