"""DefaultBinder: binds through the API's ``binding`` subresource."""

from __future__ import annotations

from kube_lite.client.protocol import Client
from kube_lite.sched.framework import Plugin
from kube_lite.sched.podinfo import PodInfo


class DefaultBinder(Plugin):
    """Writes a ``Binding``; the uid makes sure that it is still the same pod."""

    name = "DefaultBinder"

    async def bind(self, client: Client, info: PodInfo, node: str) -> bool:
        """Always binds. :raises ApiError: the API refused"""
        meta = info.pod.metadata
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "target": {"kind": "Node", "name": node},
        }
        await client.create("pods", binding, meta.namespace, name=meta.name, subresource="binding")
        return True


PLUGIN = DefaultBinder
