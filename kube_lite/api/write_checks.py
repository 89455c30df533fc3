"""What makes a write impossible, whoever makes it: rules of metadata, of the kind, of the store's limits.

They are asked where ``verbs`` says so; none looks at other objects, which is admission's part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_lite import errors
from kube_lite.api import codec, objectmeta
from kube_lite.api.body import MAX_BODY
from kube_lite.api.large import LARGE
from kube_lite.api.options import WriteOptions
from kube_lite.api.target import Target
from kube_lite.resources.field import Errors, bounded, invalid
from kube_lite.resources.meta import Obj, without_nulls
from kube_lite.resources.metadata import (
    validate_common,
    validate_metadata,
    validate_metadata_update,
    validate_standard_finalizers,
)
from kube_lite.resources.names import path_segment, subdomain_name
from kube_lite.resources.registry import Resource, Subresource, UpdateCheck
from kube_lite.resources.sent import as_sent
from kube_lite.store.store import Encode

OBJECT_LIMIT = 1_572_864
"""Largest stored object in bytes: etcd's request limit upstream, 1.5 MiB."""
_KEPT_UNDER = {
    "endpoints": "services/endpoints",
    "ingresses.networking.k8s.io": "ingress",
    "nodes": "minions",
    "replicationcontrollers": "controllers",
    "services": "services/specs",
}
"""Resources that upstream keeps under another name than their plural; messages about the store show it."""


def check_place(target: Target, obj: Obj) -> None:
    """An update's body is about the object that its URL names.

    :raises BadRequest: it has no name, or another name or namespace than the URL
    """
    name = obj["metadata"].get("name")
    if not name:
        raise errors.BadRequest(
            f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
        )
    if name != target.name:
        raise errors.BadRequest(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
    if target.resource.group_resource == "namespaces" and obj["metadata"].get("namespace"):
        objectmeta.check_update_namespace(target.name, obj)  # upstream's path of a namespace is inside it
    objectmeta.check_namespace(target.resource, target.namespace, obj, update=True)


def check_revision(target: Target, given: str, stored: str) -> None:
    """The revision that a new object carries is none, or that of the object it replaces.

    :raises Invalid: it is no number
    :raises Conflict: it is another
    """
    resource = target.resource
    if given and not (given.isascii() and given.isdigit()):
        wrong = invalid("metadata.resourceVersion", given, f'strconv.ParseUint: parsing "{given}": invalid syntax')
        raise errors.invalid(resource.kind, resource.group, target.name, [wrong])
    if given not in ("", "0", stored):
        raise errors.conflict(resource.plural, resource.group, target.name, errors.MODIFIED)


def no_revision(target: Target) -> errors.ApiError:
    """The refusal of an update that does not say which revision it replaces; upstream prints zero as ``0x0`` here."""
    must = invalid("metadata.resourceVersion", 0, "must be specified for an update")
    shown = errors.FieldError(must.reason, must.field, must.message.replace("Invalid value: 0:", "Invalid value: 0x0:"))
    return errors.invalid(target.resource.plural, target.resource.group, target.name, [shown])


def other_uid(target: Target, uid: str, stored: str) -> errors.ApiError:
    """The refusal of an update meant for an earlier object of the same name, in the words of upstream's store."""
    resource = target.resource
    where = f"{target.namespace}/{target.name}" if target.namespace else target.name
    plural = _KEPT_UNDER.get(resource.group_resource, resource.plural)
    why = (
        f"StorageError: invalid object, Code: 4, Key: /registry/{plural}/{where}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, "
        f"UID in object meta: {stored}"
    )
    return errors.conflict(resource.plural, resource.group, target.name, why)


def within_limit(encode: Encode) -> Encode:
    """``encode``, raising RequestEntityTooLarge for what is too big: webhooks and patches make much out of little."""

    def within(revision: int) -> bytes:
        value = encode(revision)
        if len(value) > OBJECT_LIMIT:
            raise errors.RequestEntityTooLarge("etcdserver: request is too large")
        return value

    return within


def _outgrows(value: Any, left: list[int]) -> bool:
    """Whether a value takes more characters than are left; what is too large is not counted to its end."""
    left[0] -= len(value) if isinstance(value, str) else 2
    if left[0] < 0:
        return True
    if isinstance(value, dict):
        return any(_outgrows(key, left) or _outgrows(below, left) for key, below in value.items())
    return isinstance(value, list) and any(_outgrows(below, left) for below in value)


def check_growth(options: WriteOptions, obj: Obj) -> None:
    """Refuse what defaults have blown up, before seconds are spent on its fields: ``{}`` makes a container.

    :raises RequestEntityTooLarge: it could not even be sent
    """
    if options.body_size >= LARGE and _outgrows(obj, [MAX_BODY]):
        raise errors.RequestEntityTooLarge("etcdserver: request is too large")


def check_create(resource: Resource, obj: Obj) -> None:
    """The rules for a new object. :raises Invalid: it breaks some"""
    _refuse(resource, obj, lambda: _create_errors(resource, obj))


def check_update(resource: Resource, sub: Subresource | None, new: Obj, old: Obj) -> None:
    """The rules for a changed object. :raises Invalid: it breaks some"""
    _refuse(resource, new, lambda: _update_errors(resource, sub, new, old))


def _refuse(resource: Resource, obj: Obj, check: Callable[[], Errors]) -> None:
    found = bounded(check)
    if found:
        if not resource.custom:
            found = as_sent(codec.type_of(resource), obj, found, lambda: bounded(check))
        name = obj["metadata"].get("name") or ""
        group = resource.group if resource.invalid_group is None else resource.invalid_group
        raise errors.invalid(resource.kind, group, name, found)


def _is_builtin(resource: Resource) -> bool:
    """Whether upstream's core rules bind metadata, such as those of finalizer names."""
    return not resource.custom and resource.standard_finalizers


def _generated(resource: Resource, new: Obj, old: Obj) -> Errors:
    """What is wrong with the name's prefix, which a write may still change."""
    prefix = new.get("generateName")
    if not prefix or prefix == old.get("generateName"):
        return []
    rule = resource.name_rule or subdomain_name
    problems = (*path_segment(prefix, True), *rule(prefix, True))  # upstream's generic path asks the first
    return [invalid("metadata.generateName", prefix, problem) for problem in dict.fromkeys(problems)]


def _create_errors(resource: Resource, obj: Obj) -> Errors:
    metadata = validate_metadata(
        obj["metadata"], namespaced=resource.namespaced, rule=resource.name_rule, builtin=_is_builtin(resource)
    )
    return (metadata + resource.validate(obj)) * resource.create_checks


def _update_errors(resource: Resource, sub: Subresource | None, new: Obj, old: Obj) -> Errors:
    """What is wrong, as often as upstream finds it: metadata is checked in the generic path and in the kind's."""
    meta, standard = new["metadata"], _is_builtin(resource)
    whole = _generated(resource, meta, old["metadata"]) + validate_common(meta, builtin=standard)
    change = validate_metadata_update(meta, old["metadata"])
    found = validate_common(meta, builtin=False) + change if whole else list(change)
    if standard and (finalizers := meta.get("finalizers")):
        change = change + validate_standard_finalizers(finalizers, "metadata.finalizers")
    if not resource.custom:  # to whose schemas nulls may mean something
        # what is stored has nulls, printed for unset times; so has what was made from it (scale), a body has none
        new, old = _without_nulls(new, old)
    if sub is not None:
        return found + change + sub.validate(new, old)
    for check in resource.update_checks:
        if check is UpdateCheck.WHOLE:
            found += whole + resource.validate(new)
        else:
            found += whole if check is UpdateCheck.METADATA else change
    return found + resource.validate_update(new, old)


def _without_nulls(new: Obj, old: Obj) -> tuple[Obj, Obj]:
    """Both without nulls; what they share, as a status update does the spec, is looked through once."""
    before = {key: _bare(key, value) for key, value in old.items()}
    after = {key: before[key] if value is old.get(key) else _bare(key, value) for key, value in new.items()}
    return after, before


def _bare(key: str, value: Any) -> Any:
    if key == "metadata":  # the owners of fields are most of it, and have none
        value = {name: part for name, part in value.items() if name != "managedFields"}
    return without_nulls(value)
