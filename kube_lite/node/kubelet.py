"""The paths of a kubelet that tools read, answered through the node's control channel.

A node opens no port: ``/api/v1/nodes/NAME/proxy/...`` comes here as path and query, and only what reads is there.
Nothing that runs commands is: that is what ``exec`` and its kin are for, where authorization sees pod and verb.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from urllib.parse import parse_qs, unquote

import msgspec

from kube_lite import clock
from kube_lite.client.protocol import Client
from kube_lite.errors import ApiError
from kube_lite.exposition import CONTENT_TYPE
from kube_lite.node import exposition, host_logs, summary
from kube_lite.node.agent import Agent
from kube_lite.node.configuration import configuration
from kube_lite.node.log_service import LogService
from kube_lite.node.runtime import ContainerPhase
from kube_lite.node.sampling import Sample, Sampler, running
from kube_lite.node.settings import NodeSettings
from kube_lite.node.tunnel import Reply, whole

ImageBytes = Callable[[], Awaitable[int]]
"""Bytes that images take on disk."""
HEALTH = ("ping", "log", "syncloop")

_STATES = {ContainerPhase.CREATED: "created", ContainerPhase.RUNNING: "running", ContainerPhase.EXITED: "exited"}


class Kubelet:
    """Answers for one node.

    :param sampler: None where nothing can be measured: the paths that tell of it are missing then
    """

    def __init__(
        self,
        settings: NodeSettings,
        client: Client,
        agent: Agent,
        logs: LogService,
        sampler: Sampler | None,
        image_bytes: ImageBytes,
    ) -> None:
        self._settings = settings
        self._client = client
        self._agent = agent
        self._logs = logs
        self._sampler = sampler
        self._image_bytes = image_bytes
        self._began = clock.now()

    async def open(self, params: Mapping[str, str]) -> Reply:
        """The answer to a GET.

        :param params: ``path``, percent-encoded as it came and without what leads to the node, and ``query``
        """
        path = unquote(params.get("path", ""))
        parts = path.strip("/").split("/")
        if parts[0] == "containerLogs":
            return await self._container_logs(parts[1:], params.get("query", ""))
        if parts[0] == "logs":
            return await host_logs.reply(path.removeprefix("/").removeprefix("logs"))
        if parts[0] == "healthz" and (len(parts) == 1 or (len(parts) == 2 and parts[1] in HEALTH)):
            return whole(b"ok")
        page = _PAGES.get("/".join(parts))
        if page is None or (self._sampler is None and page in _MEASURED):
            return _missing()
        return await page(self)

    async def _pods(self) -> Reply:
        listing = await self._client.list("pods", field_selector=f"spec.nodeName={self._settings.name}")
        items = [msgspec.Raw(item) for item in listing.items]
        return _json({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _running_pods(self) -> Reply:
        items = []
        for worker in self._agent.workers.values():
            states = running(worker)
            if states:
                meta = worker.pod.metadata
                items.append(
                    {
                        "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
                        "spec": {"containers": [{"name": s.name, "image": s.image, "resources": {}} for s in states]},
                        "status": {},
                    }
                )
        return _json({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _configuration(self) -> Reply:
        return _json({"kubeletconfig": configuration(self._settings)})

    async def _sample(self, *, disks: bool) -> Sample:
        assert self._sampler is not None
        workers = sorted(self._agent.workers.values(), key=lambda worker: worker.pod.metadata.key)
        return await self._sampler.take(workers, await self._image_bytes() if disks else 0, disks=disks)

    async def _summary(self) -> Reply:
        async def told() -> AsyncIterator[bytes]:
            found = summary.summary(self._settings.name, await self._sample(disks=True), self._began)
            yield msgspec.json.encode(found)

        # many files take longer to count than the server waits for an answer to begin
        return Reply(told(), content_type="application/json")

    async def _resource_metrics(self) -> Reply:
        return whole(exposition.resource_metrics(await self._sample(disks=False)), CONTENT_TYPE)

    async def _container_metrics(self) -> Reply:
        async def told() -> AsyncIterator[bytes]:
            yield exposition.container_metrics(await self._sample(disks=True))

        return Reply(told(), content_type=CONTENT_TYPE)

    async def _own_metrics(self) -> Reply:
        states = Counter(
            _STATES[state.phase]
            for worker in self._agent.workers.values()
            for tries in worker.view.attempts.values()
            for state in tries.values()
            if state.phase in _STATES
        )
        pods = sum(bool(running(worker)) for worker in self._agent.workers.values())
        return whole(exposition.own_metrics(self._settings.name, pods, states), CONTENT_TYPE)

    async def _container_logs(self, parts: list[str], query: str) -> Reply:
        if len(parts) != 3 or not all(parts):
            return _missing()
        asked = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        wanted = {**asked, "namespace": parts[0], "pod": parts[1], "container": parts[2], "uid": asked.get("uid", "")}
        try:
            return Reply(await self._logs.open(wanted), content_type="text/plain")
        except ApiError as error:
            return whole(f"{error.message}\n".encode(), code=error.code)


_PAGES: Mapping[str, Callable[[Kubelet], Awaitable[Reply]]] = {
    "pods": Kubelet._pods,
    "runningpods": Kubelet._running_pods,
    "configz": Kubelet._configuration,
    "stats/summary": Kubelet._summary,
    "metrics": Kubelet._own_metrics,
    "metrics/resource": Kubelet._resource_metrics,
    "metrics/cadvisor": Kubelet._container_metrics,
}
_MEASURED = (Kubelet._summary, Kubelet._resource_metrics, Kubelet._container_metrics)


def _missing() -> Reply:
    return whole(b"404 page not found\n", code=404)


def _json(value: object) -> Reply:
    return whole(msgspec.json.encode(value), "application/json")
