"""ResourceQuota: what a namespace uses, counted anew (upstream: ``pkg/controller/resourcequota``).

Admission raises the usage as objects are created; here it is counted from what is really there, soon after anything
that a quota counts has come, gone or changed. The write names the revision that was read, and waits until usage is not
being raised, so a count does not take back what admission has just added; what it missed comes with the next change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import anyio.lowlevel
import msgspec

from kube_lite.client.informer import Informer
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.errors import NotFound
from kube_lite.resources import quota_usage
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import Obj, ObjectView, View
from kube_lite.resources.pod_resources import Amounts, plus

NAMES = ("resourcequota", "resourcequota-controller")

QUOTAS = "resourcequotas"

RESYNC = 300.0
"""Seconds after which usage is counted anew without cause (upstream: --resource-quota-sync-period)."""

GATHERING = 0.05
"""Seconds in which changes are gathered, at least."""

GATHERING_PER_OBJECT = 0.0005
"""Seconds more for each object counted last time: about ten times what counting one costs."""

MOVES = 20
"""How often a count is put off because the usage is being raised."""

CHUNK = 200
"""Objects decoded between two moments in which others may work."""

_CHANGEABLE = frozenset({"services", "persistentvolumeclaims"})
"""Kinds of which an update may change the usage; pods are looked at more closely."""


class QuotaSpec(View, frozen=True):
    """Bounds by name, and what they are for; the rest as decoded JSON."""

    hard: dict[str, str] = {}
    scopes: list[str] = []
    scope_selector: dict[str, Any] | None = None


class QuotaStatus(View, frozen=True):
    """Bounds and usage when last counted."""

    hard: dict[str, str] = {}
    used: dict[str, str] = {}


class ResourceQuota(ObjectView, frozen=True):
    """A ResourceQuota."""

    spec: QuotaSpec = QuotaSpec()
    status: QuotaStatus = QuotaStatus()


class ResourceQuotaController(Controller):
    """Counts what quotas limit."""

    name = "resourcequota"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.workers = ctx.settings.workers
        self._client = ctx.client_for("resourcequota-controller")
        self._informers = ctx.informers
        self._served = ctx.resources
        self._followed: dict[str, Informer[Any]] = {}
        self._counted: dict[str, int] = {}
        self._since: dict[str, tuple[str, int]] = {}
        """The revision that a quota had when a count of it became due, and how often it has changed meanwhile."""
        self._quotas = self.reads(ctx.informers.get(QUOTAS, ResourceQuota))
        self._quotas.on_change(self._quota_changed)

    def _quota_changed(self, old: ResourceQuota | None, new: ResourceQuota | None) -> None:
        if new is None:
            if old is not None:
                self._counted.pop(old.metadata.key, None)
        elif old is None or old.spec != new.spec or new.spec.hard != new.status.hard:
            self.queue.add(new.metadata.key)

    def _follow(self, kind: str) -> None:
        """Be told of everything of that kind from now on."""
        # the views that others have asked for already, so that nothing is held twice
        informer: Informer[Any] = self._informers.get(kind, Pod if kind == "pods" else ObjectView)
        if self._followed.get(kind) is informer:  # else a custom kind went, and came again
            return
        self._followed[kind] = informer

        def changed(old: ObjectView | None, new: ObjectView | None) -> None:
            obj = new or old
            if obj is not None and _matters(kind, old, new):
                self._wake(kind, obj.metadata.namespace)

        informer.on_change(changed)

    def _wake(self, kind: str, namespace: str) -> None:
        for quota in self._quotas.list(namespace):
            if kind in quota_usage.limited_kinds(quota.spec.hard):
                key = quota.metadata.key
                self._since.setdefault(key, (quota.metadata.resource_version, 0))
                self.queue.add_after(key, GATHERING + self._counted.get(key, 0) * GATHERING_PER_OBJECT)

    async def reconcile(self, key: str) -> Requeue | None:
        """Count what the quota limits, and write it down if it is news."""
        quota = self._quotas.get(key)
        if quota is None or quota.metadata.deletion_timestamp is not None:
            self._since.pop(key, None)
            return None
        if self._is_moving(key, quota):
            return Requeue(GATHERING)
        served = {entry.resource for entry in self._served()}
        kinds = sorted(quota_usage.limited_kinds(quota.spec.hard) & served)
        for kind in kinds:
            self._follow(kind)
        for kind in self._followed.keys() - served:
            del self._followed[kind]
        whole = {"spec": msgspec.to_builtins(quota.spec)}
        used: Amounts = dict.fromkeys(quota.spec.hard, quota_usage.ZERO)
        count = 0
        for kind in kinds:
            async for chunk in self._objects(kind, quota.metadata.namespace):
                used = plus(used, quota_usage.counted(whole, list(used), chunk))
                count += len(chunk)
        self._counted[key] = count
        await self._write(quota, {name: str(amount) for name, amount in used.items()})
        return Requeue(RESYNC)

    def _is_moving(self, key: str, quota: ResourceQuota) -> bool:
        """Whether admission has raised the usage while changes were gathered.

        What it raised may not be stored yet, so that a count would take it back; it is made in a calmer moment, or
        after a second in any case: admission refuses a count while writes that the quota counts are under way.
        """
        revision, changes = self._since.pop(key, ("", 0))
        now = quota.metadata.resource_version
        if not revision or revision == now or changes >= MOVES:
            return False
        self._since[key] = (now, changes + 1)
        return True

    async def _objects(self, kind: str, namespace: str) -> AsyncIterator[list[tuple[str, Obj]]]:
        try:
            found = await self._client.list(kind, namespace)
        except NotFound:
            return
        for start in range(0, len(found.items), CHUNK):
            yield [(kind, msgspec.json.decode(item)) for item in found.items[start : start + CHUNK]]
            await anyio.lowlevel.checkpoint()

    async def _write(self, quota: ResourceQuota, used: dict[str, str]) -> None:
        status = QuotaStatus(hard=quota.spec.hard, used=used)
        if status == quota.status:
            return
        body: Obj = {
            "hard": {**dict.fromkeys(quota.status.hard), **status.hard},
            "used": {**dict.fromkeys(quota.status.used), **status.used},
        }
        meta = quota.metadata
        patch = {"metadata": {"resourceVersion": meta.resource_version}, "status": body}
        try:
            await self._client.patch(QUOTAS, meta.name, patch, meta.namespace, subresource="status")
        except NotFound:
            return


def _matters(kind: str, old: ObjectView | None, new: ObjectView | None) -> bool:
    """Whether a change can change what is used."""
    if old is None or new is None or kind in _CHANGEABLE:
        return True
    if isinstance(old, Pod) and isinstance(new, Pod):
        return old.finished != new.finished or _sizes(old) != _sizes(new)
    return False


def _sizes(pod: Pod) -> Iterable[Any]:
    return [container.resources for container in (*pod.spec.containers, *pod.spec.init_containers)]


def build(ctx: Context) -> Controller:
    """The controller."""
    return ResourceQuotaController(ctx)
