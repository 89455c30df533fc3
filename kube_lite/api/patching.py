"""PATCH: the three patch types over the stored object, and server-side apply."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from kube_lite import errors
from kube_lite.api import body as bodies
from kube_lite.api import codec, managed, patch
from kube_lite.api.apply import LAST_APPLIED
from kube_lite.api.http import Request, decode_json, encode_json
from kube_lite.api.large import beside
from kube_lite.api.manner import Manner, Written
from kube_lite.api.options import WriteOptions
from kube_lite.api.target import Target, missing
from kube_lite.api.verbs import Verbs
from kube_lite.api.write_checks import no_revision
from kube_lite.client.protocol import APPLY_PATCH
from kube_lite.resources import decode, schema
from kube_lite.resources.decode_complaints import told_by_converter
from kube_lite.resources.field import invalid, required
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource

KUBECTL: Final = "kubectl"
"""The field manager whose server-side apply also keeps the note of client-side apply."""


async def patch_object(verbs: Verbs, target: Target, request: Request, raw: bytes, wanted: WriteOptions) -> Written:
    """Apply the patch in a request body to one object.

    :raises NotFound: there is no such object (server-side apply creates it)
    :raises UnsupportedMediaType: not a patch type of this resource
    """
    bodies.check_size(raw)
    media = patch.media_type(request.header("content-type"))
    if media == APPLY_PATCH:
        return await _apply(verbs, target, request, raw, wanted)
    try:
        change = await beside(len(raw), _read, target, media, raw, wanted)
    except (errors.BadRequest, errors.Invalid):
        # what there is to patch is looked for first
        if verbs.storage.item(target.resource, target.namespace, target.name) is None:
            raise missing(target.resource, target.name) from None
        raise
    if request.own:
        change.duplicates = []
    named = change.value.get("metadata") if isinstance(change.value, dict) else None
    pinned = isinstance(named, dict) and bool(named.get("resourceVersion"))

    async def patched(old: Obj) -> Obj:
        size = len(raw) + stored_size(verbs, target)
        return await beside(size, patch_once, target, change, old, wanted, request.warnings)

    return await verbs.guaranteed_update(target, patched, request.user, wanted, request.warnings, Manner(pinned=pinned))


def stored_size(verbs: Verbs, target: Target) -> int:
    """Bytes of the object that is there, 0 where none is."""
    item = verbs.storage.item(target.resource, target.namespace, target.name)
    return 0 if item is None else len(item.value)


def _read(target: Target, media: str, raw: bytes, wanted: WriteOptions) -> patch.Patch:
    accepted = patch.CUSTOM_PATCHES if target.resource.custom else patch.BUILT_IN_PATCHES
    return patch.read(media, raw, accepted, wanted.field_validation != "Ignore")


def patch_once(target: Target, change: patch.Patch, old: Obj, wanted: WriteOptions, warnings: list[str]) -> Obj:
    """The patched object, decoded by its schema. :raises Invalid: the result is not one of its kind"""
    resource = target.resource
    type_ = codec.type_of(resource)
    try:
        merged = change.apply(type_, old)
        # a patch may share parts with what it patches, and hooks change the result in place
        new, put_back = _own_copy(target, merged, old)
    except RecursionError as error:
        raise errors.BadRequest("the patch is nested too deeply") from error
    _check_kind(target, change, new, merged)
    quoted = not resource.custom and change.media_type != patch.STRATEGIC_PATCH
    try:
        result = decode.decode(type_, new, (lambda: change.text(type_, merged).encode()) if quoted else None)
    except decode.DecodeError as error:
        told = told_by_converter(type_, merged) if change.media_type == patch.STRATEGIC_PATCH else ""
        raise change.undecodable(change.text(type_, merged), told or str(error)) from error
    check_strictly(type_, change, merged, result, wanted, warnings)
    result.obj.setdefault("metadata", {})
    check_identity(target, result.obj)
    if not resource.allow_unconditional_update and result.obj["metadata"].get("resourceVersion") in (None, "", "0"):
        raise no_revision(target)
    put_back(result.obj)
    return result.obj


def check_strictly(
    type_: schema.Type,
    change: patch.Patch,
    merged: Obj,
    result: decode.DecodeResult,
    wanted: WriteOptions,
    warnings: list[str],
) -> None:
    """Tell of fields that a patch has twice or that its result does not know.

    :param merged: the patched object, of which ``result`` was decoded
    :raises Invalid: with ``fieldValidation=Strict``
    """
    complaints = [*change.strict_errors(), *result.strict_errors]
    if complaints and wanted.field_validation == "Strict":
        raise change.undecodable(change.text(type_, merged), patch.strict_error(complaints))
    if complaints and wanted.field_validation == "Warn":
        warnings.extend(complaints)


def _check_kind(target: Target, change: patch.Patch, new: Obj, merged: Obj) -> None:
    """Refuse a patched object that has become one of another kind, or fill in what a patch took away.

    :param merged: the object as it is shown
    """
    resource = target.resource
    if change.media_type == patch.STRATEGIC_PATCH:
        # upstream merges into a value of the kind's own Go type, so whatever the patch says of it is lost
        for name, value in (("kind", resource.kind), ("apiVersion", resource.api_version)):
            if isinstance(new.get(name), str) or new.get(name) is None:
                new[name] = value
        return
    if not resource.custom and new.get("kind") in (None, ""):
        new["kind"] = resource.kind
    kind, version = new.get("kind"), new.get("apiVersion")
    if (kind, version) == (resource.kind, resource.api_version):
        return
    if not resource.custom and version in (None, ""):
        raise undeterminable(target)
    if resource.custom and kind and version and isinstance(kind, str) and isinstance(version, str):
        group = version.rpartition("/")[0]
        wrong = [] if kind == resource.kind else [invalid("kind", kind, f"must be {resource.kind}")]
        if version != resource.api_version:
            wrong.append(invalid("apiVersion", version, f"must be {resource.api_version}"))
        raise errors.invalid(kind, group, target.name, wrong)
    text = change.text(codec.type_of(resource), merged)
    raise change.undecodable(text, _wrong_kind(resource, change, text, new))


def undeterminable(target: Target) -> errors.BadRequest:
    """The refusal of a patched object that has lost its name or its version."""
    return errors.BadRequest(
        f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
    )


def _own_copy(target: Target, merged: Obj, old: Obj) -> tuple[Obj, Callable[[Obj], None]]:
    """A copy of what the patch may have changed, and what adds the rest, which is good as it is, once that is decoded.

    The rest is the owners of fields, and the spec when the status is written, which takes no other spec anyway.
    """
    kept: Obj = {}
    status = target.subresource is not None and target.subresource.name == "status"
    if status and "spec" in old and merged.get("spec") is old["spec"]:
        kept["spec"] = old["spec"]
    metadata, owners = merged.get("metadata"), old["metadata"].get("managedFields")
    copied = {key: value for key, value in merged.items() if key not in kept}
    bare: Obj | None = None
    if owners is not None and isinstance(metadata, dict) and metadata.get("managedFields") is owners:
        bare = copied["metadata"] = {key: value for key, value in metadata.items() if key != "managedFields"}

    def put_back(new: Obj) -> None:
        new.update(kept)
        if bare is not None:
            new["metadata"]["managedFields"] = owners

    return decode_json(encode_json(copied)), put_back


def unreadable_kind(new: Obj) -> str:
    """What Go says of an object whose kind or version is no text, '' where both are."""
    for name in ("apiVersion", "kind"):
        given = new.get(name)
        if given is not None and not isinstance(given, str):
            told = f"json: cannot unmarshal {bodies.json_name(given)} into Go struct field .{name} of type string"
            return f"couldn't get version/kind; json parse error: {told}"
    return ""


def _wrong_kind(resource: Resource, change: patch.Patch, shown: str, new: Obj) -> str:
    """Why an object of another kind is refused: it does not decode as that kind, or it does and is not the one."""
    unreadable = unreadable_kind(new)
    if unreadable:
        return unreadable
    kind, version = str(new.get("kind") or ""), str(new.get("apiVersion") or "")
    if resource.custom and not kind:
        return f"Object 'Kind' is missing in '{shown}'"
    group, _, number = version.rpartition("/")
    if resource.custom:
        return codec.unregistered(kind, version)
    try:
        type_ = schema.type_for(group, number, kind)
    except KeyError:
        return codec.unregistered(kind, version)
    try:
        decode.decode(type_, new, shown.encode)
    except decode.DecodeError as error:
        return str(error)
    if kind == resource.kind:
        return codec.mismatched(version, resource.api_version)
    return codec.unconvertible(kind, number, resource.kind, resource.group)


def check_identity(target: Target, new: Obj) -> None:
    """Refuse a patch that moves the object; a namespace that is left out is put in, one that means nothing goes.

    :raises BadRequest: name or namespace differ
    """
    meta = new.get("metadata") or {}
    if not isinstance(meta, dict):
        raise errors.BadRequest("metadata must be an object")
    namespace, name = meta.get("namespace"), meta.get("name")
    if not name:
        raise undeterminable(target)
    if name != target.name:
        raise errors.BadRequest(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
    expected = target.namespace or (name if target.resource.group_resource == "namespaces" else "")
    if namespace and expected and namespace != expected:
        raise errors.BadRequest(
            f"the namespace of the object ({namespace}) does not match the namespace on the request ({expected})"
        )
    if target.namespace:
        meta["namespace"] = target.namespace  # a patch may take it away, which means nothing
    else:
        meta.pop("namespace", None)


async def _apply(verbs: Verbs, target: Target, request: Request, raw: bytes, wanted: WriteOptions) -> Written:
    resource = target.resource
    value, twice = await beside(len(raw), configuration, request, raw, resource.kind, resource.api_version)
    applied = managed.Applied(resource, value, wanted, target.subresource_name, verbs.versions_of(resource))
    existing = verbs.storage.item(resource, target.namespace, target.name)
    if existing is None and target.subresource is None:
        try:
            return await _apply_create(verbs, target, request, applied, wanted, twice)
        except errors.AlreadyExists:
            pass  # somebody created it meanwhile: apply to that

    async def merged(old: Obj) -> Obj:
        new = await beside(len(raw) + stored_size(verbs, target), applied.onto, old)
        check_twice(twice, wanted, request.warnings)
        check_identity(target, new)
        annotations = new["metadata"].get("annotations") or {}
        if wanted.field_manager == KUBECTL and LAST_APPLIED in annotations:
            # a later client-side apply starts from what was applied last, by whatever way
            new["metadata"]["annotations"] = {**annotations, LAST_APPLIED: last_applied(value)}
        return new

    return await verbs.guaranteed_update(
        target, merged, request.user, wanted, request.warnings, Manner(applied.manage, pinned=applied.pinned)
    )


def configuration(request: Request, raw: bytes, kind: str, api_version: str) -> tuple[Obj, list[str]]:
    """The applied configuration in a body, and what is to be told of keys that it has twice (:func:`check_twice`).

    :raises Invalid: nobody says who applies it
    :raises BadRequest: it is no object, or of another version or kind
    """
    if not request.info.param("fieldManager"):
        missing = required("fieldManager", "is required for apply patch")
        raise errors.invalid("PatchOptions", "meta.k8s.io", "", [missing])
    value, twice = bodies.parse_yaml(raw)
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise errors.BadRequest(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: "
            f"json: cannot unmarshal {bodies.json_name(value)} into Go value of type map[string]interface {{}}"
        )
    version, given = str(value.get("apiVersion") or ""), str(value.get("kind") or "")
    if version != api_version:
        raise errors.BadRequest(
            f"Incorrect version specified in apply patch. Specified patch version: {version}, expected: {api_version}"
        )
    if given and given != kind:
        raise errors.BadRequest(
            f"failed to merge config: expected objects of the same type, but got {kind} and {given}"
        )
    return value, twice


def check_twice(twice: list[str], wanted: WriteOptions, warnings: list[str]) -> None:
    """Tell of keys that an applied configuration has twice, once it has been merged.

    :raises BadRequest: with ``fieldValidation=Strict``
    """
    if twice and wanted.field_validation == "Strict":
        told = "\n  ".join(["error converting YAML to JSON: yaml: unmarshal errors:", *twice])
        raise errors.BadRequest(f"error strict decoding YAML: {told}")
    if wanted.field_validation == "Warn":
        warnings.extend(twice)


def last_applied(config: Obj) -> str:
    """What client-side apply would have noted of ``config`` (upstream: ``lastappliedupdater.go``)."""
    metadata = {k: v for k, v in (config.get("metadata") or {}).items() if k != "managedFields"}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != LAST_APPLIED}
    if annotations:
        metadata["annotations"] = annotations
    else:
        metadata.pop("annotations", None)
    return json.dumps({**config, "metadata": metadata}, sort_keys=True, separators=(",", ":"), default=str) + "\n"


async def _apply_create(
    verbs: Verbs, target: Target, request: Request, applied: managed.Applied, wanted: WriteOptions, twice: list[str]
) -> Written:
    resource = target.resource
    if applied.uid:
        why = f"uid mismatch: the provided object specified uid {applied.uid}, and no existing object was found"
        raise errors.conflict(resource.plural, resource.group, target.name, why)
    obj = await beside(wanted.body_size, applied.onto, None)
    check_twice(twice, wanted, request.warnings)
    revision = str(obj["metadata"].pop("resourceVersion", None) or "0")  # of nothing; upstream passes it over
    if not (revision.isascii() and revision.isdigit()):
        wrong = invalid(
            "metadata.resourceVersion", revision, f'strconv.ParseUint: parsing "{revision}": invalid syntax'
        )
        raise errors.invalid(resource.kind, resource.group, target.name, [wrong])
    if target.namespace:
        obj["metadata"].setdefault("namespace", target.namespace)
    check_identity(target, obj)
    return await verbs.create(
        target, obj, request.user, wanted, request.warnings, Manner(applied.manage, of_update=True)
    )
