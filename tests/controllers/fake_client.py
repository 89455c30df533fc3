"""A small stand-in for the API server: objects in a dictionary, one revision counter, watches over a log.

It knows what controllers lean on: uids, generated names, compare-and-swap, merge and JSON patches, the status
subresource, generations, deletion with finalizers and propagation policies, pods' graceful deletion.
"""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.client.protocol import JSON_PATCH, MERGE_PATCH, ObjectList, WatchEvent
from kube_lite.errors import MODIFIED, ApiError, Conflict, Expired, already_exists, conflict, not_found
from kube_lite.resources.meta import Obj

KINDS = {
    "pods": ("v1", "Pod"),
    "services": ("v1", "Service"),
    "endpoints": ("v1", "Endpoints"),
    "events": ("v1", "Event"),
    "nodes": ("v1", "Node"),
    "certificatesigningrequests.certificates.k8s.io": ("certificates.k8s.io/v1", "CertificateSigningRequest"),
    "namespaces": ("v1", "Namespace"),
    "configmaps": ("v1", "ConfigMap"),
    "secrets": ("v1", "Secret"),
    "serviceaccounts": ("v1", "ServiceAccount"),
    "replicationcontrollers": ("v1", "ReplicationController"),
    "resourcequotas": ("v1", "ResourceQuota"),
    "persistentvolumeclaims": ("v1", "PersistentVolumeClaim"),
    "persistentvolumes": ("v1", "PersistentVolume"),
    "storageclasses.storage.k8s.io": ("storage.k8s.io/v1", "StorageClass"),
    "deployments.apps": ("apps/v1", "Deployment"),
    "replicasets.apps": ("apps/v1", "ReplicaSet"),
    "statefulsets.apps": ("apps/v1", "StatefulSet"),
    "daemonsets.apps": ("apps/v1", "DaemonSet"),
    "controllerrevisions.apps": ("apps/v1", "ControllerRevision"),
    "jobs.batch": ("batch/v1", "Job"),
    "cronjobs.batch": ("batch/v1", "CronJob"),
    "leases.coordination.k8s.io": ("coordination.k8s.io/v1", "Lease"),
    "endpointslices.discovery.k8s.io": ("discovery.k8s.io/v1", "EndpointSlice"),
    "poddisruptionbudgets.policy": ("policy/v1", "PodDisruptionBudget"),
    "horizontalpodautoscalers.autoscaling": ("autoscaling/v2", "HorizontalPodAutoscaler"),
}
CLUSTER_SCOPED = {
    "nodes",
    "namespaces",
    "persistentvolumes",
    "storageclasses.storage.k8s.io",
    "certificatesigningrequests.certificates.k8s.io",
}


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """RFC 6902: test, add, replace, remove."""
    result = copy.deepcopy(target)
    for operation in operations:
        *parents, last = [s.replace("~1", "/").replace("~0", "~") for s in operation["path"].split("/")[1:]]
        at: Any = result
        for step in parents:
            at = at[int(step)] if isinstance(at, list) else at[step]
        if isinstance(at, list):
            position = len(at) if last == "-" else int(last)
            if operation["op"] == "add":
                at.insert(position, operation["value"])
            elif operation["op"] == "remove":
                at.pop(position)
            elif operation["op"] == "replace":
                at[position] = operation["value"]
            elif at[position] != operation["value"]:
                raise Conflict("test failed")
        elif operation["op"] == "remove":
            del at[last]
        elif operation["op"] == "test":
            if at.get(last) != operation["value"]:
                raise Conflict("test failed")
        else:
            at[last] = operation["value"]
    return result


def labels_match(selector: str, labels: Mapping[str, str]) -> bool:
    """Equality selectors only."""
    return all(labels.get(key) == value for key, _, value in (t.partition("=") for t in selector.split(",") if t))


class FakeClient:
    """Implements ``client.protocol.Client`` over a dictionary.

    ``writes`` lists ``(verb, resource, key)`` of every accepted write. ``compact()`` makes old revisions Expired.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Obj]] = {}
        self.revision = 0
        self.compacted = 0
        self.writes: list[tuple[str, str, str]] = []
        self.broken: ApiError | None = None
        self._log: list[tuple[int, str, str, Obj, Obj | None]] = []
        self._changed = anyio.Event()
        self._uids = 0
        self._streams = 0
        self._generation = 0

    def snapshot(self, resource: str) -> list[Obj]:
        """All objects of a resource, not to be changed."""
        return list(self.objects.get(resource, {}).values())

    def peek(self, resource: str, key: str) -> Obj | None:
        """A copy of one object."""
        return copy.deepcopy(self.objects.get(resource, {}).get(key))

    async def bind(self, name: str, namespace: str, node: str) -> None:
        """What a scheduler does."""
        await self.patch("pods", name, {"spec": {"nodeName": node}}, namespace)

    def compact(self) -> None:
        """Forget history, and close all watches so that they notice."""
        self.compacted = self.revision
        self.close_watches()

    def close_watches(self) -> None:
        """End every open watch."""
        self._streams += 1
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    @staticmethod
    def _key(name: str, namespace: str) -> str:
        return f"{namespace}/{name}" if namespace else name

    def _names(self, resource: str) -> tuple[str, str]:
        plural, _, group = resource.partition(".")
        return plural, group

    def _find(self, resource: str, name: str, namespace: str) -> Obj:
        if self.broken is not None:
            raise self.broken
        found = self.objects.get(resource, {}).get(self._key(name, namespace))
        if found is None:
            raise not_found(*self._names(resource), name)
        return found

    def _commit(self, kind: str, resource: str, obj: Obj) -> bytes:
        """Store ``obj`` (or drop it) under the next revision."""
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        key = self._key(obj["metadata"]["name"], obj["metadata"].get("namespace", ""))
        held = self.objects.setdefault(resource, {})
        previous = held.get(key)
        if kind == "DELETED":
            held.pop(key, None)
        else:
            held[key] = obj
        self._log.append((self.revision, kind, resource, obj, previous))
        self._wake()
        return json.dumps(obj).encode()

    async def get(self, resource: str, name: str, namespace: str = "", *, subresource: str = "") -> bytes:
        """See Client."""
        return json.dumps(self._find(resource, name, namespace)).encode()

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
        """See Client."""
        if self.broken is not None:
            raise self.broken
        found = [
            # as upstream's lists: what every item is stands outside
            json.dumps({key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}).encode()
            for _, obj in sorted(self.objects.get(resource, {}).items())
            if (not namespace or obj["metadata"].get("namespace") == namespace)
            and labels_match(label_selector, obj["metadata"].get("labels", {}))
        ]
        return ObjectList(found, str(self.revision))

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
        """See Client."""
        if self.broken is not None:
            raise self.broken
        if int(resource_version or 0) < self.compacted:
            raise Expired("too old resource version")
        yield self._events(resource, namespace, int(resource_version or 0), label_selector)

    async def _events(
        self, resource: str, namespace: str, after: int, label_selector: str
    ) -> AsyncIterator[Sequence[WatchEvent]]:
        streams = self._streams
        position = 0
        while streams == self._streams:
            changed = self._changed
            fresh = self._log[position:]
            position = len(self._log)
            batch = []
            for revision, kind, of, obj, previous in fresh:
                if revision <= after or of != resource or (namespace and obj["metadata"]["namespace"] != namespace):
                    continue
                new = kind != "DELETED" and labels_match(label_selector, obj["metadata"].get("labels", {}))
                old = previous is not None and labels_match(label_selector, previous["metadata"].get("labels", {}))
                if new or old:
                    type_ = "MODIFIED" if new and old else "ADDED" if new else "DELETED"
                    batch.append(WatchEvent(type_, json.dumps(obj).encode()))
            if batch:
                yield batch
            else:
                await changed.wait()

    async def create(
        self, resource: str, obj: Mapping[str, Any], namespace: str = "", *, name: str = "", subresource: str = ""
    ) -> bytes:
        """See Client."""
        if self.broken is not None:
            raise self.broken
        new: Obj = json.loads(json.dumps(obj))
        meta = new.setdefault("metadata", {})
        if resource not in CLUSTER_SCOPED:
            meta["namespace"] = namespace or meta["namespace"]
        new["apiVersion"], new["kind"] = KINDS[resource]
        if not meta.get("name"):
            self._generation += 1
            meta["name"] = f"{meta['generateName']}{self._generation:05d}"
        if self._key(meta["name"], meta.get("namespace", "")) in self.objects.get(resource, {}):
            raise already_exists(*self._names(resource), meta["name"])
        self._uids += 1
        meta |= {"uid": f"uid-{self._uids}", "creationTimestamp": clock.timestamp(), "generation": 1}
        if resource == "pods":
            new.setdefault("status", {"phase": "Pending"})
        if resource == "namespaces":
            new.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
            new["status"] = {"phase": "Active"}
        self.writes.append(("create", resource, self._key(meta["name"], meta.get("namespace", ""))))
        return self._commit("ADDED", resource, new)

    async def update(
        self, resource: str, name: str, obj: Mapping[str, Any], namespace: str = "", *, subresource: str = ""
    ) -> bytes:
        """See Client."""
        old = self._find(resource, name, namespace)
        return self._write("update", resource, old, json.loads(json.dumps(obj)), subresource)

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
        """See Client."""
        old = self._find(resource, name, namespace)
        apply = {MERGE_PATCH: merge_patch, JSON_PATCH: json_patch}[content_type]
        return self._write("patch", resource, old, apply(old, json.loads(json.dumps(patch))), subresource)

    def _write(self, verb: str, resource: str, old: Obj, new: Obj, subresource: str) -> bytes:
        meta, before = new["metadata"], old["metadata"]
        if meta.get("resourceVersion", before["resourceVersion"]) != before["resourceVersion"]:
            raise conflict(*self._names(resource), meta["name"], MODIFIED)
        if meta.get("uid", before["uid"]) != before["uid"]:
            raise conflict(*self._names(resource), meta["name"], "Precondition failed: UID in precondition")
        for field in ("resourceVersion", "uid", "creationTimestamp", "generation", "deletionTimestamp"):
            if field in before:
                meta[field] = before[field]
        if subresource == "status":
            new = {**old, "metadata": meta, "status": new.get("status", {})}
        elif subresource == "scale":
            new = {**old, "spec": {**old["spec"], "replicas": new["spec"]["replicas"]}}
        elif resource == "namespaces" and not subresource:
            new["status"], new["spec"] = old.get("status", {}), old.get("spec", {})
        elif not subresource and resource not in ("configmaps", "events", "endpoints"):
            new["status"] = old.get("status", {})
        if new == old:
            return json.dumps(old).encode()
        if new.get("spec") != old.get("spec"):
            meta["generation"] = before["generation"] + 1
        key = self._key(meta["name"], meta.get("namespace", ""))
        self.writes.append((verb, f"{resource}/{subresource}" if subresource else resource, key))
        if subresource == "finalize":
            meta = new["metadata"]
        gone = "deletionTimestamp" in meta and not meta.get("finalizers") and not meta.get("deletionGracePeriodSeconds")
        if gone and not (resource == "namespaces" and new["spec"].get("finalizers")):
            return self._commit("DELETED", resource, new)
        return self._commit("MODIFIED", resource, new)

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
        """See Client."""
        new = copy.deepcopy(self._find(resource, name, namespace))
        meta = new["metadata"]
        if (uid and uid != meta["uid"]) or (resource_version and resource_version != meta["resourceVersion"]):
            raise conflict(*self._names(resource), name, "Precondition failed")
        finalizers = meta.setdefault("finalizers", [])
        for policy, finalizer in (("Foreground", "foregroundDeletion"), ("Orphan", "orphan")):
            if propagation_policy == policy and finalizer not in finalizers:
                finalizers.append(finalizer)
        grace = 0
        if resource == "pods" and new.get("spec", {}).get("nodeName"):
            grace = 30 if grace_period_seconds is None else grace_period_seconds
        self.writes.append(("delete", resource, self._key(name, namespace)))
        if finalizers or grace or (resource == "namespaces" and new["spec"].get("finalizers")):
            meta.setdefault("deletionTimestamp", clock.timestamp())
            meta["deletionGracePeriodSeconds"] = grace
            if resource == "namespaces":
                new["status"] = {"phase": "Terminating"}
            return self._commit("MODIFIED", resource, new)
        return self._commit("DELETED", resource, new)

    async def delete_collection(
        self,
        resource: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        propagation_policy: str = "",
    ) -> None:
        """See Client."""
        refusals = []
        for obj in self.snapshot(resource):
            meta = obj["metadata"]
            if meta.get("namespace") == namespace and labels_match(label_selector, meta.get("labels", {})):
                try:
                    await self.delete(resource, meta["name"], namespace, propagation_policy=propagation_policy)
                except ApiError as error:
                    refusals.append(error)
        if refusals:
            raise refusals[0]
