"""From a CustomResourceDefinition to the resources it stands for, one for each version.

Everything that can be worked out from a schema is worked out here, once: the type that decoding and merging read,
the check, the defaults, the rules, the columns. What is left for a request is calling them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from kube_lite.api import conversion
from kube_lite.api.admission.plugin import Objects
from kube_lite.api.admission.webhook_call import WebhookCaller
from kube_lite.api.http import decode_json, encode_json
from kube_lite.resources import decode
from kube_lite.resources import schema as schemas
from kube_lite.resources.ages import age
from kube_lite.resources.columns import cell, simple_path
from kube_lite.resources.custom_schema import from_openapi
from kube_lite.resources.field import Errors, invalid
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.metadata import finalizer_warnings
from kube_lite.resources.registry import NAME_COLUMN, SCALE, Cells, Column, Resource, ScalePaths, Subresource, status
from kube_lite.resources.structural.defaults import Fill, compile_defaults, has_defaults
from kube_lite.resources.structural.embedded import compile_embedded
from kube_lite.resources.structural.list_types import compile_lists
from kube_lite.resources.structural.problems import BLOCKING, Check, Problem
from kube_lite.resources.structural.ratchet import unchanged
from kube_lite.resources.structural.replicas import validate_scale
from kube_lite.resources.structural.rules import Rules, compile_rules
from kube_lite.resources.structural.validate import compile_check
from kube_lite.resources.structural.walk import Walk
from kube_lite.resources.unpruned import keeping_unknown

NOT_CHECKED: Final = invalid(
    "<nil>",
    None,
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation",
)


class Version(msgspec.Struct, frozen=True):
    """One version of a definition, compiled."""

    resource: Resource
    served: bool


class _Compiled(msgspec.Struct, frozen=True):
    """The closures of one version's schema."""

    openapi: Mapping[str, Any]
    has_status: bool
    check: Check
    fill: Fill | None
    rules: Rules | None
    embedded: Walk | None
    lists: Walk | None
    selectable: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)
    scale: ScalePaths | None = None
    let_be: list[str] = msgspec.field(default_factory=list)
    """What the last validation let be, since it was wrong before: warned of at once, nothing comes between."""

    def default(self, obj: Obj) -> None:
        """Fill in defaults below the metadata."""
        if self.fill is not None:
            self.fill(obj)

    def prepare_create(self, obj: Obj) -> None:
        """Status is not the author's when it has a subresource; generations begin at 1."""
        if self.has_status:
            obj.pop("status", None)
        obj["metadata"]["generation"] = 1

    def prepare_update(self, new: Obj, old: Obj) -> None:
        """As in upstream, generation counts changes of everything but metadata, and status where it stands alone."""
        if self.has_status:
            if "status" in old:
                new["status"] = old["status"]
            else:
                new.pop("status", None)
        if {k: v for k, v in new.items() if k != "metadata"} != {k: v for k, v in old.items() if k != "metadata"}:
            new["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1

    def prepare_status(self, new: Obj, old: Obj) -> None:
        """A write to ``/status`` changes status and managedFields, nothing else."""
        kept = {k: v for k, v in old.items() if k != "status"}
        metadata = dict(old["metadata"])
        for name in ("managedFields", "resourceVersion"):
            metadata.pop(name, None)
            if name in new["metadata"]:
                metadata[name] = new["metadata"][name]
        given = new.get("status")
        has_status = "status" in new
        new.clear()
        new.update(kept)
        new["metadata"] = metadata
        if has_status:
            new["status"] = given

    def validate(self, obj: Obj) -> Errors:
        """Schema, then rules."""
        return self._validate(obj, None)

    def validate_update(self, new: Obj, old: Obj) -> Errors:
        """The same; what was wrong before and has not changed is let be."""
        return self._validate(new, old)

    def _validate(self, obj: Obj, old: Obj | None) -> Errors:
        self.let_be.clear()
        problems: list[Problem] = []
        self.check(obj, None, problems)
        if problems and old is not None:
            problems = [p for p in problems if not unchanged(p.at, self.openapi, obj, old)]
        found = [p.error for p in problems]
        if self.scale is not None:
            found.extend(validate_scale(obj, self.scale))
        if self.embedded is not None:
            self.embedded(obj, "", found)
        if self.lists is not None and not (old is not None and self._lists_of(old)):
            found.extend(self._lists_of(obj))
        if self.rules is not None:
            if any(p.blocking for p in problems) or any(error.reason in BLOCKING for error in found):
                found.append(NOT_CHECKED)
            else:
                found.extend(self.rules.validate(obj, old, self.let_be))
        return found

    def warnings(self, new: Obj, old: Obj | None) -> list[str]:
        """What is told of a valid object: finalizers that others could take for theirs, and what was let be."""
        return [*finalizer_warnings(new, old), *self.let_be]

    def _lists_of(self, obj: Obj) -> Errors:
        found: Errors = []
        if self.lists is not None:
            self.lists(obj, "", found)
        return found

    def fields(self, obj: Obj) -> dict[str, str]:
        """The values of selectable fields; a missing one is empty."""
        return {label: _selected(dig(obj, *path)) for label, path in self.selectable.items()}


def _selected(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def served_names(crd: Obj) -> Obj:
    """The names under which a definition is served: those accepted, else those it asks for."""
    spec, accepted = crd["spec"], (crd.get("status") or {}).get("acceptedNames") or {}
    names: Obj = (
        {**spec["names"], **{k: v for k, v in accepted.items() if v}} if accepted.get("kind") else spec["names"]
    )
    return names


def versions_of(crd: Obj, caller: WebhookCaller, objects: Objects) -> list[Version]:
    """Every version of a definition, served or not, in the order of the definition."""
    wanted = crd["spec"].get("versions") or ()
    types = {v["name"]: from_openapi(_openapi(crd, v)) for v in wanted}
    webhook = _pruning(conversion.webhook_of(crd, caller, objects), types)
    fill = _stored_defaults(crd)
    return [_version(crd, version, types, webhook, fill) for version in wanted]


def _pruning(webhook: conversion.Convert | None, types: Mapping[str, schemas.Type]) -> conversion.Convert | None:
    """A conversion without what the version that is converted to does not know."""
    if webhook is None:
        return None
    asked = webhook

    async def convert(given: Sequence[Obj], wanted: str) -> list[Obj]:
        type_ = types[wanted.rpartition("/")[2]]
        found = await asked(given, wanted)
        return [new if new is old else decode.decode(type_, new).obj for old, new in zip(given, found, strict=True)]

    return convert


def _stored_defaults(crd: Obj) -> Fill | None:
    """What fills in defaults of the version in which an object is kept; None when none can be missing there.

    They can be where the definition has changed, and where objects may be written in another version than they are
    kept in: defaults are filled in as an object comes, and as it is read from the store, both in the version it is of.
    """
    versions = crd["spec"].get("versions") or ()
    if len(versions) == 1 and int(crd["metadata"].get("generation") or 1) == 1:
        return None
    compiled = {
        f"{crd['spec']['group']}/{version['name']}": compile_defaults(openapi)
        for version in versions
        if has_defaults(openapi := _openapi(crd, version))
    }
    if not compiled:
        return None

    def fill(obj: Obj) -> None:
        of_version = compiled.get(obj["apiVersion"])
        if of_version is not None:
            of_version(obj)

    return fill


def _openapi(crd: Obj, version: Obj) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (version.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"}
    return keeping_unknown(found) if crd["spec"].get("preserveUnknownFields") else found


def _version(
    crd: Obj,
    version: Obj,
    types: Mapping[str, schemas.Type],
    webhook: conversion.Convert | None,
    fill: Fill | None,
) -> Version:
    spec = crd["spec"]
    names = served_names(crd)
    stored = next((v["name"] for v in spec["versions"] if v.get("storage")), version["name"])
    openapi = _openapi(crd, version)
    subresources = version.get("subresources") or {}
    selectable = {
        f["jsonPath"].removeprefix("."): tuple(simple_path(f["jsonPath"]))
        for f in version.get("selectableFields") or ()
    }
    compiled = _Compiled(
        openapi=openapi,
        has_status="status" in subresources,
        check=compile_check(openapi),
        fill=compile_defaults(openapi),
        rules=compile_rules(openapi),
        embedded=compile_embedded(openapi),
        lists=compile_lists(openapi),
        selectable=selectable,
        scale=_scale(subresources.get("scale")),
    )
    columns, row = _columns(version)
    resource = Resource(
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular") or "",
        list_kind=names.get("listKind") or "",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        group=spec["group"],
        version=version["name"],
        namespaced=spec.get("scope") == "Namespaced",
        custom=True,
        schema=types[version["name"]],
        openapi=openapi,
        subresources=_subresources(subresources, compiled),
        scale=compiled.scale,
        default=compiled.default,
        prepare_create=compiled.prepare_create,
        prepare_update=compiled.prepare_update,
        validate=compiled.validate,
        validate_update=compiled.validate_update,
        warnings=compiled.warnings,
        laborious=compiled.rules is not None and compiled.rules.has_nested_loops,
        generation=False,
        allow_unconditional_update=False,
        columns=columns,
        row=row,
        selectable=compiled.fields,
        selectable_names=tuple(selectable),
        storage_version="" if stored == version["name"] else stored,
        deprecation=_deprecation(crd, version),
        webhook=webhook,
        fill_stored=fill if webhook is not None else None,
        **_conversions(crd, version, types, stored, None if webhook is not None else fill),
    )
    return Version(resource, bool(version.get("served")))


def _conversions(
    crd: Obj, version: Obj, types: Mapping[str, schemas.Type], stored: str, fill: Fill | None
) -> dict[str, Any]:
    """How stored objects become those of a version: with the defaults of their own, pruned by its schema."""
    group, name = crd["spec"]["group"], version["name"]
    found: dict[str, Any] = {"late_defaults": fill is not None}
    if len(types) == 1 and fill is None:
        return found
    api_version = f"{group}/{name}"
    storage_version = f"{group}/{stored}"

    def from_storage(obj: Obj) -> Obj:
        if fill is not None:
            fill(obj)
        if obj["apiVersion"] != api_version:
            obj = {**decode.decode(types[name], obj).obj, "apiVersion": api_version}
        return obj

    def to_storage(obj: Obj) -> Obj:
        if obj["apiVersion"] == storage_version:
            return obj
        copied = decode_json(encode_json(obj))
        return {**decode.decode(types[stored], copied).obj, "apiVersion": storage_version}

    found["convert_from_storage"] = from_storage
    if stored != name:
        found["convert_to_storage"] = to_storage
    return found


def _deprecation(crd: Obj, version: Obj) -> str:
    if not version.get("deprecated"):
        return ""
    spec = crd["spec"]
    plain = f"{spec['group']}/{version['name']} {spec['names']['kind']} is deprecated"
    return version.get("deprecationWarning") or plain


def _subresources(wanted: Mapping[str, Any], compiled: _Compiled) -> dict[str, Subresource]:
    found: dict[str, Subresource] = {}
    if "status" in wanted:
        found["status"] = status(prepare=compiled.prepare_status, validate=compiled.validate_update)
    if "scale" in wanted:
        found["scale"] = SCALE
    return found


def _scale(wanted: Mapping[str, Any] | None) -> ScalePaths | None:
    if wanted is None:
        return None
    return ScalePaths(
        spec_replicas=wanted.get("specReplicasPath", ""),
        status_replicas=wanted.get("statusReplicasPath", ""),
        selector=wanted.get("labelSelectorPath", ""),
    )


def _columns(version: Obj) -> tuple[tuple[Column, ...], Callable[[Obj, datetime], Cells]]:
    wanted = version.get("additionalPrinterColumns")
    if not wanted:
        column = Column("Age", type="date")

        def name_and_age(obj: Obj, now: datetime) -> Cells:
            return [obj["metadata"].get("name", ""), age(obj, now)]

        return (NAME_COLUMN, column), name_and_age
    columns = [NAME_COLUMN]
    cells = []
    for one in wanted:
        path = one["jsonPath"]
        described = one.get("description") or f"Custom resource definition column (in JSONPath format): {path}"
        columns.append(
            Column(one["name"], one.get("type", "string"), one.get("format", ""), described, one.get("priority", 0))
        )
        cells.append(cell(path, one.get("type", "string")))

    def row(obj: Obj, now: datetime) -> Cells:
        return [obj["metadata"].get("name", ""), *(make(obj, now) for make in cells)]

    return tuple(columns), row
