"""Events: what a component tells users about an object, as core v1 Events with counts.

``event`` only queues; one task (``run``) writes. The same event again raises ``count`` of the one that is there;
more than ten different messages of one reason within ten minutes become one "combined" event; an object that
is spoken of too often is cut off for a while. Figures and forms are client-go's (``tools/record``).

Full: the queue holds 1,000 events unless told otherwise; what comes on top is dropped and counted, because no
component may wait for its own chatter. The log says so when it begins and how many when it ends.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

import anyio
import msgspec

from kube_lite import clock
from kube_lite.client.protocol import Client
from kube_lite.errors import ApiError, NotFound
from kube_lite.resources.meta import ObjectView

log = logging.getLogger(__name__)

NORMAL = "Normal"
WARNING = "Warning"

QUEUE_SIZE = 1000
"""Events waiting to be written (client-go: maxQueuedEvents)."""

CACHE_SIZE = 4096
"""Events remembered in order to count them (client-go: maxLruCacheEntries)."""

MAX_TRIES = 12
"""Attempts at one event while the API is away (client-go: maxTriesPerEvent)."""

RETRY_SECONDS = 10.0
"""Seconds between these attempts (client-go: defaultSleepDuration)."""

COMBINE_ABOVE = 10
"""Different messages of one reason in an interval before they are combined (defaultAggregateMaxEvents)."""

COMBINE_SECONDS = 600.0
"""Seconds of that interval (defaultAggregateIntervalInSeconds)."""

BURST = 25
"""Events about one object at once (defaultSpamBurst)."""

REFILL_PER_SECOND = 1 / 300
"""Events about one object after the burst (defaultSpamQPS)."""

API_VERSIONS: Mapping[str, str] = {
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "PodDisruptionBudget": "policy/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
}
"""apiVersion by kind for objects that came out of a list, which does not repeat it; else ``v1``."""


class _Written(msgspec.Struct):
    """An event that exists in the API."""

    namespace: str
    name: str
    count: int


class _Similar(msgspec.Struct):
    """Messages of one reason about one object since ``since`` (loop seconds)."""

    since: float
    messages: list[int]
    """Their hashes: of a few thousand events the texts would be megabytes."""


class _Budget(msgspec.Struct):
    tokens: float
    at: float


class EventRecorder:
    """Records events of one component.

    :param component: shown as the source, such as ``deployment-controller``
    :param host: the node for components that run on one
    :param limit: how many events may wait to be written
    """

    def __init__(self, client: Client, component: str, host: str = "", *, limit: int = QUEUE_SIZE) -> None:
        self._client = client
        self._component = component
        self._host = host
        self._limit = limit
        self._dropped = 0
        self._waiting: deque[dict[str, Any]] = deque()
        self._wake = anyio.Event()
        self._written: OrderedDict[int, _Written] = OrderedDict()
        self._similar: OrderedDict[int, _Similar] = OrderedDict()
        self._budgets: OrderedDict[str, _Budget] = OrderedDict()
        self._sequence = 0

    def event(self, involved: ObjectView, kind: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Tell something about ``involved``.

        :param kind: ``Normal`` or ``Warning``
        :param field_path: the part it is about, such as ``spec.containers{web}``
        """
        meta = involved.metadata
        object_kind = involved.kind or type(involved).__name__
        reference = {
            "kind": object_kind,
            "namespace": meta.namespace,
            "name": meta.name,
            "uid": meta.uid,
            "apiVersion": involved.api_version or API_VERSIONS.get(object_kind, "v1"),
            "resourceVersion": meta.resource_version,
            "fieldPath": field_path,
        }
        record = {
            "involvedObject": {key: value for key, value in reference.items() if value},
            "type": kind,
            "reason": reason,
            "message": message,
            "time": clock.timestamp(),
        }
        if len(self._waiting) >= self._limit:
            if not self._dropped:
                log.warning("%s: too many events waiting, dropped: %s %s", self._component, reason, message)
            self._dropped += 1
            return
        self._waiting.append(record)
        self._wake.set()

    async def run(self) -> None:
        """Write the events until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            while self._waiting:
                record = self._waiting.popleft()
                if self._within_budget(record["involvedObject"]):
                    await self._write(record, *self._identity(record))
            if self._dropped:
                log.warning("%s: %d events were dropped", self._component, self._dropped)
                self._dropped = 0

    def _within_budget(self, involved: Mapping[str, str]) -> bool:
        moment = clock.monotonic()
        budget = _remember(self._budgets, involved.get("uid") or involved["name"], _Budget(BURST, moment))
        budget.tokens = min(BURST, budget.tokens + (moment - budget.at) * REFILL_PER_SECOND)
        budget.at = moment
        if budget.tokens < 1:
            return False
        budget.tokens -= 1
        return True

    def _identity(self, record: Mapping[str, Any]) -> tuple[int, str]:
        """The hash of what makes an event the same as an earlier one, and the message it gets."""
        involved = record["involvedObject"]
        about = (*sorted(f"{k}={v}" for k, v in involved.items() if k != "resourceVersion"), record["reason"])
        group = hash((*about, record["type"]))
        message: str = record["message"]
        moment = clock.monotonic()
        similar: _Similar = _remember(self._similar, group, _Similar(moment, []))
        if moment - similar.since > COMBINE_SECONDS:
            similar.since, similar.messages = moment, []
        told = hash(message)
        if told not in similar.messages:
            if len(similar.messages) >= COMBINE_ABOVE:
                return group, f"(combined from similar events): {message}"
            similar.messages.append(told)
        return hash((group, told)), message

    async def _write(self, record: dict[str, Any], identity: int, message: str) -> None:
        for _ in range(MAX_TRIES):
            try:
                known = self._written.get(identity)
                if known is None or not await self._count_up(known, record["time"], message):
                    self._written[identity] = await self._create(record, message)
                self._written.move_to_end(identity)
                if len(self._written) > CACHE_SIZE:
                    self._written.popitem(last=False)
                return
            except ApiError as error:
                if error.code < 500:
                    log.debug("%s: event refused: %s", self._component, error)
                    return
            except OSError as error:
                log.debug("%s: event not written: %s", self._component, error)
            await anyio.sleep(RETRY_SECONDS)
        log.warning("%s: event given up: %s", self._component, message)

    async def _count_up(self, known: _Written, time: str, message: str) -> bool:
        patch = {"count": known.count + 1, "lastTimestamp": time, "message": message}
        try:
            await self._client.patch("events", known.name, patch, known.namespace)
        except NotFound:
            return False
        known.count += 1
        return True

    async def _create(self, record: dict[str, Any], message: str) -> _Written:
        involved = record["involvedObject"]
        namespace = involved.get("namespace") or "default"
        self._sequence += 1
        # client-go names an event by the nanosecond; the sequence keeps events of one instant apart
        stamp = int(clock.now().timestamp() * 1_000_000) * 1000 + self._sequence % 1000
        source = {"component": self._component, "host": self._host}
        name = f"{involved['name']}.{stamp:x}"
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved,
            "reason": record["reason"],
            "message": message,
            "source": {key: value for key, value in source.items() if value},
            "firstTimestamp": record["time"],
            "lastTimestamp": record["time"],
            "count": 1,
            "type": record["type"],
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
        await self._client.create("events", event, namespace)
        return _Written(namespace, name, 1)


def _remember(cache: OrderedDict[Any, Any], key: Any, new: Any) -> Any:
    """The entry under ``key``, made when missing; the least recently used one goes when there are too many."""
    found = cache.setdefault(key, new)
    cache.move_to_end(key)
    if len(cache) > CACHE_SIZE:
        cache.popitem(last=False)
    return found
