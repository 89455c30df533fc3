"""Resources: everything the generic path must know of a kind, as data plus a few hooks.

Each file in ``kinds/`` makes one or more :class:`Resource` and names them in ``RESOURCES``; the registry
imports the folder once and indexes what it finds. CustomResourceDefinitions add to a registry at run time.

The order in which the hooks are called is written once, in ``api/verbs.py``:
default -> mutating admission -> prepare -> validate -> validating admission -> store.
Hooks work on decoded JSON (dicts whose nulls are gone) and may change their first argument only.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

import msgspec

from kube_lite.resources.field import Errors
from kube_lite.resources.meta import Obj

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")

Cells = list[Any]


class Column(msgspec.Struct, frozen=True):
    """One Table column; ``priority`` above 0 shows only with ``-o wide``."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


NAME_COLUMN = Column("Name", format="name")
AGE_COLUMN = Column("Age")


def _nothing(obj: Obj) -> None:
    """Default hook: leave the object as it is."""


def _keep(new: Obj, old: Obj) -> None:
    """Default hook of updates: leave the new object as it is."""


def _valid(obj: Obj) -> Errors:
    return []


def _valid_update(new: Obj, old: Obj) -> Errors:
    return []


def _no_fields(obj: Obj) -> dict[str, str]:
    return {}


def prepare_status_update(new: Obj, old: Obj) -> None:
    """A write to ``/status`` changes status and metadata only: everything else stays as stored."""
    for key in list(new):
        if key not in ("metadata", "status", "kind", "apiVersion") and key not in old:
            del new[key]
    for key, value in old.items():
        if key not in ("metadata", "status", "kind", "apiVersion"):
            new[key] = value


_METADATA_OF_MAIN = ("annotations", "deletionTimestamp", "finalizers", "labels", "ownerReferences")


def prepare_status_alone(new: Obj, old: Obj) -> None:
    """As :func:`prepare_status_update`, but metadata stays as stored too (upstream's ``ResetObjectMetaForStatus``)."""
    prepare_status_update(new, old)
    for name in _METADATA_OF_MAIN:
        if name in old["metadata"]:
            new["metadata"][name] = old["metadata"][name]
        else:
            new["metadata"].pop(name, None)


class Subresource(msgspec.Struct, frozen=True, kw_only=True):
    """A path below an object, such as ``status``, ``scale`` or ``binding``.

    ``group``, ``version`` and ``kind`` say what travels over it when that is not the object itself (Scale,
    Eviction, Binding). ``prepare`` and ``validate`` are used by those that write the parent (status,
    ephemeralcontainers, approval, finalize).
    """

    name: str
    verbs: Sequence[str] = ("get", "patch", "update")
    group: str = ""
    version: str = ""
    kind: str = ""
    prepare: Callable[[Obj, Obj], None] = prepare_status_update
    validate: Callable[[Obj, Obj], Errors] = _valid_update
    resets: tuple[str, ...] = ()
    """Paths of what ``prepare`` keeps as it was, which nobody comes to own here (upstream's ``GetResetFields``)."""


def status(
    prepare: Callable[[Obj, Obj], None] = prepare_status_update,
    validate: Callable[[Obj, Obj], Errors] = _valid_update,
    resets: tuple[str, ...] = ("spec",),
) -> Subresource:
    """The ``status`` subresource with a kind's own rules."""
    return Subresource(name="status", prepare=prepare, validate=validate, resets=resets)


def status_alone(validate: Callable[[Obj, Obj], Errors] = _valid_update) -> Subresource:
    """The ``status`` subresource of a kind whose metadata cannot be written there."""
    return status(prepare_status_alone, validate, ("spec", "metadata"))


SCALE = Subresource(name="scale", group="autoscaling", version="v1", kind="Scale")
"""What kinds with replicas have; :class:`ScalePaths` says where they keep them."""


class UpdateCheck(Enum):
    """What a kind checks of an update before what is particular to it; causes are told as often as they are found."""

    WHOLE = "the object as if it were new"
    METADATA = "metadata as if it were new"
    CHANGE = "how metadata changed"


REPLACED = (UpdateCheck.CHANGE, UpdateCheck.METADATA)
"""Checks of kinds whose rules for updates go on to those for new objects."""
TWICE = (UpdateCheck.WHOLE, UpdateCheck.CHANGE)
"""Checks of kinds that are checked as new before they are checked as changed."""


class ScalePaths(msgspec.Struct, frozen=True, kw_only=True):
    """Where a kind keeps what ``/scale`` shows; dotted paths below the object.

    ``selector`` is the path of a label selector (a map or a LabelSelector), or of a ready string.
    """

    spec_replicas: str = "spec.replicas"
    status_replicas: str = "status.replicas"
    selector: str = "spec.selector"


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A served kind in one version.

    ``definition`` is the name of its schema, e.g. ``io.k8s.api.core.v1.Pod``. ``row`` gives the cells of a
    Table row (same order as ``columns``). ``selectable`` gives the field-selector values besides
    ``metadata.name`` and ``metadata.namespace``. ``storage_version`` names the version objects are kept in
    when it is not this one; ``convert_from_storage`` and ``convert_to_storage`` translate then.
    """

    kind: str
    plural: str
    version: str = "v1"
    group: str = ""
    singular: str = ""
    list_kind: str = ""
    namespaced: bool = True
    short_names: Sequence[str] = ()
    categories: Sequence[str] = ()
    verbs: Sequence[str] = ALL_VERBS
    definition: str = ""
    schema: Any = None
    """The compiled ``schema.Type`` of a custom resource; built-in kinds look theirs up by ``definition``."""
    openapi: Mapping[str, Any] | None = None
    """The ``openAPIV3Schema`` of a custom resource, for documents."""
    subresources: Mapping[str, Subresource] = msgspec.field(default_factory=dict)
    scale: ScalePaths | None = None

    default: Callable[[Obj], None] = _nothing
    prepare_create: Callable[[Obj], None] = _nothing
    prepare_update: Callable[[Obj, Obj], None] = _keep
    validate: Callable[[Obj], Errors] = _valid
    validate_update: Callable[[Obj, Obj], Errors] = _valid_update
    create_checks: int = 1
    """How often upstream checks a new object; causes are told as often."""
    update_checks: Sequence[UpdateCheck] = (UpdateCheck.CHANGE,)
    """What comes before ``validate_update``."""
    warnings: Callable[[Obj, Obj | None], Sequence[str]] = lambda new, old: ()
    """Texts of Warning headers about an object that is valid all the same; ``old`` is None where it is new.

    They are asked for right after it was validated.
    """
    name_rule: Callable[[str, bool], Sequence[str]] | None = None
    """``(name, is_prefix) -> problems``; None means DNS subdomain."""

    invalid_group: str | None = None
    """The group that answers about invalid objects name, where it is not ``group`` (Ingress: extensions)."""
    standard_finalizers: bool = True
    """Whether finalizers must be those of Kubernetes or carry a domain; kinds that came later only ask for a name."""
    internal_annotations: Sequence[str] = ()
    """Annotations that the server makes up for the wire; tables do not show them."""
    owns_status: bool = False
    """Whether writers own fields of status that they set past the subresource (CustomResourceDefinition)."""
    laborious: bool = False
    """Whether validation may take long even of a small object (rules with loops in loops)."""
    generation: bool = True
    """Whether ``metadata.generation`` counts changes of anything but metadata and status."""
    counts_annotations: bool = False
    """Whether it counts changes of annotations too."""
    counts_empty: str = ""
    """Field in and below which it counts ``[]`` or ``{}`` sent where nothing is stored (``reflect.DeepEqual``)."""
    managed_fields: bool = True
    """Whether ordinary writes record who owns which field; applies always do."""
    allow_create_on_update: bool = False
    """Whether PUT to a missing name creates it (Lease, Event, Endpoints, ...)."""
    allow_unconditional_update: bool = True
    """Whether PUT without a resourceVersion overwrites."""
    grace_period: Callable[[Obj, int | None], int] | None = None
    """Seconds between a DELETE and the removal, from the object and the seconds asked for; None: at once."""
    begin_delete: Callable[[Obj, Obj], None] = _keep
    """Called with the marked and the stored object when a first DELETE marks it; may add finalizers and status."""
    default_propagation: str = "Background"
    """What happens to dependants when DELETE does not say; '' where no object may have any (Event)."""
    returns_deleted: bool = False
    """Whether DELETE answers with the object that was removed instead of a Status (Pod, ServiceAccount, ...)."""
    returns_status: bool = False
    """Whether DELETE answers with a Status even where finalizers keep the object (Service)."""
    shown: Callable[[Obj], None] | None = None
    """What changes an object for an answer, where a version does not show all that is kept (betas)."""
    custom: bool = False
    """Whether a CustomResourceDefinition made this resource."""
    transient: bool = False
    """Whether only the current state is stored, without history (node leases)."""
    lifetime: int = 0
    """Seconds after its last write after which an object is removed by itself, 0 for never (events: an hour)."""

    columns: Sequence[Column] = (NAME_COLUMN, Column("Created At", type="date"))
    row: Callable[[Obj, datetime], Cells] | None = None
    row_order: Callable[[Obj], Any] | None = None
    """By what the rows of a Table are sorted, where that is not their names."""
    row_conditions: Callable[[Obj], list[Obj]] | None = None
    selectable: Callable[[Obj], dict[str, str]] = _no_fields
    selectable_names: Sequence[str] = ()
    """Field labels that a selector may name, besides metadata.name and metadata.namespace."""
    selectable_as: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Names of such labels in the version that is stored, where they differ."""

    storage_version: str = ""
    storage_group: str = ""
    convert_from_storage: Callable[[Obj], Obj] | None = None
    convert_to_storage: Callable[[Obj], Obj] | None = None
    late_defaults: bool = False
    """Of a custom resource: objects may be stored without defaults of their version, so reads must fill them in."""
    fill_stored: Callable[[Obj], None] | None = None
    """Of a custom resource that a webhook converts: fills in defaults of the version in which an object is kept."""
    compared_as_text: bool = False
    """Clients compare a part of the object byte by byte with their own encoding, which is Go's."""
    webhook: Callable[[Sequence[Obj], str], Awaitable[list[Obj]]] | None = None
    """``(objects, apiVersion)``: asks a conversion webhook; None when no webhook converts this resource."""
    deprecation: str = ""
    """Text of the Warning header for a deprecated version."""
    answered_only: bool = False
    """A review kind: answered, never stored."""

    @property
    def api_version(self) -> str:
        """``v1`` or ``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """``pods`` or ``deployments.apps``: the name used with clients and in messages."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular_name(self) -> str:
        """As discovery shows it."""
        return self.singular or self.kind.lower()

    @property
    def list_kind_name(self) -> str:
        """``PodList``."""
        return self.list_kind or f"{self.kind}List"

    def unknown_field_label(self, label: str) -> str:
        """The message for a field selector on a field that cannot be selected."""
        if (self.group, self.version, self.kind) == ("batch", "v1beta1", "CronJob"):
            return f'field label "{label}" not supported for "CronJob"'
        if self.group == "batch" and self.selectable_names:
            return f'field label "{label}" not supported for batch{self.version}.{self.kind}'
        if self.custom or (self.selectable_names and self.group in ("", "events.k8s.io", "certificates.k8s.io")):
            return f"field label not supported: {label}"
        return f'"{label}" is not a known field selector: only "metadata.name", "metadata.namespace"'

    @property
    def path(self) -> str:
        """``/api/v1`` or ``/apis/apps/v1``: the URL before namespaces and plural."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


class Registry:
    """Look-up of resources by URL, kind and command-line name."""

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str, str], Resource] = {}
        self._named: dict[str, Resource] = {}
        self._on_removal: dict[tuple[str, str], dict[object, Callable[[], None]]] = {}
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        """Serve ``resource``; one registered before under the same group, version and plural is replaced."""
        self._named.clear()
        self._by_path[resource.group, resource.version, resource.plural] = resource
        self._by_kind[resource.group, resource.version, resource.kind] = resource

    def remove(self, group: str, plural: str) -> None:
        """Stop serving every version of a resource."""
        self._named.clear()
        for key, resource in list(self._by_path.items()):
            if resource.group == group and resource.plural == plural:
                del self._by_path[key]
                self._by_kind.pop((group, resource.version, resource.kind), None)
        for told in self._on_removal.pop((group, plural), {}).values():
            told()

    def on_removal(self, resource: Resource, told: Callable[[], None]) -> Callable[[], None]:
        """Have ``told`` called once when ``resource`` is removed, though it be to serve it otherwise.

        :returns: what takes that back
        """
        waiting = self._on_removal.setdefault((resource.group, resource.plural), {})
        token = object()
        waiting[token] = told

        def forget() -> None:
            waiting.pop(token, None)

        return forget

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._by_path.values()))

    def at(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource under ``/apis/group/version/plural``."""
        return self._by_path.get((group, version, plural))

    def of_kind(self, group: str, version: str, kind: str) -> Resource | None:
        """The resource whose objects carry this apiVersion and kind."""
        return self._by_kind.get((group, version, kind))

    def named(self, name: str) -> Resource | None:
        """By ``pods``, ``deployments.apps``, ``deployments.v1.apps``, singular, short name or kind.

        The first version registered of a group is the preferred one.
        """
        known = self._named.get(name)
        if known is None and (known := self._find(name)) is not None:  # of names that mean nothing there is no end
            self._named[name] = known
        return known

    def _find(self, name: str) -> Resource | None:
        head, _, rest = name.lower().partition(".")
        found = [
            r
            for r in self._by_path.values()
            if head in (r.plural, r.singular_name, r.kind.lower(), *r.short_names)
            and (not rest or rest in (r.group, f"{r.version}.{r.group}", r.version))
        ]
        exact = [r for r in found if head == r.plural and (not rest or rest == r.group)]
        core = [r for r in exact or found if not r.group]
        return next(iter(core or exact or found), None)


def builtin() -> Registry:
    """A registry with every kind found in ``kube_lite.resources.kinds``, in the order of their group priority."""
    from kube_lite.resources import kinds

    found: list[Resource] = []
    for module in sorted(pkgutil.iter_modules(kinds.__path__), key=lambda m: m.name):
        found.extend(getattr(importlib.import_module(f"{kinds.__name__}.{module.name}"), "RESOURCES", ()))
    return Registry(found)
