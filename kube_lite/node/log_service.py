"""Finds the log that somebody asks for, or says why there is none, in the words of upstream's kubelet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from kube_lite.errors import BadRequest, NotFound
from kube_lite.node import restarts
from kube_lite.node.agent import Agent
from kube_lite.node.logs import LogReader, options_from
from kube_lite.node.runtime import ContainerPhase, ContainerState
from kube_lite.node.worker import PodWorker

WAITING = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}
"""How a container's waiting reason reads where it is not shown as it is."""


class LogService:
    """Serves the logs of this node's pods."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    async def open(self, params: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The log as chunks.

        :param params: namespace, pod, uid, container, and the query parameters of ``pods/log``
        :raises NotFound: there is no such pod here
        :raises BadRequest: no such container, no log yet, or options that cannot be read
        """
        pod_name, name = params.get("pod", ""), params.get("container", "")
        worker = self._agent.find(params.get("namespace", ""), pod_name, params.get("uid", ""))
        if worker is None:
            raise NotFound(f'pod "{pod_name}" does not exist')
        declared = [c.name for c in [*worker.pod.spec.containers, *worker.pod.spec.init_containers]]
        name = name or (declared[0] if declared else "")
        if name not in declared:
            raise BadRequest(f"container {name} is not valid for pod {pod_name}")
        previous = params.get("previous", "") in ("true", "1")
        state = find(worker, name, previous)
        try:
            options = options_from(dict(params))
        except ValueError as error:
            raise BadRequest(f"invalid log options: {error}") from error
        attempt = state.attempt

        def ended() -> bool:
            now = worker.view.attempts.get(name, {}).get(attempt)
            return worker.done or restarts.ended(now) or now is None

        return LogReader(state.log_path, options, ended).read()


def find(worker: PodWorker, name: str, previous: bool) -> ContainerState:
    """The run of a container whose log is meant. :raises BadRequest: there is none"""
    pod_name = worker.pod.metadata.name
    tries = worker.view.attempts.get(name, {})
    newest = tries.get(max(tries, default=0))
    waiting = worker.view.waiting.get(name)
    if previous:
        held_back = waiting is not None and restarts.ended(newest)  # what is shown as last state
        last = newest if held_back or newest is None else tries.get(newest.attempt - 1)
        if last is None or not restarts.ended(last) or not last.log_path:
            raise BadRequest(f'previous terminated container "{name}" in pod "{pod_name}" not found')
        return last
    if newest is None or newest.phase is ContainerPhase.CREATED:
        default = "PodInitializing" if worker.pod.spec.init_containers else "ContainerCreating"
        reason = waiting.reason if waiting else default
        text = f'container "{name}" in pod "{pod_name}" is waiting to start: {WAITING.get(reason, reason)}'
        raise BadRequest(text)
    if not newest.log_path:
        raise BadRequest(f'container "{name}" in pod "{pod_name}" is not available')
    return newest
