"""Deployment: roll pods from one template to the next through ReplicaSets; one step per reconcile (``rollout``)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kube_lite.client.events import WARNING
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.controllers.ownership import (
    CONTROLLER_INDEX,
    claim,
    controlled_by,
    controller_reference,
    dependants,
    orphans,
)
from kube_lite.controllers.revisions import find_new
from kube_lite.controllers.rollout import DEPLOYMENTS, REPLICA_SETS, Rollout
from kube_lite.errors import conflict
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.selectors import matches
from kube_lite.resources.views import Deployment, ReplicaSet

NAMES = ("deployment", "deployment-controller")

_deployment = msgspec.json.Decoder(Deployment)


class DeploymentController(Controller):
    """Claims the ReplicaSets of a Deployment and rolls it on."""

    name = "deployment"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.workers = ctx.settings.workers
        self._client = ctx.client_for("deployment-controller")
        self._recorder = ctx.recorder("deployment-controller")
        self._deployments = self.source(ctx.informers.get(DEPLOYMENTS, Deployment))
        self._sets = ctx.informers.get(REPLICA_SETS, ReplicaSet)
        self._sets.add_index(CONTROLLER_INDEX, controlled_by)
        self._pods = ctx.informers.get("pods", Pod)
        self._pods.add_index(CONTROLLER_INDEX, controlled_by)
        self.source(self._sets, self._keys_of_set)
        self.source(self._pods, self._keys_of_pod)

    def _keys_of_set(self, rs: ReplicaSet) -> Iterable[str]:
        controller = rs.metadata.controller
        namespace = rs.metadata.namespace
        if controller is not None:
            return (f"{namespace}/{controller.name}",) if controller.kind == "Deployment" else ()
        candidates = self._deployments.list(namespace)
        return [d.metadata.key for d in candidates if matches(d.spec.selector, rs.metadata.labels)]

    def _keys_of_pod(self, pod: Pod) -> Iterable[str]:
        """Only Recreate waits for pods themselves; the rest is in the status of the ReplicaSets."""
        owner = pod.metadata.controller
        if owner is None or owner.kind != "ReplicaSet":
            return ()
        rs = self._sets.get(f"{pod.metadata.namespace}/{owner.name}")
        keys = self._keys_of_set(rs) if rs is not None and rs.metadata.controller is not None else ()
        found = [self._deployments.get(key) for key in keys]
        return [d.metadata.key for d in found if d is not None and d.spec.strategy.type == "Recreate"]

    async def reconcile(self, key: str) -> Requeue | None:
        """Take the next step of the Deployment under ``key``."""
        deployment = self._deployments.get(key)
        if deployment is None:
            return None
        selector = deployment.spec.selector
        if not selector.match_labels and not selector.match_expressions:
            message = "This deployment is selecting all pods. A non-empty selector is required."
            self._recorder.event(deployment, WARNING, "SelectingAll", message)
            return None
        sets = await self._claim(deployment)
        rollout = Rollout(self._client, self._recorder, deployment, sets, old_pods=self._old_pods(deployment, sets))
        return await rollout.run()

    async def _claim(self, deployment: Deployment) -> list[ReplicaSet]:
        namespace = deployment.metadata.namespace

        async def confirm() -> None:
            live = _deployment.decode(await self._client.get(DEPLOYMENTS, deployment.metadata.name, namespace))
            if live.metadata.uid != deployment.metadata.uid or live.metadata.deletion_timestamp is not None:
                raise conflict("deployments", "apps", deployment.metadata.name, "it is being deleted or was replaced")

        return await claim(
            self._client,
            REPLICA_SETS,
            deployment,
            controller_reference(deployment, "apps/v1", "Deployment"),
            [*dependants(self._sets, deployment), *orphans(self._sets, namespace)],
            lambda rs: matches(deployment.spec.selector, rs.metadata.labels),
            confirm,
        )

    def _old_pods(self, deployment: Deployment, sets: list[ReplicaSet]) -> bool:
        """Whether a pod of an old template may still run."""
        new = find_new(deployment, sets)
        return any(not pod.finished for rs in sets if rs is not new for pod in dependants(self._pods, rs))


def build(ctx: Context) -> Controller:
    """The controller."""
    return DeploymentController(ctx)
