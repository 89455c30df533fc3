"""Telling a pod why it is not placed: the FailedScheduling event and the PodScheduled condition."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Any

from kube_lite import clock
from kube_lite.client.events import WARNING, EventRecorder
from kube_lite.client.protocol import STRATEGIC_PATCH, Client
from kube_lite.errors import ApiError, Conflict, NotFound
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.sched.podinfo import PodInfo

log = logging.getLogger(__name__)

MAX_REMEMBERED = 16384
"""Pending pods whose last message is remembered; one that is forgotten is written again, which changes nothing."""


class Reporter:
    """Writes refusals. It remembers what it wrote last about each pending pod, so as to write it once."""

    def __init__(self, client: Client, events: EventRecorder) -> None:
        self._client = client
        self._events = events
        self._written: OrderedDict[str, str] = OrderedDict()
        """uid -> message last written into the pod's condition."""

    def forget(self, uid: str) -> None:
        """The pod is pending no longer."""
        self._written.pop(uid, None)

    async def refused(self, info: PodInfo, message: str, nominated: str = "") -> None:
        """The event, and the condition where it says something else so far.

        :param nominated: the node on which a preemption keeps a place for the pod
        """
        self._events.event(info.pod, WARNING, "FailedScheduling", message)
        condition = info.pod.condition("PodScheduled")
        told = condition is not None and (condition.reason, condition.message) == ("Unschedulable", message)
        if not nominated and (told or self._written.get(info.uid) == message):
            return
        meta = info.pod.metadata
        status: dict[str, Any] = {"conditions": [_unschedulable(info.pod, message)]}
        if nominated:
            status["nominatedNodeName"] = nominated
        try:
            await self._client.patch(
                "pods",
                meta.name,
                {"metadata": {"uid": meta.uid}, "status": status},
                meta.namespace,
                content_type=STRATEGIC_PATCH,
                subresource="status",
            )
            self._written[info.uid] = message
            if len(self._written) > MAX_REMEMBERED:
                self._written.popitem(last=False)
        except (NotFound, Conflict):
            return  # deleted, or another pod of that name by now
        except (ApiError, OSError) as error:
            log.warning("condition of %s: %s", info.key, error)


def _unschedulable(pod: Pod, message: str) -> dict[str, Any]:
    before = pod.condition("PodScheduled")
    since = before.last_transition_time if before is not None and before.status == "False" else None
    condition: dict[str, Any] = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastProbeTime": None,
        "lastTransitionTime": since or clock.timestamp(),
    }
    if pod.metadata.generation:
        condition["observedGeneration"] = pod.metadata.generation
    return condition
