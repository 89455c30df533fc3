"""Get and list: selectors, pages, and reads of older revisions.

Reads of the present come from the watch cache; a page that goes on from an older revision, or an Exact list,
comes from the store's history. A continue token names the revision and the key to go on from, so pages of one
list show one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
import msgspec
from msgspec.structs import replace

from kube_lite import clock, errors
from kube_lite.api import continue_token
from kube_lite.api.request_info import RequestInfo
from kube_lite.api.storage import Storage
from kube_lite.api.target import missing
from kube_lite.resources import field, field_selectors, selectors
from kube_lite.resources.registry import Resource
from kube_lite.store.ring import Item
from kube_lite.store.store import Compacted

FUTURE_WAIT = 3.0
"""Seconds that a read waits for a revision not reached yet (upstream's watch cache: 3 s)."""
FUTURE_POLL = 0.05
"""Seconds between two looks at the store's revision meanwhile."""
TOKEN_SECONDS = 300.0
"""How long a list may be continued as it was: upstream's compaction leaves a client five minutes at least."""
MOST_PAGED = 1024
"""Revisions of which it is known when their first page was given; older ones last as long as history does."""
TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
    "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
    "modified, or deleted between the time the first chunk was returned and now may show up in the list."
)

Match = Callable[[Mapping[str, str], Mapping[str, str]], bool]
"""``(labels, fields) -> bool``."""


class ListQuery(msgspec.Struct, frozen=True):
    """What a list or watch asks for, checked."""

    match: Match | None
    limit: int = 0
    continue_: str = ""
    revision: int | None = None
    exact: bool = False
    not_older_than: bool = False
    label_text: str = ""
    field_text: str = ""
    in_version: bool = False
    """Whether fields are selected that only the asked version has: objects are converted before they are chosen."""

    @property
    def names_one(self) -> bool:
        """Whether the fields name one object: upstream reads that by its key, so there are no pages."""
        terms = field_selectors.parse(self.field_text).requirements if self.field_text else ()
        return any(term.field == "metadata.name" and term.operator == selectors.EQUALS for term in terms)


class Listing(msgspec.Struct, frozen=True):
    """Stored bytes in key order, with what the list's metadata says."""

    values: Sequence[bytes]
    revision: int
    continue_: str = ""
    remaining: int = 0


def integer(info: RequestInfo, name: str) -> int:
    """An integer query parameter, 0 when absent. :raises BadRequest: not a number, or named without a value"""
    if name not in info.query:
        return 0
    text = info.param(name)
    try:
        number = int(text)
    except ValueError as error:
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error
    if not -(2**63) <= number < 2**63:
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{text}": value out of range')
    return number


MAX_REVISION = 2**64 - 1
"""Revisions are unsigned 64-bit numbers upstream."""


def parse_revision(text: str) -> int:
    """A resourceVersion parameter. :raises BadRequest: not a number"""
    if not text.isascii() or not text.isdigit():
        raise errors.BadRequest(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    if len(text) > len(str(MAX_REVISION)) or int(text) > MAX_REVISION:
        raise errors.BadRequest(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": value out of range'
        )
    return int(text)


Selectors = tuple[selectors.Selector | None, field_selectors.FieldSelector | None]


def _selectors(label_text: str, field_text: str) -> Selectors:
    """Both selectors, None for one that is not given. :raises BadRequest: one cannot be read"""
    try:
        labels = selectors.parse(label_text) if label_text else None
        return labels, field_selectors.parse(field_text) if field_text else None
    except selectors.SelectorError as error:
        raise errors.BadRequest(str(error)) from error


def _matcher(resource: Resource, read: Selectors) -> Match | None:
    """A matcher for both selectors, None when everything matches. :raises BadRequest: a field is not selectable"""
    labels, fields = read
    if fields is not None:
        for requirement in fields.requirements:
            _check_selectable(resource, requirement.field)
        if resource.selectable_as:
            stored = (replace(r, field=resource.selectable_as.get(r.field, r.field)) for r in fields.requirements)
            fields = field_selectors.FieldSelector(tuple(stored))
    if labels is not None and not labels.requirements:
        labels = None
    if fields is not None and not fields.requirements:
        fields = None
    if labels is None and fields is None:
        return None
    by_label = labels.matches if labels is not None else None
    by_field = fields.matches if fields is not None else None

    def match(object_labels: Mapping[str, str], object_fields: Mapping[str, str]) -> bool:
        return (by_label is None or by_label(object_labels)) and (by_field is None or by_field(object_fields))

    return match


def _check_selectable(resource: Resource, label: str) -> None:
    if label in ("metadata.name",) or label in resource.selectable_names:
        return
    if label == "metadata.namespace" and (resource.namespaced or not resource.selectable_names):
        return
    raise errors.BadRequest(resource.unknown_field_label(label))


def list_query(resource: Resource, info: RequestInfo, *, watch: bool = False) -> ListQuery:
    """The query of a list or watch. :raises BadRequest: :raises Invalid: a parameter makes no sense"""
    integer(info, "timeoutSeconds")
    limit = integer(info, "limit")
    field_text = info.param("fieldSelector")
    read = _selectors(info.param("labelSelector"), field_text)
    revision_text = info.param("resourceVersion")
    how = info.param("resourceVersionMatch")
    continue_ = info.param("continue")
    _check_match(info, how, revision_text, continue_, watch)
    match = _matcher(resource, read)
    if info.name and (watch or info.verb == "watch"):
        match = _and_name(match, info.name)
    return ListQuery(
        match=match,
        limit=max(limit, 0),
        continue_=continue_,
        revision=_revision(
            revision_text, stored=how == "Exact" or limit > 0 or bool(continue_) or _is_uncached(resource)
        ),
        exact=how == "Exact",
        not_older_than=how == "NotOlderThan",
        label_text=info.param("labelSelector"),
        field_text=field_text,
        in_version=bool(field_text) and _in_version(resource, field_text),
    )


def _in_version(resource: Resource, field_text: str) -> bool:
    if not resource.custom or (resource.webhook is None and not resource.storage_version):
        return False
    return any(term.field in resource.selectable_names for term in field_selectors.parse(field_text).requirements)


def _revision(text: str, *, stored: bool) -> int | None:
    """The revision of a list. :raises BadRequest: not a number

    :param stored: whether upstream asks its store, which says where the error comes from, or its cache
    """
    if not text:
        return None
    try:
        return parse_revision(text)
    except errors.BadRequest as error:
        raise errors.BadRequest(f"invalid resource version: {error.message}" if stored else error.message) from None


def _is_uncached(resource: Resource) -> bool:
    """Whether upstream keeps no cache of such objects, but asks its store, which has other words for refusals."""
    return resource.plural == "events" and resource.group in ("", "events.k8s.io")


def _and_name(match: Match | None, name: str) -> Match:
    def named(labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
        return fields["metadata.name"] == name and (match is None or match(labels, fields))

    return named


def _check_match(info: RequestInfo, how: str, revision: str, continue_: str, watch: bool) -> None:
    path = "resourceVersionMatch"
    found = []
    initial = info.param("sendInitialEvents")
    if watch and initial:
        if how != "NotOlderThan":
            found.append(
                field.forbidden(path, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
            )
        if how and how != "NotOlderThan":
            found.append(field.not_supported(path, how, ["NotOlderThan"]))
        if how and continue_:
            found.append(field.forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
    elif not watch and initial:
        found.append(field.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    elif how:
        if watch:
            found.append(field.forbidden(path, "resourceVersionMatch is forbidden for watch"))
        if not revision:
            found.append(field.forbidden(path, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
        if continue_:
            found.append(field.forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
        if how not in ("Exact", "NotOlderThan"):
            found.append(field.not_supported(path, how, ["Exact", "NotOlderThan", ""]))
            found = [_last_empty(e) for e in found]
        elif how == "Exact" and revision == "0":
            detail = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            found.append(field.forbidden(path, detail))
    if found:
        raise errors.invalid("ListOptions", "meta.k8s.io", "", found)


def _last_empty(error: errors.FieldError) -> errors.FieldError:
    # upstream lists the empty choice last, not sorted
    text = error.message.replace('supported values: "", "Exact", "NotOlderThan"', _CHOICES)
    return errors.FieldError(error.reason, error.field, text)


_CHOICES = 'supported values: "Exact", "NotOlderThan", ""'


async def wait_for_revision(storage: Storage, revision: int, *, retry: bool = True) -> None:
    """Wait until the store has reached ``revision``. :raises Timeout: it did not; ``retry`` as in `too_large`"""
    current = storage.caches.revision
    if revision <= current:
        return
    deadline = clock.monotonic() + FUTURE_WAIT
    while clock.monotonic() < deadline:
        await anyio.sleep(FUTURE_POLL)
        if storage.caches.revision >= revision:
            return
    raise too_large(revision, storage.caches.revision, retry=retry)


def too_large(revision: int, current: int, *, retry: bool = True) -> errors.Timeout:
    """The refusal of a revision from the future; ``retry`` says whether to ask the client to come again."""
    details: dict[str, Any] = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    }
    if retry:
        details["retryAfterSeconds"] = 1
    return errors.Timeout(f"Timeout: Too large resource version: {revision}, current: {current}", details)


async def get(storage: Storage, resource: Resource, info: RequestInfo) -> Item:
    """One object. :raises NotFound:"""
    revision = _revision(info.param("resourceVersion"), stored=_is_uncached(resource))
    if revision:
        await wait_for_revision(storage, revision, retry=not _is_uncached(resource))
    item = storage.item(resource, info.namespace if resource.namespaced else "", info.name)
    if item is None:
        raise missing(resource, info.name)
    return item


async def list_(storage: Storage, resource: Resource, namespace: str, query: ListQuery) -> Listing:
    """Objects that match, as of one revision.

    :raises Expired: that revision's history is gone
    """
    if query.in_version:
        return await _converted(storage, resource, namespace, query)
    if query.continue_:
        return await _continued(storage, resource, namespace, query)
    if query.revision:
        if query.limit and query.revision > storage.caches.revision:
            raise too_large(query.revision, storage.caches.revision, retry=False)  # pages are read from the store
        await wait_for_revision(storage, query.revision, retry=not _is_uncached(resource))
        old = query.exact or (query.limit and not query.not_older_than and not query.names_one)
        if old and query.revision != storage.caches.revision:
            return await _at(storage, resource, namespace, query, query.revision, "")
    return _current(storage, resource, namespace, query, "")


def _current(storage: Storage, resource: Resource, namespace: str, query: ListQuery, start: str) -> Listing:
    prefix = storage.prefix(resource, namespace if resource.namespaced else "")
    cache = storage.cache(resource)
    revision = storage.caches.revision
    unpaged = (query.revision == 0 and not query.not_older_than) or query.names_one
    limit = 0 if unpaged else query.limit  # upstream ignores limit at 0
    match = query.match
    if match is None and limit:
        items = cache.range(prefix, start, limit + 1)
        values = [item.value for item in items[:limit]]
        if len(items) <= limit:
            return Listing(values, revision)
        last = items[limit - 1].key
        remaining = cache.count(prefix) - limit if not start else _after(cache.range(prefix, start), limit)
        return Listing(values, revision, _token(storage, revision, prefix, last), remaining)
    items = cache.range(prefix, start)
    items = list(matching(items, match)) if match is not None else items
    if not limit or len(items) < limit or (len(items) == limit and not cache.range(prefix, items[-1].key + "\0", 1)):
        return Listing([item.value for item in items], revision)
    # a full page goes on where any key follows it: upstream stops reading before it knows whether one matches
    token = _token(storage, revision, prefix, items[limit - 1].key)
    return Listing([item.value for item in items[:limit]], revision, token)


async def _converted(storage: Storage, resource: Resource, namespace: str, query: ListQuery) -> Listing:
    """What matches in ``resource``'s own version; all at once, as a server may answer whatever the limit."""
    everything = replace(query, match=None, in_version=False, limit=0, continue_="")
    whole = await list_(storage, resource, namespace, everything)
    stored = [Item("", value, 0, storage.extractor(resource)) for value in whole.values]
    shown = await storage.in_version(resource, stored)
    return Listing([i.value for i in matching(shown, query.match)], whole.revision)


def matching(items: Sequence[Item], match: Match | None) -> Sequence[Item]:
    """Those that a selector chooses."""
    return items if match is None else [item for item in items if match(item.labels, item.fields)]


def _after(items: Sequence[Item], limit: int) -> int:
    return len(items) - limit


async def _at(
    storage: Storage, resource: Resource, namespace: str, query: ListQuery, revision: int, start: str
) -> Listing:
    prefix = storage.prefix(resource, namespace if resource.namespaced else "")
    limit = query.limit if query.match is None else 0
    try:
        page = await storage.store.list(prefix, start=start, limit=limit, revision=revision)
    except Compacted as gone:
        raise errors.Expired(
            f"The resourceVersion for the provided list is too old: {revision} ({gone.compacted})"
        ) from gone
    records = list(page.records)
    remaining = page.remaining
    if query.match is not None:
        extract = storage.extractor(resource)
        records = [r for r in records if query.match(*extract(r.value))]
        cut = query.limit if query.limit and len(records) >= query.limit else 0
        last = page.records[-1].key if page.records else ""
        more, remaining = bool(cut) and records[cut - 1].key != last, 0
        records = records[: cut or None]
    else:
        more = remaining > 0
    token = _token(storage, revision, prefix, records[-1].key) if more and records else ""
    return Listing([r.value for r in records], revision, token, remaining)


async def _continued(storage: Storage, resource: Resource, namespace: str, query: ListQuery) -> Listing:
    revision, start = continue_token.read(query.continue_)
    if query.revision:
        raise errors.BadRequest("specifying resource version is not allowed when using continue")
    prefix = storage.prefix(resource, namespace if resource.namespaced else "")
    first = prefix + start
    if revision == storage.caches.revision or revision < 0:
        return _current(storage, resource, namespace, query, first)
    if revision > storage.caches.revision:
        raise errors.InternalError("etcdserver: mvcc: required revision is a future revision")
    try:
        begun = storage.pages.get(revision)
        if begun is not None and clock.monotonic() - begun > TOKEN_SECONDS:
            raise errors.Expired("history reaches further back, but clients are told how long a list may take")
        return await _at(storage, resource, namespace, query, revision, first)
    except errors.Expired as expired:
        error = errors.Expired(TOO_OLD)
        # a token without a revision goes on from the present: inconsistent, as the message says
        error.list_metadata = {"continue": continue_token.encode(-1, start)}
        raise error from expired


def _token(storage: Storage, revision: int, prefix: str, last: str) -> str:
    """A continue token for what comes after the key given last; its revision is kept readable."""
    pages = storage.pages
    if revision not in pages:
        if len(pages) >= MOST_PAGED:
            del pages[next(iter(pages))]
        pages[revision] = clock.monotonic()
    return continue_token.encode(revision, last[len(prefix) :] + "\0")
