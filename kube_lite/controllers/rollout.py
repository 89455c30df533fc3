"""One step of a Deployment's rollout.

A :class:`Rollout` is made for one reconcile from what the caches show, takes at most one step (scale the new
ReplicaSet up, or the old ones down) and writes the status. Every write of a ReplicaSet names the revision that was
read, so that no step is taken on a stale size. Upstream: ``pkg/controller/deployment`` (sync, rolling, recreate).
"""

from __future__ import annotations

import msgspec

from kube_lite.client.events import NORMAL, WARNING, EventRecorder
from kube_lite.client.protocol import Client
from kube_lite.controllers import deployment_status as conditions
from kube_lite.controllers.base import Requeue, namespace_terminating
from kube_lite.controllers.ownership import controller_reference
from kube_lite.controllers.proportions import is_rolling, max_surge, max_unavailable, new_size, shares, spec_replicas
from kube_lite.controllers.removal import delete_seen
from kube_lite.controllers.revisions import (
    HASH_LABEL,
    REVISION,
    annotations_for,
    desired_replicas,
    find_new,
    max_replicas,
    oldest_first,
    revision_of,
    same_template,
    size_annotations,
    template_hash,
)
from kube_lite.errors import AlreadyExists, ApiError
from kube_lite.resources.meta import Obj
from kube_lite.resources.views import Deployment, DeploymentStatus, ReplicaSet

DEPLOYMENTS = "deployments.apps"
REPLICA_SETS = "replicasets.apps"

NO_LIMIT = 2**31 - 1
"""A revisionHistoryLimit that keeps everything."""

_replica_set = msgspec.json.Decoder(ReplicaSet)


class Rollout:
    """The state of one reconcile: the Deployment as written so far, and its ReplicaSets."""

    def __init__(
        self, client: Client, recorder: EventRecorder, deployment: Deployment, sets: list[ReplicaSet], *, old_pods: bool
    ) -> None:
        """
        :param old_pods: whether any pod of an old ReplicaSet still runs (Recreate waits for that)
        """
        self._client = client
        self._recorder = recorder
        self.deployment = deployment
        self._sets = {rs.metadata.uid: rs for rs in sets}
        self._old_pods = old_pods

    @property
    def new(self) -> ReplicaSet | None:
        """The ReplicaSet of the current template."""
        return find_new(self.deployment, self._sets.values())

    @property
    def old(self) -> list[ReplicaSet]:
        """All other ReplicaSets, oldest first."""
        new = self.new
        return oldest_first(rs for rs in self._sets.values() if rs is not new)

    @property
    def all(self) -> list[ReplicaSet]:
        """Old ones first, then the new one."""
        new = self.new
        return self.old + ([new] if new is not None else [])

    async def run(self) -> Requeue | None:
        """Do the next thing."""
        deployment = self.deployment
        if deployment.metadata.deletion_timestamp is not None:
            await self._write_counted_status()
            return None
        await self._note_pause()
        if deployment.spec.paused or self._is_scaling():
            await self._settle_new()
            await self._scale_in_proportion()
            if deployment.spec.paused:
                await self._clean_up()
            await self._write_counted_status()
            return None
        return await (self._roll() if is_rolling(deployment) else self._recreate())

    async def _note_pause(self) -> None:
        """Keep time spent paused from counting towards the deadline."""
        deployment = self.deployment
        progressing = conditions.find(deployment.status.conditions, conditions.PROGRESSING)
        if not conditions.has_deadline(deployment):
            return
        if progressing is not None and progressing.reason == conditions.TIMED_OUT:
            return
        noted = progressing is not None and progressing.reason == conditions.PAUSED
        if deployment.spec.paused and not noted:
            reason, message = conditions.PAUSED, "Deployment is paused"
        elif noted and not deployment.spec.paused:
            reason, message = conditions.RESUMED, "Deployment is resumed"
        else:
            return
        await self._write_progressing("Unknown", reason, message)

    def _is_scaling(self) -> bool:
        """Whether the Deployment's size changed since its active ReplicaSets were last scaled."""
        known = [desired_replicas(rs) for rs in self.all if rs.spec.replicas > 0]
        return any(desired is not None and desired != self.deployment.spec.replicas for desired in known)

    # --- rolling update ---

    async def _roll(self) -> Requeue | None:
        await self._ensure_new()
        if await self._grow_new() or await self._shrink_old():
            return await self._write_rollout_status()
        if conditions.is_complete(self.deployment, self.deployment.status):
            await self._clean_up()
        return await self._write_rollout_status()

    async def _grow_new(self) -> bool:
        new = self.new
        if new is None or new.spec.replicas == self.deployment.spec.replicas:
            return False
        if new.spec.replicas > self.deployment.spec.replicas:
            return await self._scale(new, self.deployment.spec.replicas)
        return await self._scale(new, new_size(self.deployment, self.all, new.spec.replicas))

    async def _shrink_old(self) -> bool:
        """Scale down old ReplicaSets: first what does not work anyway, then as far as availability allows."""
        new = self.new
        if new is None or spec_replicas(self.old) == 0:
            return False
        least = self.deployment.spec.replicas - max_unavailable(self.deployment)
        unavailable = new.spec.replicas - new.status.available_replicas
        room = spec_replicas(self.all) - least - unavailable
        if room <= 0:
            return False
        removed = 0
        for rs in self.old:
            broken = rs.spec.replicas - rs.status.available_replicas
            step = min(room - removed, broken)
            if rs.spec.replicas and step > 0:
                await self._scale(rs, rs.spec.replicas - step)
                removed += step
        spare = sum(rs.status.available_replicas for rs in self.all) - least
        for rs in self.old:
            step = min(spare, rs.spec.replicas)
            if step > 0:
                await self._scale(rs, rs.spec.replicas - step)
                spare -= step
                removed += step
        return removed > 0

    # --- recreate ---

    async def _recreate(self) -> Requeue | None:
        await self._settle_new()
        scaled = False
        for rs in self.old:
            if rs.spec.replicas:
                scaled = await self._scale(rs, 0) or scaled
        if scaled or self._old_pods or sum(rs.status.replicas for rs in self.old) > 0:
            return await self._write_rollout_status()
        await self._ensure_new()
        new = self.new
        if new is not None and await self._scale(new, self.deployment.spec.replicas):
            return await self._write_rollout_status()
        if conditions.is_complete(self.deployment, self.deployment.status):
            await self._clean_up()
        return await self._write_rollout_status()

    # --- the new ReplicaSet ---

    async def _ensure_new(self) -> None:
        """Make the ReplicaSet of the current template, unless it is there."""
        if self.new is None:
            await self._create_new()
        else:
            await self._settle_new()

    def _next_revision(self) -> int:
        return max((revision_of(rs) for rs in self.old), default=0) + 1

    async def _settle_new(self) -> None:
        """Give the new ReplicaSet, if there is one, the newest revision and the Deployment's annotations."""
        new = self.new
        if new is None:
            return
        changed = annotations_for(self.deployment, new.metadata.annotations, self._next_revision())
        spec: Obj = {}
        if new.spec.min_ready_seconds != self.deployment.spec.min_ready_seconds:
            spec = {"minReadySeconds": self.deployment.spec.min_ready_seconds or None}
        if changed or spec:
            new = await self._patch_set(new, changed, spec)
        progressing = conditions.find(self.deployment.status.conditions, conditions.PROGRESSING)
        revision = new.metadata.annotations.get(REVISION, "")
        if conditions.has_deadline(self.deployment) and progressing is None:
            message = f'Found new replica set "{new.metadata.name}"'
            await self._write_progressing("True", "FoundNewReplicaSet", message, revision)
        elif revision and self.deployment.metadata.annotations.get(REVISION) != revision:
            await self._write(self.deployment.status, revision)

    def _new_object(self, name: str, hash_value: str, revision: int) -> tuple[Obj, int]:
        """The new ReplicaSet and its size."""
        deployment = self.deployment
        template = msgspec.json.decode(deployment.spec.template)
        meta = template.get("metadata") or {}
        labels = {**(meta.get("labels") or {}), HASH_LABEL: hash_value}
        selector = msgspec.to_builtins(deployment.spec.selector)
        match = {**deployment.spec.selector.match_labels, HASH_LABEL: hash_value}
        expressions = {"matchExpressions": e} if (e := selector.get("matchExpressions")) else {}
        size = new_size(deployment, self.all, 0)
        sizes = size_annotations(deployment.spec.replicas, deployment.spec.replicas + max_surge(deployment))
        spec: Obj = {
            "replicas": size,
            "selector": {"matchLabels": match, **expressions},
            "template": {**template, "metadata": {**meta, "labels": labels}},
        }
        if deployment.spec.min_ready_seconds:
            spec["minReadySeconds"] = deployment.spec.min_ready_seconds
        metadata: Obj = {
            "name": name,
            "labels": labels,
            "annotations": {**annotations_for(deployment, {}, revision), **sizes},
            "ownerReferences": [controller_reference(deployment, "apps/v1", "Deployment")],
        }
        return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec}, size

    async def _create_new(self) -> None:
        deployment = self.deployment
        hash_value = template_hash(deployment.spec.template, deployment.status.collision_count or 0)
        name = f"{deployment.metadata.name}-{hash_value}"
        revision = self._next_revision()
        obj, size = self._new_object(name, hash_value, revision)
        existed = False
        try:
            created = _replica_set.decode(await self._client.create(REPLICA_SETS, obj, deployment.metadata.namespace))
        except AlreadyExists as error:
            created = await self._taken(name, error)
            existed = True
        except ApiError as error:
            if not namespace_terminating(error):
                message = f'Failed to create new replica set "{name}": {error.message}'
                if conditions.has_deadline(deployment):
                    await self._write_progressing("False", "ReplicaSetCreateError", message)
                self._recorder.event(deployment, WARNING, "ReplicaSetCreateError", message)
            raise
        self._sets[created.metadata.uid] = created
        if not existed and size > 0:
            message = f"Scaled up replica set {name} to {size}"
            self._recorder.event(deployment, NORMAL, "ScalingReplicaSet", message)
        if not existed and conditions.has_deadline(deployment):
            message = f'Created new replica set "{name}"'
            await self._write_progressing("True", "NewReplicaSetCreated", message, str(revision))
        else:
            await self._settle_new()

    async def _taken(self, name: str, error: AlreadyExists) -> ReplicaSet:
        """The ReplicaSet of that name if it is ours (the cache was behind); else another name is tried next time."""
        deployment = self.deployment
        there = _replica_set.decode(await self._client.get(REPLICA_SETS, name, deployment.metadata.namespace))
        controller = there.metadata.controller
        ours = controller is not None and controller.uid == deployment.metadata.uid
        if ours and same_template(there.spec.template, deployment.spec.template):
            return there
        collisions = (deployment.status.collision_count or 0) + 1
        await self._write(msgspec.structs.replace(deployment.status, collision_count=collisions))
        raise error

    # --- sizes ---

    async def _scale_in_proportion(self) -> None:
        """Spread a new size of the Deployment over its ReplicaSets."""
        new, replicas = self.new, self.deployment.spec.replicas
        active = [rs for rs in self.all if rs.spec.replicas > 0]
        if len(active) <= 1:
            only = active[0] if active else new or next(reversed(self.old), None)
            if only is not None:
                await self._scale(only, replicas)
        elif (
            new is not None and desired_replicas(new) == new.spec.replicas == new.status.available_replicas == replicas
        ):
            for rs in self.old:
                if rs.spec.replicas:
                    await self._scale(rs, 0)
        elif is_rolling(self.deployment):
            for rs, size in shares(self.deployment, active):
                await self._scale(rs, size, refresh=True)

    async def _scale(self, rs: ReplicaSet, size: int, *, refresh: bool = False) -> bool:
        """Give ``rs`` a size, and note the Deployment's on it; whether its size changed.

        :param refresh: update the note even when the size stays
        """
        most = self.deployment.spec.replicas + max_surge(self.deployment)
        noted = desired_replicas(rs) == self.deployment.spec.replicas and max_replicas(rs) == most
        if size == rs.spec.replicas and (noted or not refresh):
            return False
        before = rs.spec.replicas
        notes = size_annotations(self.deployment.spec.replicas, most)
        await self._patch_set(rs, notes, {"replicas": size} if size != before else {})
        if size == before:
            return False
        direction = "up" if size > before else "down"
        message = f"Scaled {direction} replica set {rs.metadata.name} to {size}"
        self._recorder.event(self.deployment, NORMAL, "ScalingReplicaSet", message)
        return True

    async def _patch_set(self, rs: ReplicaSet, annotations: dict[str, str], spec: Obj) -> ReplicaSet:
        meta = rs.metadata
        patch: Obj = {"metadata": {"resourceVersion": meta.resource_version, "annotations": annotations}}
        if spec:
            patch["spec"] = spec
        changed = _replica_set.decode(await self._client.patch(REPLICA_SETS, meta.name, patch, meta.namespace))
        self._sets[meta.uid] = changed
        return changed

    async def _clean_up(self) -> None:
        """Delete the oldest revisions above the history's limit."""
        limit = self.deployment.spec.revision_history_limit
        if limit is None or limit == NO_LIMIT:
            return
        kept = [rs for rs in self.old if rs.metadata.deletion_timestamp is None]
        for rs in sorted(kept, key=revision_of)[: max(0, len(kept) - limit)]:
            busy = rs.status.replicas or rs.spec.replicas or rs.metadata.generation > rs.status.observed_generation
            if busy:
                continue
            await delete_seen(self._client, REPLICA_SETS, rs.metadata)

    # --- status ---

    async def _write_progressing(self, status: str, reason: str, message: str, revision: str = "") -> None:
        new = conditions.made(conditions.PROGRESSING, status, reason, message)
        known = conditions.with_condition(self.deployment.status.conditions, new)
        await self._write(msgspec.structs.replace(self.deployment.status, conditions=known), revision)

    async def _write_counted_status(self) -> None:
        status = conditions.counted(self.deployment, self.all, self.new)
        if status != self.deployment.status:
            await self._write(status)

    async def _write_rollout_status(self) -> Requeue | None:
        status = conditions.rolled_out(self.deployment, self.all, self.new)
        if status != self.deployment.status:
            await self._write(status)
        wait = conditions.check_again_in(self.deployment, status)
        return Requeue(wait) if wait is not None else None

    async def _write(self, status: DeploymentStatus, revision: str = "") -> None:
        """Write the status, and the revision that the Deployment is at."""
        meta = self.deployment.metadata
        metadata: Obj = {"uid": meta.uid}
        if revision:
            metadata["annotations"] = {REVISION: revision}
            meta = msgspec.structs.replace(meta, annotations={**meta.annotations, REVISION: revision})
        patch = {"metadata": metadata, "status": conditions.status_as_json(status)}
        await self._client.patch(DEPLOYMENTS, meta.name, patch, meta.namespace, subresource="status")
        self.deployment = msgspec.structs.replace(self.deployment, status=status, metadata=meta)
