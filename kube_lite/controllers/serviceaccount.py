"""The ServiceAccount ``default`` of every namespace (upstream: ``pkg/controller/serviceaccount``)."""

from __future__ import annotations

from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.errors import AlreadyExists
from kube_lite.resources.meta import ObjectView
from kube_lite.resources.views import Namespace

NAMES = ("serviceaccount", "serviceaccount-controller")

DEFAULT = "default"


class ServiceAccountController(Controller):
    """Makes the default ServiceAccount, again if it is deleted."""

    name = "serviceaccount"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("service-account-controller")
        self._namespaces = self.source(ctx.informers.get("namespaces", Namespace))
        self._accounts = ctx.informers.get("serviceaccounts", ObjectView)
        self.source(self._accounts, lambda account: (account.metadata.namespace,))

    async def reconcile(self, key: str) -> Requeue | None:
        """Make the account of the namespace ``key``, unless it is there or the namespace is going."""
        namespace = self._namespaces.get(key)
        if namespace is None or namespace.status.phase != "Active":
            return None
        if self._accounts.get(f"{key}/{DEFAULT}") is not None:
            return None
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": DEFAULT, "namespace": key}}
        try:
            await self._client.create("serviceaccounts", account, key)
        except AlreadyExists:
            return None
        return None


def build(ctx: Context) -> Controller:
    """The controller."""
    return ServiceAccountController(ctx)
