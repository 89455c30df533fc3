"""Events: what happened to an object, in two versions over one store.

Stored in the core form; ``events.k8s.io/v1`` renames the fields.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kube_lite.resources import names
from kube_lite.resources.ages import UNKNOWN, since
from kube_lite.resources.field import IMMUTABLE, Errors, invalid, required
from kube_lite.resources.go.types import go_value
from kube_lite.resources.meta import Obj, name_of, namespace_of
from kube_lite.resources.registry import Cells, Column, Resource, UpdateCheck

LIFETIME = 3600
"""Seconds that an event is kept."""
MAX_TEXT, MAX_NOTE = 128, 1024
"""Most bytes of reportingInstance, action and reason, and of the note."""
MIN_SERIES = 2
"""Fewest occurrences of a series."""
_RENAMED = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
)
_KEPT: dict[str, Any] = {
    "involvedObject": {},
    "reason": "",
    "message": "",
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "count": 0,
    "type": "",
    "eventTime": None,
    "action": "",
    "related": None,
    "reportingController": "",
    "reportingInstance": "",
}
"""What no update by ``events.k8s.io/v1`` changes, and what each is while it is unset."""
_STRUCTS = {"involvedObject": "core.ObjectReference", "related": "core.ObjectReference", "source": "core.EventSource"}


def from_core(obj: Obj) -> Obj:
    """The ``events.k8s.io/v1`` form of a core event."""
    made = {**obj, "apiVersion": "events.k8s.io/v1"}
    for old, new in _RENAMED:
        if old in made:
            made[new] = made.pop(old)
    return made


def to_core(obj: Obj) -> Obj:
    """The core form of an ``events.k8s.io/v1`` event."""
    made = {**obj, "apiVersion": "v1"}
    for old, new in _RENAMED:
        if new in made:
            made[old] = made.pop(new)
    return made


def validate_core(obj: Obj) -> Errors:
    """The rules of every version; old clients' events have no time."""
    involved, namespace = obj.get("involvedObject") or {}, namespace_of(obj)
    about = involved.get("namespace", "")
    dated = bool(obj.get("eventTime"))
    # Events about cluster-scoped objects live in the default namespace.
    homes = ("default", "kube-system") if dated else ("default",)
    found: Errors = []
    if (not about and namespace not in homes) or (about and about != namespace and not dated):
        found.append(invalid("involvedObject.namespace", about, "does not match event.namespace"))
    return found + _reported(obj) if dated else found


def _reported(obj: Obj) -> Errors:
    """Who reports what, of an event with a time."""
    at = "reportingController"
    controller = obj.get("reportingComponent", "")
    found: Errors = [] if controller else [required(at)]
    found.extend(invalid(at, controller, problem) for problem in names.qualified_name(controller))
    for name in ("reportingInstance", "action", "reason"):
        value = obj.get(name, "")
        if not value:
            found.append(required(name))
        found.extend(_limited(value, name, MAX_TEXT))
    return found + _limited(obj.get("message", ""), "message", MAX_NOTE)


def _limited(text: str, path: str, limit: int) -> Errors:
    """A text of so many bytes at most; the message leaves it out."""
    return [invalid(path, "", f"can have at most {limit} characters")] if len(text.encode()) > limit else []


def _validate_new_form(obj: Obj) -> Errors:
    core = to_core(obj)
    found = validate_core(core)
    found.extend(_series(core))
    if not core.get("eventTime"):
        found.append(required("eventTime"))
    if (kind := core.get("type", "")) not in ("Normal", "Warning"):
        found.append(invalid("type", "", f"has invalid value: {kind}"))
    source = core.get("source") or {}
    dropped = {name: core.get(name) for name in ("firstTimestamp", "lastTimestamp", "count")}
    dropped["source"] = source.get("component") or source.get("host")
    found.extend(invalid(name, "", "needs to be unset") for name, value in dropped.items() if value)
    return found


def _series(core: Obj) -> Errors:
    found: Errors = []
    if (series := core.get("series")) is not None:
        if series.get("count", 0) < MIN_SERIES:
            found.append(invalid("series.count", "", f"should be at least {MIN_SERIES}"))
        if not series.get("lastObservedTime"):
            found.append(required("series.lastObservedTime"))
    return found


def _validate_new_form_update(new: Obj, old: Obj) -> Errors:
    """Only the series of an event goes on; what is malformed is told first."""
    after, before = to_core(new), to_core(old)
    found = validate_core(after)
    if after.get("series") != before.get("series"):
        found.extend(_series(after))
    return found or [error for name in _KEPT for error in _same(after, before, name)]


def _same(after: Obj, before: Obj, name: str) -> Errors:
    stored = "reportingComponent" if name == "reportingController" else name
    now = after.get(stored) or _KEPT[name]
    if now == (before.get(stored) or _KEPT[name]):
        return []
    shown = go_value(_STRUCTS[name], now) if name in _STRUCTS and now is not None else now
    return [invalid(name, shown, IMMUTABLE)]


def _seen(obj: Obj, now: datetime) -> tuple[str, str, int]:
    series, when = obj.get("series") or {}, obj.get("eventTime")
    first = since(obj.get("firstTimestamp") or when, now)
    if obj.get("firstTimestamp") is None and when is None:
        first = UNKNOWN
    last = since(series.get("lastObservedTime") or obj.get("lastTimestamp"), now)
    if not series and obj.get("lastTimestamp") is None:
        last = first
    # A series counts what came after the first.
    return last, first, series["count"] + 1 if series.get("count") else obj.get("count") or 1


def _row(obj: Obj, now: datetime) -> Cells:
    involved, source = obj.get("involvedObject") or {}, obj.get("source") or {}
    last, first, count = _seen(obj, now)
    kind, name = involved.get("kind", "").lower(), involved.get("name", "")
    component = source.get("component") or obj.get("reportingComponent", "")
    host = source.get("host") or obj.get("reportingInstance", "")
    return [
        last,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{kind}/{name}" if name else kind,
        involved.get("fieldPath", ""),
        f"{component}, {host}" if host else component,
        obj.get("message", "").strip(),
        first,
        count,
        name_of(obj),
    ]


def _selectable(obj: Obj) -> dict[str, str]:
    involved = obj.get("involvedObject") or {}
    source = (obj.get("source") or {}).get("component") or obj.get("reportingComponent", "")
    found = {
        f"involvedObject.{name}": str(involved.get(name, ""))
        for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    }
    found.update(
        {
            "reason": obj.get("reason", ""),
            "reportingComponent": obj.get("reportingComponent", ""),
            "source": source,
            "type": obj.get("type", ""),
        }
    )
    return found


_COLUMNS = (
    Column("Last Seen"),
    Column("Type"),
    Column("Reason"),
    Column("Object"),
    Column("Subobject", priority=1),
    Column("Source", priority=1),
    Column("Message"),
    Column("First Seen", priority=1),
    Column("Count", priority=1),
    Column("Name", format="name", priority=1),
)
_SELECTABLE = tuple(_selectable({}))


_SELECTABLE_AS = {
    name.replace("involvedObject", "regarding").replace("reportingComponent", "reportingController"): name
    for name in _SELECTABLE
    if name != "source"
}
"""Of events.k8s.io: its names of the fields, and the core ones."""


def _selectable_new_form(obj: Obj) -> dict[str, str]:
    core = _selectable(to_core(obj))
    return {name: core[as_core] for name, as_core in _SELECTABLE_AS.items()}


RESOURCES = (
    Resource(
        kind="Event",
        standard_finalizers=False,
        update_checks=(),
        plural="events",
        definition="io.k8s.api.core.v1.Event",
        short_names=("ev",),
        generation=False,
        allow_create_on_update=True,
        lifetime=LIFETIME,
        default_propagation="",
        name_rule=names.path_segment,
        validate=validate_core,
        validate_update=lambda new, old: validate_core(new),
        columns=_COLUMNS,
        row=_row,
        selectable=_selectable,
        selectable_names=_SELECTABLE,
    ),
    Resource(
        kind="Event",
        plural="events",
        group="events.k8s.io",
        definition="io.k8s.api.events.v1.Event",
        short_names=("ev",),
        generation=False,
        allow_create_on_update=True,
        lifetime=LIFETIME,
        default_propagation="",
        invalid_group="",
        update_checks=(UpdateCheck.METADATA,),
        validate=_validate_new_form,
        validate_update=_validate_new_form_update,
        columns=_COLUMNS,
        row=lambda obj, now: _row(to_core(obj), now),
        selectable=_selectable_new_form,
        selectable_names=tuple(_SELECTABLE_AS),
        selectable_as=_SELECTABLE_AS,
        storage_version="v1",
        storage_group="core",
        convert_from_storage=from_core,
        convert_to_storage=to_core,
    ),
)
