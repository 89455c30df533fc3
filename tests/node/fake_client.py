"""A small in-memory Client: enough of the API's verbs for what a node executor does, counting its requests.

Patches are merge patches, with lists of conditions merged by type. Writes are seen by watchers at once.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from kube_lite import errors
from kube_lite.client.protocol import MERGE_PATCH, ObjectList, WatchEvent

Obj = dict[str, Any]


def _merge(target: Any, patch: Any, path: str = "") -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif key == "conditions" and isinstance(value, list):
            known = {c["type"]: c for c in result.get(key, [])}
            for condition in value:
                known[condition["type"]] = _merge(known.get(condition["type"]), condition)
            result[key] = list(known.values())
        elif isinstance(value, list):
            result[key] = [item for item in value if not (isinstance(item, dict) and "$patch" in item)]
        else:
            result[key] = _merge(result.get(key), value)
    return result


class FakeClient:
    """Objects by resource, namespace and name."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Obj] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.failures: dict[tuple[str, str], list[Exception]] = {}
        """Errors to raise for the next requests with this verb and resource."""
        self.tokens: bool = True
        self._revision = 0
        self._history: list[tuple[str, str, Obj]] = []
        self._changed = anyio.Event()

    # --- for tests ---

    def put(self, resource: str, obj: Obj) -> Obj:
        """Create or replace an object."""
        meta = obj.setdefault("metadata", {})
        key = (resource, meta.get("namespace", ""), meta["name"])
        meta.setdefault("uid", f"uid-{meta['name']}")
        self._store("MODIFIED" if key in self.objects else "ADDED", key, obj)
        return obj

    def remove(self, resource: str, namespace: str, name: str) -> None:
        """Remove an object from the API."""
        key = (resource, namespace, name)
        obj = self.objects.pop(key)
        self._record("DELETED", resource, obj)

    def pod(self, name: str, namespace: str = "default") -> Obj:
        """A pod as it is now."""
        return self.objects["pods", namespace, name]

    def events(self) -> list[tuple[str, str, int]]:
        """All events as reason, message, count."""
        return [
            (o["reason"], o["message"], o["count"])
            for (resource, _, _), o in self.objects.items()
            if resource == "events"
        ]

    def _store(self, type: str, key: tuple[str, str, str], obj: Obj) -> None:
        self.objects[key] = obj
        self._record(type, key[0], obj)

    def _record(self, type: str, resource: str, obj: Obj) -> None:
        self._revision += 1
        obj["metadata"]["resourceVersion"] = str(self._revision)
        self._history.append((type, resource, json.loads(json.dumps(obj))))
        self._changed.set()
        self._changed = anyio.Event()

    def _asked(self, verb: str, resource: str, name: str) -> None:
        self.requests.append((verb, resource, name))
        waiting = self.failures.get((verb, resource))
        if waiting:
            raise waiting.pop(0)

    def _find(self, resource: str, namespace: str, name: str) -> Obj:
        found = self.objects.get((resource, namespace, name))
        if found is None:
            raise errors.not_found(resource, "", name)
        return found

    @staticmethod
    def _matches(obj: Obj, namespace: str, field_selector: str) -> bool:
        if namespace and obj["metadata"].get("namespace") != namespace:
            return False
        field, _, value = field_selector.partition("=")
        if field == "spec.nodeName":
            return bool(obj["spec"].get("nodeName") == value)
        return not field or obj["metadata"]["name"] == value

    # --- the protocol ---

    async def get(self, resource: str, name: str, namespace: str = "", *, subresource: str = "") -> bytes:
        self._asked("get", resource, name)
        return json.dumps(self._find(resource, namespace, name)).encode()

    async def list(
        self,
        resource: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_: str = "",
        resource_version: str = "",
    ) -> ObjectList:
        self._asked("list", resource, "")
        items = [
            json.dumps(obj).encode()
            for (kind, _, _), obj in self.objects.items()
            if kind == resource and self._matches(obj, namespace, field_selector)
        ]
        return ObjectList(items, str(self._revision))

    @asynccontextmanager
    async def watch(
        self,
        resource: str,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int = 0,
        bookmarks: bool = True,
    ) -> AsyncIterator[AsyncIterator[Sequence[WatchEvent]]]:
        async def batches() -> AsyncIterator[Sequence[WatchEvent]]:
            position = int(resource_version or self._revision)
            while True:
                changed = self._changed
                new = self._history[position:]
                position += len(new)
                found = [
                    WatchEvent(type, json.dumps(obj).encode())
                    for type, kind, obj in new
                    if kind == resource and self._matches(obj, namespace, field_selector)
                ]
                if found:
                    yield found
                if position == len(self._history):
                    await changed.wait()

        yield batches()

    async def create(
        self, resource: str, obj: Mapping[str, Any], namespace: str = "", *, name: str = "", subresource: str = ""
    ) -> bytes:
        self._asked("create", f"{resource}/{subresource}" if subresource else resource, name)
        if subresource == "token":
            if not self.tokens:
                raise errors.not_found(resource, "", name)
            return json.dumps({"status": {"token": f"token-of-{name}"}}).encode()
        new = json.loads(json.dumps(obj))
        if namespace:
            new["metadata"].setdefault("namespace", namespace)
        key = (resource, namespace, new["metadata"]["name"])
        if key in self.objects:
            raise errors.already_exists(resource, "", key[2])
        new["metadata"].setdefault("uid", f"uid-{key[2]}")
        self._store("ADDED", key, new)
        return json.dumps(new).encode()

    async def update(
        self, resource: str, name: str, obj: Mapping[str, Any], namespace: str = "", *, subresource: str = ""
    ) -> bytes:
        self._asked("update", resource, name)
        self._find(resource, namespace, name)
        new = json.loads(json.dumps(obj))
        self._store("MODIFIED", (resource, namespace, name), new)
        return json.dumps(new).encode()

    async def patch(
        self,
        resource: str,
        name: str,
        patch: Mapping[str, Any] | Sequence[Any],
        namespace: str = "",
        *,
        content_type: str = MERGE_PATCH,
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> bytes:
        self._asked("patch", f"{resource}/{subresource}" if subresource else resource, name)
        old = self._find(resource, namespace, name)
        assert isinstance(patch, Mapping)
        uid = (patch.get("metadata") or {}).get("uid")
        if uid and uid != old["metadata"]["uid"]:
            raise errors.conflict(resource, "", name, "Precondition failed: UID in precondition differs")
        new = _merge(old, json.loads(json.dumps(patch)))
        self._store("MODIFIED", (resource, namespace, name), new)
        return json.dumps(new).encode()

    async def delete(
        self,
        resource: str,
        name: str,
        namespace: str = "",
        *,
        grace_period_seconds: int | None = None,
        propagation_policy: str = "",
        uid: str = "",
        resource_version: str = "",
    ) -> bytes:
        self._asked("delete", resource, name)
        old = self._find(resource, namespace, name)
        if uid and old["metadata"]["uid"] != uid:
            raise errors.conflict(resource, "", name, "Precondition failed")
        if old["metadata"].get("finalizers"):
            return b"{}"
        self.remove(resource, namespace, name)
        return b"{}"

    async def delete_collection(
        self,
        resource: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        propagation_policy: str = "",
    ) -> None:
        """Not what a node does."""
        raise errors.Forbidden("a node deletes no collections")
