"""Namespaces: deletion empties them, then lifts the finalizer that holds them.

Pods go first and everything else when they have gone, so that nothing a running pod relies on is taken away from
under it. Conditions tell what still keeps a namespace. Upstream: ``pkg/controller/namespace/deletion``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from kube_lite import clock
from kube_lite.controllers.base import Context, Controller, Requeue, ServedResource
from kube_lite.controllers.replicas import condition_as_json
from kube_lite.errors import ApiError, NotFound
from kube_lite.resources.meta import Obj, ObjectView
from kube_lite.resources.views import Namespace, WorkloadCondition

NAMES = ("namespace", "namespace-controller")

FINALIZER = "kubernetes"

_object = msgspec.json.Decoder(ObjectView)


class _Remains(msgspec.Struct):
    """What is left of a namespace after everything was asked to go."""

    counts: Counter[str] = msgspec.field(default_factory=Counter)
    finalizers: Counter[str] = msgspec.field(default_factory=Counter)
    failures: list[str] = msgspec.field(default_factory=list)


class NamespaceController(Controller):
    """Empties namespaces that are being deleted."""

    name = "namespace"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.workers = ctx.settings.workers
        self._retry = ctx.settings.namespace_retry
        self._client = ctx.client_for("namespace-controller")
        self._served = ctx.resources
        self._namespaces = self.source(ctx.informers.get("namespaces", Namespace))
        # the last pod to go is what most namespaces wait for
        self.source(ctx.informers.get("pods", ObjectView), self._of_terminating)

    def _of_terminating(self, pod: ObjectView) -> Iterable[str]:
        namespace = self._namespaces.get(pod.metadata.namespace)
        deleting = namespace is not None and namespace.metadata.deletion_timestamp is not None
        return (pod.metadata.namespace,) if deleting else ()

    async def reconcile(self, key: str) -> Requeue | None:
        """Ask everything in the namespace to go; lift its finalizer when nothing is left."""
        namespace = self._namespaces.get(key)
        if namespace is None or namespace.metadata.deletion_timestamp is None:
            return None
        if FINALIZER not in namespace.spec.finalizers:
            return None
        remains = await self._empty(key)
        await self._write_conditions(namespace, remains)
        if remains.counts or remains.failures:
            return Requeue(self._retry)
        await self._finalize(namespace)
        return None

    def _resources(self) -> list[ServedResource]:
        """What is deleted, in order of name; each resource in one version only."""
        found: dict[str, ServedResource] = {}
        for entry in self._served():
            if entry.namespaced and {"list", "deletecollection"} <= entry.verbs:
                found.setdefault(entry.resource, entry)
        return [found[resource] for resource in sorted(found)]

    async def _empty(self, namespace: str) -> _Remains:
        remains = _Remains()
        resources = self._resources()
        pods = [entry for entry in resources if entry.resource == "pods"]
        for entry in pods:
            await self._delete_all(entry.resource, namespace, remains)
        if remains.counts or remains.failures:
            return remains
        for entry in resources:
            if entry not in pods:
                await self._delete_all(entry.resource, namespace, remains)
        return remains

    async def _list(self, resource: str, namespace: str) -> list[ObjectView]:
        page = await self._client.list(resource, namespace)
        return [_object.decode(item) for item in page.items]

    async def _delete_all(self, resource: str, namespace: str, remains: _Remains) -> None:
        try:
            left = await self._list(resource, namespace)
            if any(obj.metadata.deletion_timestamp is None for obj in left):
                try:
                    await self._client.delete_collection(resource, namespace, propagation_policy="Background")
                except ApiError as error:
                    remains.failures.append(f"{resource}: {error.message}")
                left = await self._list(resource, namespace)
        except NotFound:
            return  # no longer served
        except ApiError as error:
            remains.failures.append(f"{resource}: {error.message}")
            return
        if left:
            remains.counts[resource] = len(left)
        remains.finalizers.update(finalizer for obj in left for finalizer in obj.metadata.finalizers)

    async def _write_conditions(self, namespace: Namespace, remains: _Remains) -> None:
        known = {condition.type: condition for condition in namespace.status.conditions}
        wanted = list(_conditions(remains))
        merged = dict(known)
        for condition in wanted:
            before = known.get(condition.type)
            same = before is not None and (before.status, before.reason, before.message) == (
                condition.status,
                condition.reason,
                condition.message,
            )
            if not same:
                merged[condition.type] = condition
        if merged == known and namespace.status.phase == "Terminating":
            return
        body = [condition_as_json(condition) for condition in merged.values()]
        status: Obj = {"phase": "Terminating", "conditions": body}
        patch = {"metadata": {"uid": namespace.metadata.uid}, "status": status}
        await self._client.patch("namespaces", namespace.metadata.name, patch, subresource="status")

    async def _finalize(self, namespace: Namespace) -> None:
        name = namespace.metadata.name
        try:
            live: Obj = msgspec.json.decode(await self._client.get("namespaces", name))
            if live["metadata"]["uid"] != namespace.metadata.uid:
                return
            spec = live.setdefault("spec", {})
            spec["finalizers"] = [entry for entry in spec.get("finalizers") or () if entry != FINALIZER]
            await self._client.update("namespaces", name, live, subresource="finalize")
        except NotFound:
            return


def _qualified(resource: str) -> str:
    """``configmaps.`` or ``deployments.apps``, as upstream writes it in these messages."""
    return resource if "." in resource else f"{resource}."


def _conditions(remains: _Remains) -> Iterable[WorkloadCondition]:
    """The five conditions of a namespace that is being emptied, in upstream's words."""

    def condition(kind: str, failed: bool, reason: str, message: str) -> WorkloadCondition:
        status = "True" if failed else "False"
        now = clock.timestamp()
        return WorkloadCondition(type=kind, status=status, reason=reason, message=message, last_transition_time=now)

    yield condition(
        "NamespaceDeletionDiscoveryFailure", False, "ResourcesDiscovered", "All resources successfully discovered"
    )
    yield condition(
        "NamespaceDeletionGroupVersionParsingFailure",
        False,
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    )
    if remains.failures:
        texts = ", ".join(sorted(set(remains.failures)))
        message = f"Failed to delete all resource types, {len(remains.failures)} remaining: {texts}"
        yield condition("NamespaceDeletionContentFailure", True, "ContentDeletionFailed", message)
    else:
        message = "All content successfully deleted, may be waiting on finalization"
        yield condition("NamespaceDeletionContentFailure", False, "ContentDeleted", message)
    if remains.counts:
        texts = ", ".join(f"{_qualified(r)} has {n} resource instances" for r, n in sorted(remains.counts.items()))
        yield condition(
            "NamespaceContentRemaining", True, "SomeResourcesRemain", f"Some resources are remaining: {texts}"
        )
    else:
        yield condition("NamespaceContentRemaining", False, "ContentRemoved", "All content successfully removed")
    if remains.finalizers:
        texts = ", ".join(f"{f} in {n} resource instances" for f, n in sorted(remains.finalizers.items()))
        message = f"Some content in the namespace has finalizers remaining: {texts}"
        yield condition("NamespaceFinalizersRemaining", True, "SomeFinalizersRemain", message)
    else:
        message = "All content-preserving finalizers finished"
        yield condition("NamespaceFinalizersRemaining", False, "ContentHasNoFinalizers", message)


def build(ctx: Context) -> Controller:
    """The controller."""
    return NamespaceController(ctx)
