"""Writes the status of one pod to the API: only what changed, one write at a time, the newest state only.

A status that somebody waits for goes out at once. One that nobody does (a pod still being created) is held back
a moment, because the next one usually follows. Writes that fail are tried again with what is newest by then; a
pod that is gone, or another one under the same name, ends it.
"""

from __future__ import annotations

import logging
from typing import Any

import anyio

from kube_lite.client.protocol import STRATEGIC_PATCH, Client
from kube_lite.errors import ApiError, Conflict, NotFound
from kube_lite.node.settings import NodeSettings
from kube_lite.node.status import difference, known
from kube_lite.resources.kinds.pod.view import Pod

log = logging.getLogger(__name__)

MAX_RETRY = 30.0
"""Seconds between attempts at most."""


class StatusPublisher:
    """The status of one pod on its way to the API."""

    def __init__(self, client: Client, pod: Pod, settings: NodeSettings) -> None:
        self._client = client
        self._meta = pod.metadata
        self._settings = settings
        self._sent: dict[str, Any] = known(pod)
        self._on_its_way: dict[str, Any] | None = None
        self._newest: dict[str, Any] = {}
        self._wake = anyio.Event()
        self._urgent = anyio.Event()
        self._clean = anyio.Event()
        self.gone = False

    def submit(self, status: dict[str, Any], *, urgent: bool) -> None:
        """Let ``status`` be what the API shows.

        :param urgent: write it now rather than after ``status_delay``
        """
        if self.gone:
            return
        if status != self._newest:
            self._newest = status
            self._clean = anyio.Event()
        if difference(self._sent if self._on_its_way is None else self._on_its_way, self._newest):
            self._wake.set()
            if urgent:
                self._urgent.set()
        elif self._on_its_way is None:
            self._clean.set()

    def stop(self) -> None:
        """Write no more: the pod is gone. Whoever waits in ``flush`` goes on."""
        self.gone = True
        self._clean.set()

    async def flush(self) -> None:
        """Return when what was submitted has been written, or cannot be any more."""
        if self._newest and not self.gone:
            await self._clean.wait()

    async def run(self) -> None:
        """Write until the pod is gone or this is cancelled."""
        retry = self._settings.status_retry
        while not self.gone:
            await self._wake.wait()
            with anyio.move_on_after(self._settings.status_delay):
                await self._urgent.wait()
            self._wake, self._urgent = anyio.Event(), anyio.Event()
            try:
                await self._write()
                retry = self._settings.status_retry
            except (ApiError, OSError) as error:
                log.warning("pod %s: status not written: %s; again in %g s", self._meta.key, error, retry)
                await anyio.sleep(retry)
                retry = min(retry * 2, MAX_RETRY)
                self._wake.set()
                self._urgent.set()

    async def _write(self) -> None:
        target = self._newest
        patch = difference(self._sent, target)
        self._on_its_way = target
        try:
            await self._send(patch)
        finally:
            self._on_its_way = None
        self._sent = target
        if not difference(target, self._newest):
            self._clean.set()

    async def _send(self, patch: dict[str, Any]) -> None:
        if patch:
            body = {"metadata": {"uid": self._meta.uid}, "status": patch}
            try:
                await self._client.patch(
                    "pods",
                    self._meta.name,
                    body,
                    self._meta.namespace,
                    content_type=STRATEGIC_PATCH,
                    subresource="status",
                )
            except (NotFound, Conflict):
                self.stop()
