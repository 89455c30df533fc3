"""Carrying out a preemption: nominate the pod, keep its place, send the victims away.

While the victims are leaving, the nominated pod is counted on its node as if it were there already, so that no
other pod takes the room; the reservation is lifted whenever the pod itself is considered. A victim that is only
such a reservation just loses it.
"""

from __future__ import annotations

import logging

from kube_lite import clock
from kube_lite.client.events import NORMAL, EventRecorder
from kube_lite.client.protocol import STRATEGIC_PATCH, Client
from kube_lite.errors import ApiError, Conflict, NotFound
from kube_lite.sched.framework import PostFilterResult
from kube_lite.sched.nodes import NodeTable
from kube_lite.sched.podinfo import PodInfo

log = logging.getLogger(__name__)


class Preemption:
    """Nominations that are under way. ``name`` is the scheduler's."""

    def __init__(self, client: Client, nodes: NodeTable, events: EventRecorder, name: str) -> None:
        self._client = client
        self._nodes = nodes
        self._events = events
        self._name = name
        self._nominated: dict[str, tuple[PodInfo, str]] = {}
        """uid -> pod and the node on which its place is kept."""

    def reserve(self, info: PodInfo, node: str) -> None:
        """Keep a place for ``info`` on ``node``."""
        self._nominated[info.uid] = (info, node)
        self._nodes.add_pod(info, node)

    def suspend(self, uid: str) -> str:
        """Lift the reservation while the pod is considered; the node it was on, or ''."""
        known = self._nominated.get(uid)
        if known is None:
            return ""
        self._nodes.remove_pod(uid)
        return known[1]

    def forget(self, uid: str) -> None:
        """The pod needs its place no longer; it was placed, or is gone."""
        self._nominated.pop(uid, None)

    def waits(self, info: PodInfo, node: str) -> bool:
        """Whether earlier victims of ``info`` are still leaving ``node``, so that it should wait for them."""
        row = self._nodes.rows.get(node)
        there = self._nodes.pods[row].values() if row is not None else ()
        return any(p.pod.terminating and p.priority < info.priority for p in there)

    def begin(self, info: PodInfo, result: PostFilterResult) -> list[PodInfo]:
        """Keep the place; the victims that must be deleted through the API."""
        real = []
        for victim in result.victims:
            if victim.uid in self._nominated:
                self._nodes.remove_pod(victim.uid)
                self.forget(victim.uid)
            elif not victim.pod.terminating:
                real.append(victim)
        self.reserve(info, result.node)
        return real

    async def evict(self, victim: PodInfo, preemptor: PodInfo, node: str) -> None:
        """Mark and delete one victim. A refusal is logged: the preemptor is tried again and chooses anew."""
        meta = victim.pod.metadata
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": f"{self._name}: preempting to accommodate a higher priority pod",
            "lastTransitionTime": clock.timestamp(),
        }
        try:
            await self._client.patch(
                "pods",
                meta.name,
                {"metadata": {"uid": meta.uid}, "status": {"conditions": [condition]}},
                meta.namespace,
                content_type=STRATEGIC_PATCH,
                subresource="status",
            )
            await self._client.delete("pods", meta.name, meta.namespace, uid=meta.uid)
        except (NotFound, Conflict):
            return  # gone already
        except (ApiError, OSError) as error:
            log.warning("preempting %s for %s: %s", victim.key, preemptor.key, error)
            return
        self._events.event(victim.pod, NORMAL, "Preempted", f"Preempted by pod {preemptor.uid} on node {node}")
