"""Finished Jobs go ``ttlSecondsAfterFinished`` after their end (upstream: ``pkg/controller/ttlafterfinished``)."""

from __future__ import annotations

from kube_lite import clock
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.controllers.job_status import COMPLETE, FAILED, Job
from kube_lite.errors import NotFound

NAMES = ("ttl-after-finished-controller", "ttlafterfinished")

JOBS = "jobs.batch"


class TTLAfterFinishedController(Controller):
    """Deletes Jobs whose time after the end has passed, and their pods with them."""

    name = "ttl-after-finished-controller"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("ttl-after-finished-controller")
        self._jobs = self.source(ctx.informers.get(JOBS, Job))

    async def reconcile(self, key: str) -> Requeue | None:
        """Delete the Job if its time has come, else come back when it has."""
        job = self._jobs.get(key)
        if job is None or job.metadata.deletion_timestamp is not None or job.spec.ttl_seconds_after_finished is None:
            return None
        ends = [c.last_transition_time for c in job.status.conditions if c.type in (COMPLETE, FAILED)]
        end = next((moment for moment in ends if moment is not None), None)
        if end is None:
            return None
        since = (clock.now() - clock.parse_timestamp(end)).total_seconds()
        if since < job.spec.ttl_seconds_after_finished:
            return Requeue(job.spec.ttl_seconds_after_finished - since)
        meta = job.metadata
        try:
            await self._client.delete(
                JOBS,
                meta.name,
                meta.namespace,
                propagation_policy="Foreground",
                uid=meta.uid,
                resource_version=meta.resource_version,
            )
        except NotFound:
            return None
        return None


def build(ctx: Context) -> Controller:
    """The controller."""
    return TTLAfterFinishedController(ctx)
