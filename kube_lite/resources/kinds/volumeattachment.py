"""VolumeAttachments: a volume that should be at a node."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, forbidden, invalid, required, too_long
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.persistentvolume import validate_inline_spec
from kube_lite.resources.kinds.pod.volumes import validate_driver_name
from kube_lite.resources.kinds.replicaset import prepare_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.metadata import validate_common
from kube_lite.resources.names import in_range, size
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, status_alone
from kube_lite.resources.rules import dns_subdomain

MAX_METADATA = 256 * 1024
MAX_ERROR = 1024
"""Bytes of what a driver says of a volume, and of why it failed."""


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"attached": False}


def validate_any(obj: Obj) -> Errors:
    """What every version asks of an attachment."""
    spec = obj.get("spec") or {}
    source = spec.get("source") or {}
    found: Errors = []
    if not spec.get("attacher"):
        found.append(required("spec.attacher"))
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    if name is None and inline is None:
        detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        found.append(required("spec.source", detail))
    elif name is not None and inline is not None:
        detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        found.append(forbidden("spec.source", detail))
    elif name is not None and not name:
        found.append(required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName"))
    elif inline is not None:
        found.extend(validate_inline_spec(inline, "spec.source.inlineVolumeSpec"))
    found.extend(dns_subdomain(spec.get("nodeName", ""), "spec.nodeName"))
    return found


def _validate_new(obj: Obj) -> Errors:
    """What v1 asks of new attachments only, after the rest."""
    spec = obj.get("spec") or {}
    found = validate_any(obj) + validate_driver_name(spec.get("attacher", ""), "spec.attacher")
    if (name := (spec.get("source") or {}).get("persistentVolumeName")) is not None:
        found.extend(dns_subdomain(name, "spec.source.persistentVolumeName"))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    checked = [*validate_common(new.get("metadata") or {}), *validate_any(new)]
    found = [*checked, *checked]
    if new.get("spec") != old.get("spec"):
        found.append(invalid("spec", go_value("storage.VolumeAttachmentSpec", new.get("spec")), IMMUTABLE))
    return found


def _validate_status(new: Obj, old: Obj) -> Errors:
    """What the attacher says, within bounds."""
    state = new.get("status") or {}
    found: Errors = []
    attached = state.get("attachmentMetadata") or {}
    if sum(size(name) + size(value) for name, value in attached.items()) > MAX_METADATA:
        found.append(too_long("status.attachmentMetadata", MAX_METADATA))
    for name in ("attachError", "detachError"):
        failure = state.get(name) or {}
        if size(failure.get("message", "")) > MAX_ERROR:
            # Upstream tells the other limit.
            found.append(too_long(f"status.{name}.message", MAX_METADATA))
        if failure.get("errorCode", 0) < 0:
            found.append(invalid(f"status.{name}.errorCode", failure["errorCode"], in_range(0, 2**31 - 1)))
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    spec = obj.get("spec") or {}
    return [
        name_of(obj),
        spec.get("attacher", ""),
        (spec.get("source") or {}).get("persistentVolumeName", ""),
        spec.get("nodeName", ""),
        (obj.get("status") or {}).get("attached", False),
        age(obj, now),
    ]


RESOURCES = (
    Resource(
        kind="VolumeAttachment",
        update_checks=(),
        plural="volumeattachments",
        group="storage.k8s.io",
        definition="io.k8s.api.storage.v1.VolumeAttachment",
        namespaced=False,
        subresources={"status": status_alone(_validate_status)},
        generation=False,
        allow_unconditional_update=False,
        prepare_create=_prepare_create,
        prepare_update=prepare_update,
        validate=_validate_new,
        validate_update=_validate_update,
        columns=(
            NAME_COLUMN,
            Column("Attacher", format="name"),
            Column("PV"),
            Column("Node"),
            Column("Attached", type="boolean"),
            AGE_COLUMN,
        ),
        row=_row,
    ),
)
