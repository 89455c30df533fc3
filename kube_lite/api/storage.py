"""Where objects of a resource lie in the store, and how they become bytes and dictionaries again.

An object is stored as canonical JSON without ``kind`` and ``apiVersion``: these are known from the key, a list
joins stored bytes as they are (upstream leaves them out of list items too), and a single object is the stored
bytes behind a short constant head. A custom resource keeps its apiVersion, in front: its definition's stored
version may change while objects remain. Where a webhook converts, :meth:`Storage.incoming` and
:meth:`Storage.outgoing` ask it; what they return is in the wanted version, and all else goes on as usual. All
reads come from the watch cache, which shows committed state only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from kube_lite.api import codec
from kube_lite.api.http import decode_json, encode_json
from kube_lite.resources.decode import complete
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Registry, Resource
from kube_lite.store.ring import Extract, Item
from kube_lite.store.store import Encode, Store
from kube_lite.store.watch_cache import WatchCache, WatchCaches

ROOT = "/registry/"
MOST_HEADS = 1024
"""Beginnings of objects that are kept, one for each version of a kind."""
MOST_GLIMPSED = 64
"""So many things made of one kind's objects are kept until its next write, for others who ask for the same."""


@lru_cache(maxsize=1024)
def _prefix(group: str, plural: str) -> str:
    return f"{ROOT}{group or 'core'}/{plural}/"


@lru_cache(maxsize=1024)
def _version_head(api_version: str) -> bytes:
    return b'{"apiVersion":"%s",' % api_version.encode()


def _revision(obj: Obj) -> int:
    return int(obj["metadata"].get("resourceVersion") or 0)


_METADATA = (
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
)
"""Fields of metadata in the order in which upstream writes them; any other comes after."""


_ESCAPES = tuple((char.encode(), b"\\u%04x" % ord(char)) for char in "&<>\u2028\u2029")
"""What Go's encoding/json escapes although JSON does not ask for it; none of it stands outside of strings."""


def _escaped(text: bytes) -> bytes:
    for char, escape in _ESCAPES:
        text = text.replace(char, escape)
    return text


def in_order(metadata: Obj) -> Obj:
    """A copy with the fields in upstream's order, whatever the order in which a client sent them."""
    # a resourceVersion is always written, so it has its place even before it is known
    ordered = {name: metadata.get(name) for name in _METADATA if name in metadata or name == "resourceVersion"}
    ordered.update(metadata)
    return ordered


def head(api_version: str, kind: str) -> bytes:
    """What stands before the stored bytes (without their opening brace) of a whole object."""
    return b'{"kind":"%s","apiVersion":"%s",' % (kind.encode(), api_version.encode())


def _asked_for(resource: Resource | None, obj: Obj) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What selectors ask about: labels, and the fields that the resource lets select."""
    meta = obj.get("metadata") or {}
    fields = resource.selectable(obj) if resource is not None else {}
    fields["metadata.name"] = meta.get("name") or ""
    if meta.get("namespace"):
        fields["metadata.namespace"] = meta["namespace"]
    return meta.get("labels") or {}, fields


class Storage:
    """Keys, encodings and version conversion over one store and its watch caches."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self.store = store
        self.registry = registry
        self.caches = WatchCaches(store, self._extract_for)
        self._heads: dict[tuple[str, str], bytes] = {}
        self.pages: dict[int, float] = {}
        """When the first page of a list at a revision was given, oldest first (``reads``)."""

    async def start(self) -> None:
        """Load what the store holds."""
        await self.caches.start()

    @staticmethod
    def group_of(resource: Resource) -> str:
        """The group under which objects are kept; events.k8s.io shares core's."""
        return "" if resource.storage_group == "core" else resource.storage_group or resource.group

    def prefix(self, resource: Resource, namespace: str = "") -> str:
        """The key prefix of all objects of a resource, or of those in one namespace."""
        base = _prefix(self.group_of(resource), resource.plural)
        return f"{base}{namespace}/" if namespace else base

    def key(self, resource: Resource, namespace: str, name: str) -> str:
        """The key of one object."""
        base = _prefix(self.group_of(resource), resource.plural)
        return f"{base}{namespace}/{name}" if resource.namespaced else base + name

    def cache(self, resource: Resource) -> WatchCache:
        """The watch cache of a resource."""
        return self.caches.cache(_prefix(self.group_of(resource), resource.plural))

    def item(self, resource: Resource, namespace: str, name: str) -> Item | None:
        """The committed record of one object."""
        return self.cache(resource).get(self.key(resource, namespace, name))

    def _extract_for(self, prefix: str) -> Extract:
        group, plural = prefix[len(ROOT) :].rstrip("/").split("/", 1)
        group = "" if group == "core" else group

        def extract(value: bytes) -> tuple[Mapping[str, str], Mapping[str, str]]:
            return _asked_for(self._stored_as(group, plural), decode_json(value))

        return extract

    def extractor(self, resource: Resource) -> Extract:
        """What reads labels and selectable fields from stored bytes of a resource."""
        return self._extract_for(self.prefix(resource))

    def _stored_as(self, group: str, plural: str) -> Resource | None:
        found = self.registry.named(f"{plural}.{group}" if group else plural)
        return found if found is None else self.stored(found)

    def stored(self, resource: Resource) -> Resource:
        """The version of a resource in which its objects are kept."""
        if not resource.storage_version and not resource.storage_group:
            return resource
        group = self.group_of(resource)
        return self.registry.at(group, resource.storage_version or resource.version, resource.plural) or resource

    def equivalents(self, resource: Resource) -> list[Resource]:
        """The other versions in which the same objects are served (``admission.plugin.Objects``)."""
        prefix = self.prefix(resource)
        return [r for r in self.registry if r.plural == resource.plural and r != resource and self.prefix(r) == prefix]

    def load(self, resource: Resource, value: bytes) -> Obj:
        """Stored bytes as an object of ``resource``'s version, with kind and apiVersion."""
        obj: Obj = {"kind": resource.kind, "apiVersion": resource.api_version}
        obj.update(decode_json(value))
        if resource.convert_from_storage is not None:
            obj = resource.convert_from_storage(obj)
            obj["kind"], obj["apiVersion"] = resource.kind, resource.api_version
            if not resource.custom:
                complete(codec.type_of(resource), obj)
        return obj

    def encoder(self, resource: Resource, obj: Obj) -> Encode:
        """What the store calls to get the bytes of ``obj`` once the revision is known."""
        stored = obj
        if resource.webhook is None and resource.convert_to_storage is not None:
            stored = resource.convert_to_storage(obj)
            if not resource.custom:
                stored = decode_json(encode_json(stored))  # what is added is not to show in the caller's object
                complete(codec.type_of(self.stored(resource)), stored)
        bare = {k: v for k, v in stored.items() if k not in ("kind", "apiVersion")}
        if resource.custom:
            bare = {"apiVersion": stored["apiVersion"], **bare}
        metadata = bare["metadata"] = in_order(bare["metadata"])

        def encode(revision: int) -> bytes:
            metadata["resourceVersion"] = str(revision)
            return encode_json(bare)

        if resource.compared_as_text:
            return lambda revision: _escaped(encode(revision))
        return encode

    @staticmethod
    def again(value: bytes) -> Encode:
        """Stored bytes as they are, to be told of at another revision."""
        bare = decode_json(value)

        def encode(revision: int) -> bytes:
            bare["metadata"]["resourceVersion"] = str(revision)
            return encode_json(bare)

        return encode

    def bare(self, resource: Resource, value: bytes) -> bytes:
        """Stored bytes as ``resource``'s version shows them, without kind and (unless custom) apiVersion."""
        if resource.convert_from_storage is None or (not resource.late_defaults and self.is_stored_as(resource, value)):
            return value
        obj = self.load(resource, value)
        if resource.shown is not None:
            resource.shown(obj)
        obj.pop("kind")
        if resource.custom:
            return encode_json({"apiVersion": obj.pop("apiVersion"), **obj})
        obj.pop("apiVersion")
        return encode_json(obj)

    @staticmethod
    def is_stored_as(resource: Resource, value: bytes) -> bool:
        """Whether stored bytes of a custom resource are of this version already."""
        return resource.custom and value.startswith(_version_head(resource.api_version))

    def whole(self, resource: Resource, value: bytes) -> bytes:
        """Stored bytes as a whole object on the wire."""
        key = (resource.api_version, resource.kind)
        start = self._heads.get(key)
        if start is None:
            if len(self._heads) >= MOST_HEADS:
                self._heads.clear()  # of kinds that are served no longer
            start = self._heads[key] = b'{"kind":"%s",' % resource.kind.encode() if resource.custom else head(*key)
        return start + self.bare(resource, value)[1:]

    async def incoming(self, resource: Resource, values: Sequence[bytes]) -> Sequence[bytes]:
        """Stored bytes in ``resource``'s version, where a webhook must be asked for that; else as they are.

        :raises InternalError: the webhook failed
        """
        fill = resource.fill_stored
        if resource.webhook is None or (fill is None and all(self.is_stored_as(resource, v) for v in values)):
            return values
        old = [{"kind": resource.kind, **decode_json(value)} for value in values]
        if fill is not None:
            for obj in old:
                fill(obj)
        new = await resource.webhook(old, resource.api_version)
        return [self.encoder(resource, obj)(_revision(obj)) for obj in new]

    async def in_version(self, resource: Resource, items: Sequence[Item]) -> list[Item]:
        """Records of a custom resource as ``resource``'s version has them, with the fields that it lets select.

        :raises InternalError: the webhook that converts them failed
        """
        values = await self.incoming(resource, [item.value for item in items])

        def extract(value: bytes) -> tuple[Mapping[str, str], Mapping[str, str]]:
            return _asked_for(resource, self.load(resource, value))

        return [Item(item.key, value, item.revision, extract) for item, value in zip(items, values, strict=True)]

    async def incoming_one(self, resource: Resource, value: bytes) -> bytes:
        """As ``incoming``, for one object."""
        return value if resource.webhook is None else (await self.incoming(resource, [value]))[0]

    async def outgoing(self, resource: Resource, obj: Obj) -> Obj:
        """An object in the version in which it is stored, where a webhook must be asked for that; else as it is.

        :raises InternalError: the webhook failed
        """
        if resource.webhook is None or not resource.storage_version:
            return obj
        return (await resource.webhook([obj], f"{resource.group}/{resource.storage_version}"))[0]

    async def keeps(self, resource: Resource, item: Item, obj: Obj) -> bool:
        """Whether an object that nobody changed is stored as it would be now.

        A custom one may be stored in a version that is no longer the one to store, without defaults that came later
        or with fields that have gone; then even a write that changes nothing is a write, on which those who migrate
        objects to another version rely.

        :raises InternalError: the webhook that converts it failed
        """
        if not resource.custom:
            return True
        encode = self.encoder(resource, await self.outgoing(resource, obj))
        return bool(decode_json(encode(item.revision)) == decode_json(item.value))

    def lookup(self, group_resource: str, namespace: str, name: str) -> Obj | None:
        """One object, decoded; None when there is none (``admission.plugin.Objects``)."""
        resource = self.registry.named(group_resource)
        if resource is None:
            return None
        item = self.item(resource, namespace, name)
        return None if item is None else self.load(resource, item.value)

    def glimpse(self, group_resource: str, namespace: str, name: str) -> Obj | None:
        """As ``lookup``, but shared with others who look before the kind's next write: not to be changed."""
        resource = self.registry.named(group_resource)
        if resource is None:
            return None
        cache, key = self.cache(resource), self.key(resource, namespace, name)
        item = cache.get(key)
        if item is None:
            return None
        slot = (resource.api_version, key)
        found: Obj | None = cache.shared.get(slot)
        if found is None:
            found = self.load(resource, item.value)
            if len(cache.shared) < MOST_GLIMPSED:
                cache.shared[slot] = found
        return found

    def glance(self, group_resource: str, namespace: str = "") -> list[Obj]:
        """As ``select``, but shared with others who look before the kind's next write: not to be changed."""
        resource = self.registry.named(group_resource)
        if resource is None or (cache := self.cache(resource)).empty:
            return []
        slot = (resource.api_version, namespace, "*")
        found: list[Obj] | None = cache.shared.get(slot)
        if found is None:
            found = self.select(group_resource, namespace)
            if len(found) + len(cache.shared) <= MOST_GLIMPSED:
                cache.shared[slot] = found
        return found

    def select(self, group_resource: str, namespace: str = "") -> list[Obj]:
        """All objects of a kind, decoded, in key order (``admission.plugin.Objects``)."""
        resource = self.registry.named(group_resource)
        if resource is None:
            return []
        cache = self.cache(resource)
        if cache.empty:  # as it is with most of what admission asks for with every write
            return []
        return [self.load(resource, item.value) for item in cache.range(self.prefix(resource, namespace))]
