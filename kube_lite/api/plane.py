"""The API as one object: storage, verbs, pipeline and discovery put together, with or without HTTP on top."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import msgspec

from kube_lite import clock
from kube_lite.api import bootstrap, certificate_requests, flow_objects, health, identity
from kube_lite.api.admission import chain
from kube_lite.api.admission.webhook_call import WebhookCaller
from kube_lite.api.app import App
from kube_lite.api.audit import AuditLog
from kube_lite.api.authn import Authenticator
from kube_lite.api.authz.authorizer import Authorizer
from kube_lite.api.authz.escalation import Escalation
from kube_lite.api.authz.parameters import PolicyParameters
from kube_lite.api.component_status import ComponentStatuses
from kube_lite.api.crds import CustomResources
from kube_lite.api.discovery import Discovery
from kube_lite.api.dispatch import Dispatcher
from kube_lite.api.expiry import Expiry
from kube_lite.api.flow import FlowControl
from kube_lite.api.http import Request, Response
from kube_lite.api.legacy_tokens import LastUses
from kube_lite.api.local import LocalClient
from kube_lite.api.metrics import Metrics
from kube_lite.api.nonresource import NonResource
from kube_lite.api.openapi import OpenAPI
from kube_lite.api.reviews import Reviews
from kube_lite.api.service_addresses import ServiceAddresses
from kube_lite.api.stopping import Stopping
from kube_lite.api.storage import Storage
from kube_lite.api.subresources import Subresources
from kube_lite.api.token_signer import Signer
from kube_lite.api.tokens import Tokens
from kube_lite.api.user import SERVER, User, service_account
from kube_lite.api.verbs import Verbs
from kube_lite.resources.registry import Registry, builtin
from kube_lite.store.store import Store

if TYPE_CHECKING:
    from kube_lite.api.openapi import OpenAPI


class PlaneOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the API is built with."""

    service_cluster_ip_range: str = "10.96.0.0/12"
    advertise_address: str = "127.0.0.1"
    port: int = 6443
    disabled_admission_plugins: Collection[str] = ()
    pod_security: str = "privileged"
    """The Pod Security level enforced in namespaces without a label."""
    tokens: Mapping[str, User] = msgspec.field(default_factory=dict)
    owner_uid: int = 0
    service_account_key: Path | None = None
    """Where the key of service account tokens lies; None keeps it in memory."""


class Plane:
    """The API over one store."""

    def __init__(
        self,
        store: Store,
        options: PlaneOptions,
        rng: random.Random,
        audit: AuditLog | None = None,
        registry: Registry | None = None,
    ) -> None:
        self.options = options
        self.registry = registry or builtin()
        self.storage = Storage(store, self.registry)
        caller = self.webhook_caller = WebhookCaller(rng, frozenset({options.advertise_address}), options.port)
        self.authorizer = Authorizer(self.storage)
        disabled = options.disabled_admission_plugins
        admission = chain.build(rng, disabled, caller, options.pod_security, self.authorizer)
        self.verbs = Verbs(self.storage, admission, rng)
        self.verbs.objects.authorizer = self.authorizer
        self.dispatcher = Dispatcher(self.storage, self.verbs, rng)
        self.subresources = Subresources(self.dispatcher)
        self.authenticator = Authenticator(options.tokens, options.owner_uid)
        signer = Signer(options.service_account_key)
        uses = LastUses(self.verbs)
        self.tokens = Tokens(signer, self.verbs.objects, self.verbs.names, admission=self.verbs.admission, uses=uses)
        self.authenticator.reviewers.append(self.tokens.authenticate)
        self.dispatcher.subresources["serviceaccounts/token"] = self.tokens.request
        Escalation(self.verbs, self.authorizer)
        PolicyParameters(self.verbs, self.authorizer)
        certificate_requests.install(self.verbs)
        self.reviews = Reviews(self.dispatcher, self.authorizer, self.authenticator, self.tokens)
        self.discovery = Discovery(self.registry, f"{options.advertise_address}:{options.port}")
        self.custom_resources = CustomResources(self.verbs, caller, self.discovery.changed)
        self._addresses = ServiceAddresses(options.service_cluster_ip_range, rng)
        self.verbs.hooks["services"] = self._addresses
        self._started = False
        self.stopping = Stopping()
        checks = health.checks(lambda: self._started, lambda: self.stopping.begun)
        self.components = ComponentStatuses(self.dispatcher, checks["etcd"])
        self.nonresource = NonResource(self.discovery, checks)
        self.openapi = OpenAPI(self.registry, lambda resource: resource.openapi)
        self.nonresource.pages["openapi"] = self._openapi
        self.nonresource.pages.update(self.tokens.pages(f"https://{options.advertise_address}:{options.port}"))
        self.flow = FlowControl(storage=self.storage)
        self.nonresource.pages["debug"] = self.flow.debug_page
        self.metrics = Metrics(self.storage, self.flow)
        self.nonresource.pages["metrics"] = self.metrics.page
        self.app = App(
            authenticator=self.authenticator,
            authorizer=self.authorizer,
            flow=self.flow,
            resources=self.dispatcher.handle,
            nonresource=self.nonresource,
            audit=audit,
            rng=rng,
            stopping=self.stopping,
            metrics=self.metrics.requests,
        )

    async def _openapi(self, request: Request) -> Response | None:
        # the first answer takes up to a second of CPU; other requests go on meanwhile
        return await clock.run_in_thread(self.openapi.page, request)

    @property
    def service_ip(self) -> str:
        """The ClusterIP of the ``kubernetes`` Service."""
        return self._addresses.first

    async def start(self) -> None:
        """Load the store, then create what every cluster has."""
        await self.storage.start()
        self.custom_resources.start()
        self._addresses.load(self.storage.select("services"))
        options = self.options
        await bootstrap.bootstrap(
            self.verbs,
            options.service_cluster_ip_range,
            self._addresses.first,
            options.advertise_address,
            options.port,
        )
        self._started = True

    async def run(self) -> None:
        """What the API does by itself while it serves.

        It keeps custom resources, the objects of flow control and its own Lease, and removes Events.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.custom_resources.run)
            tasks.start_soon(flow_objects.run, self.verbs)
            tasks.start_soon(Expiry(self.verbs).run)
            tasks.start_soon(identity.run, self.client(SERVER, "kube-apiserver"), self.verbs.names.uid())

    def client(self, user: User, agent: str) -> LocalClient:
        """A client in this process with that identity; ``agent`` names it in managedFields."""
        return LocalClient(self.dispatcher, self.authorizer, user, agent)

    def controller_client(self, name: str) -> LocalClient:
        """A client acting as a controller's service account in kube-system."""
        return self.client(service_account("kube-system", name), "kube-controller-manager")
