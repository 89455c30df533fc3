"""Who owns which field: ``metadata.managedFields`` of every write, and server-side apply.

The form of its entries is ``owners.py``'s; what an object or a configuration owns is read off by
``resources/ownership.py``.
An update takes what it changed from everybody else, and loses nothing itself; an apply states all that its
manager wants, so what it no longer names and nobody else owns is removed, and what others own and it would
change is a conflict. Rules and messages are those of upstream's ``apimachinery/pkg/util/managedfields`` and of
structured-merge-diff.

Upstream does this before mutating admission and before a kind's own preparation, on the defaulted object: what
those add belongs to nobody. Objects must be complete (``decode.complete``), since structs that Go always prints
are not owned. ``writer.ignored`` names fields whose changes this endpoint discards anyway (``status`` on the main
resource, ``spec`` on ``/status``).

    created(type, obj, writer) -> entries
    updated(type, old, new, sent, writer) -> entries
    apply(type, live, config, writer, force) -> Applied       raises BadRequest, Conflict

``entries`` is the new ``metadata.managedFields``; an empty list means that the field is absent. An entry of another
version names fields as that version does: what a write changed is looked up there (``writer.form``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from kube_lite.api.apply_removal import pruned
from kube_lite.api.owners import Entry, Owner, capped, decoded, encoded, identifier
from kube_lite.errors import BadRequest, Conflict
from kube_lite.resources.decode import complete
from kube_lite.resources.fieldset import (
    IN,
    Node,
    difference,
    intersection,
    ordered,
    paths,
    recursive_difference,
    union,
)
from kube_lite.resources.ownership import (
    UNTRACKED,
    Unnameable,
    applied,
    changes,
    initial,
)
from kube_lite.resources.reconcile_fields import reconciled
from kube_lite.resources.schema import Type
from kube_lite.resources.typed_merge import Mistyped, check, merge, named

Obj = dict[str, Any]

BEFORE_APPLY: Final = "before-first-apply"
"""Manager of what an object without managedFields held when it was first applied to."""

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""Where client-side apply keeps the configuration it sent."""

_STRIPPED: Final[Node] = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {".": {}, "f:clusterName": {}, **{f"f:{name}": {} for name in UNTRACKED}},
}
"""What is never tracked."""


class Form(msgspec.Struct, frozen=True):
    """Another version of a kind: its type, and how an object of the writer's version looks in it."""

    type: Type
    convert: Callable[[Obj], Obj]


def _no_other_form(api_version: str) -> Form | None:
    return None


def _any_version(api_version: str) -> bool:
    return True


class Writer(msgspec.Struct, frozen=True):
    """Who writes, over which version and subresource, and when (``time`` as RFC 3339)."""

    manager: str
    api_version: str
    time: str
    subresource: str = ""
    ignored: tuple[str, ...] = ()
    form: Callable[[str], Form | None] = _no_other_form
    """Another version by its apiVersion; None where there is none, or where its fields have the same names."""
    knows: Callable[[str], bool] = _any_version
    """Whether objects of the kind exist in a version; owners that speak another one are dropped."""


class Applied(msgspec.Struct, frozen=True):
    """The outcome of an apply: the merged object without managedFields (to be decoded, defaulted, checked)."""

    obj: Obj
    entries: list[Entry]


def _ignored(writer: Writer) -> Node:
    return _set_of(writer.ignored)


@lru_cache(maxsize=64)
def _set_of(dotted: tuple[str, ...]) -> Node:
    found: Node = {}
    for path in dotted:
        node: Node = IN
        for name in reversed(path.split(".")):
            node = {f"f:{name}": node}
        found = union(found, node)
    return found


# ---- create and update


def created(type_: Type, obj: Obj, writer: Writer) -> list[Entry]:
    """The entries of a new object. ``obj`` is defaulted and complete."""
    fields = initial(type_, obj)
    if not fields:
        return []
    return [_new_owner(writer, "Update", fields).entry()]


def _new_owner(writer: Writer, operation: str, fields: Node) -> Owner:
    subresource = writer.subresource if operation == "Apply" else ""
    return Owner(writer.manager, operation, writer.api_version, subresource, fields, writer.time)


def _is_reset(sent: Any) -> bool:
    """Whether a client asks to forget all owners: ``[]`` or ``[{}]``."""
    return isinstance(sent, list) and (not sent or (len(sent) == 1 and not sent[0]))


def updated(type_: Type, old: Obj, new: Obj, sent: Any, writer: Writer) -> list[Entry]:
    """The entries after an update from ``old`` to ``new``, both complete.

    ``sent`` is what the client has in ``metadata.managedFields`` (None when it has nothing there): valid entries
    replace the stored ones, ``[]`` and ``[{}]`` forget them, anything else is passed over. An object whose
    fields nobody owns stays so until it is applied to.

    :raises Unnameable: a list item that is set lacks the key that it is owned by
    """
    stored = _sent_or_stored(old, None if writer.subresource else sent)
    if not stored:
        return []
    owners = _reconciled(type_, stored, writer)
    taken, removed = changes(type_, old, new, True)
    if _has_nameless(taken):
        raise Unnameable
    taken = difference(taken, _STRIPPED)
    if writer.subresource and writer.ignored:
        taken, removed = (recursive_difference(part, _ignored(writer)) for part in (taken, removed))
    unchanged = not taken and not removed and owners is stored
    if unchanged and not isinstance(sent, list):
        return list(old["metadata"].get("managedFields") or ())
    return encoded(_after_update(owners, taken, writer, _Changes(type_, old, new, writer, (taken, removed))))


def _has_nameless(fields: Node) -> bool:
    return any(step[0] == "i" or (sub and _has_nameless(sub)) for step, sub in fields.items())


def _reconciled(type_: Type, owners: list[Owner], writer: Writer) -> list[Owner]:
    """Owners whose fields are named as their type has them now; the same list when all were."""
    changed = False
    found: list[Owner] = []
    for owner in owners:
        if owner.api_version == writer.api_version:
            fields = reconciled(type_, owner.fields)
            if fields is not owner.fields:
                changed = True
                owner = replace(owner, fields=ordered(fields))
        found.append(owner)
    return found if changed else owners


def _sent_or_stored(old: Obj, sent: Any) -> list[Owner]:
    if sent is not None:
        if _is_reset(sent):
            return []
        owners = decoded(sent)
        if owners:
            return owners
    return decoded(old["metadata"].get("managedFields") or [], trusted=True) or []


class _Changes:
    """What a write took and removed, in the words of each version that an owner speaks."""

    def __init__(self, type_: Type, old: Obj, new: Obj, writer: Writer, own: tuple[Node, Node]) -> None:
        self._type, self._old, self._new, self._writer = type_, old, new, writer
        self._known = {writer.api_version: own}

    def seen_by(self, owner: Owner) -> tuple[Node, Node]:
        """What was taken and what was removed."""
        version = owner.api_version
        found = self._known.get(version)
        if found is None:
            form = self._writer.form(version)
            if form is None:
                found = self._known[self._writer.api_version]
            else:
                taken, removed = changes(form.type, form.convert(self._old), form.convert(self._new), True)
                taken = recursive_difference(difference(taken, _STRIPPED), _ignored(self._writer))
                found = (taken, removed)
            self._known[version] = found
        return found

    def left_of(self, owner: Owner) -> Owner | None:
        """What an owner keeps, None for nothing."""
        if not self._writer.knows(owner.api_version):
            return None
        taken, removed = self.seen_by(owner)
        fields = difference(difference(owner.fields, taken), removed)
        if not fields:
            return None
        return owner if fields is owner.fields else replace(owner, fields=fields)


def _after_update(owners: list[Owner], taken: Node, writer: Writer, changed: _Changes) -> list[Owner]:
    own = _new_owner(writer, "Update", taken)
    left: dict[tuple[str, ...], Owner] = {}
    for owner in owners:
        kept = changed.left_of(owner)
        if kept is not None:
            left[owner.identity] = kept
    if taken:
        previous = left.get(own.identity)
        fields = taken if previous is None else union(previous.fields, taken)
        left[own.identity] = replace(own, fields=ordered(fields))
    return capped(list(left.values()))


# ---- apply


def apply(type_: Type, live: Obj | None, config: Obj, writer: Writer, force: bool = False) -> Applied:
    """Lay ``config`` over the live object (None when it is to be created).

    :raises BadRequest: the configuration is for another version, holds managedFields or does not fit its type
    :raises Conflict: it would change what other managers own, and ``force`` is false
    """
    given = _checked(type_, config, writer)
    base = live if live is not None else _empty(type_, config)
    stored = decoded(base["metadata"].get("managedFields") or [], trusted=True)
    if stored is None:
        raise BadRequest("failed to decode managed fields of the stored object")
    base = {**base, "metadata": {k: v for k, v in base["metadata"].items() if k != "managedFields"}}
    if live is not None:
        stored = _reconciled(type_, stored, writer) if stored else _first_owners(type_, base, writer)
    claimed = recursive_difference(given, _ignored(writer)) if writer.ignored else given
    own = _new_owner(writer, "Apply", difference(claimed, _STRIPPED))
    previous = next((owner for owner in stored if owner.identity == own.identity), None)
    others = [owner for owner in stored if owner.identity != own.identity]
    merged = merge(type_, base, config)
    if previous is not None and difference(previous.fields, own.fields):
        # the configuration's own name and the like hold its metadata, though nobody owns them
        merged = pruned(type_, merged, previous.fields, [*others, replace(own, fields=claimed)])
        # a list that the configuration names as empty went with its items, yet stays as one
        merged = merge(type_, merged, {**config, "metadata": config.get("metadata") or {}})
    taken, removed = changes(type_, base, merged, True)
    if writer.ignored:
        taken, removed = (recursive_difference(part, _ignored(writer)) for part in (taken, removed))
    if previous is not None and previous.fields == own.fields and not taken and not removed:
        own = replace(own, time=previous.time)  # nothing happened
    if others:
        changed = _Changes(type_, base, merged, writer, (taken, removed))
        if not force:
            _refuse_conflicts(type_, base, others, changed, own)
        others = [kept for owner in others if (kept := changed.left_of(owner)) is not None]
    return Applied(merged, encoded([*others, own]))


def _checked(type_: Type, config: Obj, writer: Writer) -> Node:
    """What a configuration names. :raises BadRequest: it is not one of this type and version"""
    given = config.get("apiVersion") or ""
    if given != writer.api_version:
        raise BadRequest(
            "Incorrect version specified in apply patch. "
            f"Specified patch version: {given}, expected: {writer.api_version}"
        )
    metadata = config.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    group, _, version = writer.api_version.rpartition("/")
    if config.get("kind"):
        try:
            return named(type_, config)
        except Mistyped:
            problems = list(check(type_, config))
    else:
        problems = [f"no corresponding type for {group}/{version}, Kind="]
    name = f"{_text(metadata, 'namespace')}/{_text(metadata, 'name')}"
    about = f"({name}; {group}/{version}, Kind={config.get('kind') or ''})"
    told = problems[0] if len(problems) == 1 else "errors:\n  " + "\n  ".join(problems)
    raise BadRequest(f"failed to create typed patch object {about}: {told}")


def _text(metadata: Any, key: str) -> str:
    return str(metadata.get(key) or "") if isinstance(metadata, Mapping) else ""


def _empty(type_: Type, config: Obj) -> Obj:
    """What Go starts from when an apply creates."""
    obj: Obj = {"apiVersion": config.get("apiVersion"), "kind": config.get("kind"), "metadata": {}}
    complete(type_, obj)
    return obj


def _first_owners(type_: Type, base: Obj, writer: Writer) -> list[Owner]:
    before = replace(writer, manager=BEFORE_APPLY, subresource="", ignored=())
    fields = initial(type_, base, lenient=True)
    return [_new_owner(before, "Update", fields)] if fields else []


def _refuse_conflicts(type_: Type, base: Obj, others: Sequence[Owner], changed: _Changes, own: Owner) -> None:
    conflicts: list[tuple[Owner, str]] = []
    allowed = _last_applied_fields(type_, base, own)
    for owner in sorted(others, key=identifier):
        contested = intersection(owner.fields, changed.seen_by(owner)[0])
        if allowed and contested:
            contested = difference(contested, allowed)
        conflicts += [(owner, path) for path in paths(contested)]
    if not conflicts:
        return
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {owner.shown()}", "field": path}
        for owner, path in conflicts
    ]
    if len(conflicts) == 1:
        owner, path = conflicts[0]
        message = f"Apply failed with 1 conflict: conflict with {owner.shown()}: {path}"
    else:
        lines: list[str] = []
        told: Owner | None = None
        for owner, path in conflicts:
            if owner is not told:
                lines.append(f"conflicts with {owner.shown()}:")
                told = owner
            lines.append(f"- {path}")
        message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    raise Conflict(message, {"causes": causes})


def _last_applied_fields(type_: Type, base: Obj, own: Owner) -> Node:
    """What client-side apply set and nobody changed since: kubectl may take these over without force."""
    if own.manager != "kubectl":
        return {}
    text = (base["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        config = msgspec.json.decode(text) if text else None
    except msgspec.DecodeError:
        return {}
    if not isinstance(config, dict) or config.get("apiVersion") != own.api_version or next(check(type_, config), None):
        return {}
    return difference(applied(type_, config), changes(type_, base, merge(type_, base, config), True)[0])
