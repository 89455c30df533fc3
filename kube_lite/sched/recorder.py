"""Events that the scheduler writes: ``Scheduled`` and ``FailedScheduling``.

Writing happens on one task of its own, behind a bounded queue, so that events never hold up scheduling; when the
queue is full the newest event is dropped (and counted), as upstream's broadcaster does. An event that repeats
becomes a ``series`` on the first one instead of a new object.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.client.protocol import MERGE_PATCH, Client
from kube_lite.errors import ApiError, NotFound
from kube_lite.resources.kinds.pod.view import Pod

log = logging.getLogger(__name__)

MAX_QUEUED = 4096
"""Events waiting to be written."""

MAX_REMEMBERED = 4096
"""Events remembered for series."""


@dataclass(slots=True)
class _Series:
    """An event that was written, and how often it happened."""

    name: str
    count: int = 1


class EventRecorder:
    """Writes events about pods in the name of ``component``."""

    def __init__(self, client: Client, component: str, instance: str) -> None:
        self._client = client
        self._component = component
        self._instance = instance
        self._queue: deque[tuple[Pod, str, str, str, str]] = deque()
        self._series: OrderedDict[tuple[str, str, str], _Series] = OrderedDict()
        self._wake = anyio.Event()
        self._number = 0
        self.dropped = 0
        """Events lost because the queue was full."""

    def record(self, pod: Pod, kind: str, reason: str, action: str, message: str) -> None:
        """Queue one event; ``kind`` is Normal or Warning."""
        if len(self._queue) >= MAX_QUEUED:
            self.dropped += 1
            return
        self._queue.append((pod, kind, reason, action, message))
        self._wake.set()

    async def run(self) -> None:
        """Write events until cancelled. A refused event is logged and given up."""
        while True:
            while self._queue:
                pod, kind, reason, action, message = self._queue.popleft()
                try:
                    await self._write(pod, kind, reason, action, message)
                except (ApiError, OSError) as error:
                    log.debug("event %s of %s not written: %s", reason, pod.metadata.key, error)
            self._wake = anyio.Event()
            await self._wake.wait()

    async def _write(self, pod: Pod, kind: str, reason: str, action: str, message: str) -> None:
        identity = (pod.metadata.uid, reason, message)
        series = self._series.get(identity)
        if series is not None:
            series.count += 1
            repeated = {"series": {"count": series.count, "lastObservedTime": clock.timestamp_micro()}}
            try:
                await self._client.patch(
                    "events", series.name, repeated, pod.metadata.namespace, content_type=MERGE_PATCH
                )
                return
            except NotFound:
                del self._series[identity]  # it has expired: begin anew
        name = self._name(pod)
        await self._client.create(
            "events", self._event(name, pod, kind, reason, action, message), pod.metadata.namespace
        )
        self._series[identity] = _Series(name)
        if len(self._series) > MAX_REMEMBERED:
            self._series.popitem(last=False)

    def _name(self, pod: Pod) -> str:
        """``pod.hex``, where the hex digits are nanoseconds, unlike any other of this recorder."""
        self._number += 1
        return f"{pod.metadata.name}.{int(clock.now().timestamp() * 1_000_000) * 1000 + self._number % 1000:x}"

    def _event(self, name: str, pod: Pod, kind: str, reason: str, action: str, message: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": pod.metadata.namespace},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": pod.metadata.namespace,
                "name": pod.metadata.name,
                "uid": pod.metadata.uid,
                "resourceVersion": pod.metadata.resource_version,
            },
            "type": kind,
            "reason": reason,
            "action": action,
            "message": message[:1024],
            "eventTime": clock.timestamp_micro(),
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
            "source": {},
            "firstTimestamp": None,
            "lastTimestamp": None,
        }
