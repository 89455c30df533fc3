"""The cluster's certificate authority in every namespace, as ConfigMap ``kube-root-ca.crt``.

Pods verify the API server by it (upstream: ``pkg/controller/certificates/rootcacertpublisher``).
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.resources.meta import Obj, ObjectView
from kube_lite.resources.views import Namespace

NAMES = ("root-ca-certificate-publisher-controller", "root-ca-cert-publisher")

CONFIG_MAP = "kube-root-ca.crt"
DESCRIPTION = "kubernetes.io/description"
DESCRIPTION_TEXT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class ConfigMap(ObjectView, frozen=True):
    """A ConfigMap's texts."""

    data: dict[str, str] = {}


class RootCAPublisher(Controller):
    """Publishes the authority, and puts it right when somebody changes it."""

    name = "root-ca-certificate-publisher-controller"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("root-ca-cert-publisher")
        self._data = {"ca.crt": ctx.ca_pem}
        self._namespaces = self.source(ctx.informers.get("namespaces", Namespace))
        self._maps = ctx.informers.get("configmaps", ConfigMap, field_selector=f"metadata.name={CONFIG_MAP}")
        self.source(self._maps, self._keys)

    @staticmethod
    def _keys(config: ConfigMap) -> Iterable[str]:
        return (config.metadata.namespace,) if config.metadata.name == CONFIG_MAP else ()

    async def reconcile(self, key: str) -> Requeue | None:
        """Make or mend the ConfigMap of the namespace ``key``."""
        namespace = self._namespaces.get(key)
        if not self._data["ca.crt"] or namespace is None or namespace.status.phase != "Active":
            return None
        present = self._maps.get(f"{key}/{CONFIG_MAP}")
        if present is None:
            await self._create(key)
            return None
        if present.data == self._data and present.metadata.annotations.get(DESCRIPTION):
            return None
        stale: Obj = dict.fromkeys(present.data.keys() - self._data.keys())
        patch = {"metadata": {"annotations": {DESCRIPTION: DESCRIPTION_TEXT}}, "data": {**stale, **self._data}}
        await self._client.patch("configmaps", CONFIG_MAP, patch, key)
        return None

    async def _create(self, namespace: str) -> None:
        metadata = {"name": CONFIG_MAP, "namespace": namespace, "annotations": {DESCRIPTION: DESCRIPTION_TEXT}}
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": self._data}
        await self._client.create("configmaps", config, namespace)


def build(ctx: Context) -> Controller:
    """The controller."""
    return RootCAPublisher(ctx)
