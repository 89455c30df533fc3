"""Token Secrets of ServiceAccounts (upstream: ``pkg/controller/serviceaccount/tokens_controller.go``).

A Secret of type ``kubernetes.io/service-account-token`` names an account in an annotation; it is filled with a
token that does not expire, and deleted with the account. With ``legacy_service_account_tokens`` every account
gets such a Secret and lists it, which clients of Kubernetes 1.23 and older wait for.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import msgspec

from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.errors import ApiError, NotFound
from kube_lite.resources.meta import Obj, ObjectView

NAMES = ("serviceaccount-token", "serviceaccount-token-controller")
TYPE = "kubernetes.io/service-account-token"
ACCOUNT = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


class Secret(ObjectView, frozen=True):
    """A Secret; values in base64."""

    type: str = ""
    data: dict[str, str] = {}


class Account(ObjectView, frozen=True):
    """A ServiceAccount and the Secrets that it lists."""

    secrets: list[dict[str, Any]] = []


class ServiceAccountTokens(Controller):
    """Fills, makes and deletes token Secrets."""

    name = "serviceaccount-token"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("tokens-controller")
        self._sign = ctx.sign_account_token
        self._ca = _encoded(ctx.ca_pem)
        self._rng = ctx.rng
        self._give_all = ctx.settings.legacy_service_account_tokens
        self._accounts = self.source(ctx.informers.get("serviceaccounts", Account))
        self._secrets = ctx.informers.get("secrets", Secret, field_selector=f"type={TYPE}")
        self.source(self._secrets, self._account_of)

    @staticmethod
    def _account_of(secret: Secret) -> Iterable[str]:
        name = secret.metadata.annotations.get(ACCOUNT)
        return (f"{secret.metadata.namespace}/{name}",) if name and secret.type == TYPE else ()

    async def reconcile(self, key: str) -> Requeue | None:
        """Bring the Secrets of the account ``key`` up to date."""
        if self._sign is None:
            return None
        namespace, _, name = key.partition("/")
        account = self._accounts.get(key)
        mine = [s for s in self._secrets.list(namespace) if key in self._account_of(s)]
        if account is None:
            account = await self._live(namespace, name) if mine else None
        for secret in mine:
            bound = secret.metadata.annotations.get(ACCOUNT_UID)
            if account is None or (bound and bound != account.metadata.uid):
                await self._client.delete("secrets", secret.metadata.name, namespace, uid=secret.metadata.uid)
            else:
                await self._fill(account, secret)
        if account is not None and self._give_all:
            await self._give(account, [s.metadata.name for s in mine])
        return None

    async def _live(self, namespace: str, name: str) -> Account | None:
        """The account as the API has it: the Secret may have come before its account was seen here."""
        try:
            return msgspec.json.decode(await self._client.get("serviceaccounts", name, namespace), type=Account)
        except NotFound:
            return None

    async def _fill(self, account: Account, secret: Secret) -> None:
        meta = secret.metadata
        wanted = {"namespace": _encoded(meta.namespace), **({"ca.crt": self._ca} if self._ca else {})}
        lacking: Obj = {key: value for key, value in wanted.items() if secret.data.get(key) != value}
        if not secret.data.get("token"):
            lacking["token"] = _encoded(self._signed(account, meta.name))
        if lacking or meta.annotations.get(ACCOUNT_UID) != account.metadata.uid:
            annotations = {ACCOUNT_UID: account.metadata.uid}
            patch = {"metadata": {"annotations": annotations, "uid": meta.uid}, "data": lacking}
            await self._client.patch("secrets", meta.name, patch, meta.namespace)

    def _signed(self, account: Account, secret: str) -> str:
        assert self._sign is not None
        meta = account.metadata
        return self._sign(meta.namespace, meta.name, meta.uid, secret)

    async def _give(self, account: Account, existing: list[str]) -> None:
        """Make sure that the account lists a token Secret that exists."""
        if any(reference.get("name") in existing for reference in account.secrets):
            return
        # what is made here must not be made twice because a cache is behind
        live = await self._live(account.metadata.namespace, account.metadata.name)
        if live is None or live.metadata.deletion_timestamp is not None:
            return
        gone = await self._missing(live)
        if gone is None:
            return
        meta = live.metadata
        name = existing[0] if existing else await self._make(live)
        patch = {
            "metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version},
            "secrets": [*(r for r in live.secrets if r.get("name") not in gone), {"name": name}],
        }
        try:
            await self._client.patch("serviceaccounts", meta.name, patch, meta.namespace)
        except ApiError:
            if not existing:
                await self._client.delete("secrets", name, meta.namespace)
            raise

    async def _missing(self, account: Account) -> set[str] | None:
        """The Secrets made here that the account lists although they are gone; None when it has a token Secret."""
        gone: set[str] = set()
        for reference in account.secrets:
            name = str(reference.get("name", ""))
            try:
                raw = await self._client.get("secrets", name, account.metadata.namespace)
            except NotFound:
                if name.startswith(_prefix(account)):
                    gone.add(name)
                continue
            if msgspec.json.decode(raw, type=Secret).type == TYPE:
                return None
        return gone

    async def _make(self, account: Account) -> str:
        meta = account.metadata
        name = _prefix(account) + "".join(self._rng.choices(_SUFFIX, k=5))
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": meta.namespace,
                "annotations": {ACCOUNT: meta.name, ACCOUNT_UID: meta.uid},
            },
            "type": TYPE,
            "data": {
                "token": _encoded(self._signed(account, name)),
                "namespace": _encoded(meta.namespace),
                **({"ca.crt": self._ca} if self._ca else {}),
            },
        }
        await self._client.create("secrets", secret, meta.namespace)
        return name


def _prefix(account: Account) -> str:
    """How the names of the Secrets begin that are made here for an account."""
    return f"{account.metadata.name}-token-"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def build(ctx: Context) -> Controller:
    """The controller."""
    return ServiceAccountTokens(ctx)
