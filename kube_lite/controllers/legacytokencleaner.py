"""Puts an end to tokens in Secrets that nobody uses (upstream: ``legacy_serviceaccount_token_cleaner.go``).

Only tokens that the cluster made for an account, which lists their Secrets: one that was not used for a year, and
that no pod mounts, is marked as good no more; a year later its Secret goes. The API server tells by labels when a
token was last used (``api/legacy_tokens``), and since when it does so.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from kube_lite import clock
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.controllers.removal import delete_seen
from kube_lite.controllers.serviceaccounttoken import ACCOUNT, ACCOUNT_UID, TYPE, Account, Secret
from kube_lite.errors import NotFound
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.kinds.secret import INVALID_SINCE, LAST_USED, TRACKING
from kube_lite.resources.meta import dig

NAMES = ("legacy-serviceaccount-token-cleaner", "legacy-serviceaccount-token-cleaner-controller")

KEPT: Final = timedelta(days=365)
"""Without a use (upstream: --legacy-service-account-token-clean-up-period)."""
LOOK: Final = 24 * 3600.0
"""Seconds between two looks at a Secret (upstream: a day)."""


class LegacyTokenCleaner(Controller):
    """Keys are Secrets."""

    name = "legacy-serviceaccount-token-cleaner"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("legacy-service-account-token-cleaner")
        self._accounts = self.reads(ctx.informers.get("serviceaccounts", Account))
        self._pods = self.reads(ctx.informers.get("pods", Pod))
        self._secrets = self.source(ctx.informers.get("secrets", Secret, field_selector=f"type={TYPE}"))

    async def reconcile(self, key: str) -> Requeue | None:
        """Mark or delete the Secret when its time is up; look again tomorrow in any case."""
        secret = self._secrets.get(key)
        if secret is None or secret.metadata.deletion_timestamp is not None:
            return None
        if self._is_unused(secret) and await self._is_tracked():
            await self._end(secret)
        return Requeue(LOOK)

    def _is_unused(self, secret: Secret) -> bool:
        """Whether the cluster made it, long ago, and neither a request nor a pod has used it since."""
        meta, long_ago = secret.metadata, clock.now() - KEPT
        if clock.parse_timestamp(meta.creation_timestamp or clock.timestamp()) >= long_ago:
            return False
        if meta.labels.get(LAST_USED, "") >= long_ago.date().isoformat():
            return False
        account = self._accounts.get(f"{meta.namespace}/{meta.annotations.get(ACCOUNT, '')}")
        if account is None or account.metadata.uid != meta.annotations.get(ACCOUNT_UID):
            return False
        if not any(reference.get("name") == meta.name for reference in account.secrets):
            return False
        mounted = (dig(v, "secret", "secretName") for pod in self._pods.list(meta.namespace) for v in pod.spec.volumes)
        return meta.name not in mounted

    async def _is_tracked(self) -> bool:
        """Whether uses have been noted for so long that there would be one, counted from the day after the first."""
        try:
            found = json.loads(await self._client.get("configmaps", TRACKING, "kube-system"))
        except NotFound:
            return False
        since = _day(dig(found, "data", "since", default=""))
        return since is not None and since + timedelta(days=1) + KEPT <= clock.now()

    async def _end(self, secret: Secret) -> None:
        meta = secret.metadata
        since = _day(meta.labels.get(INVALID_SINCE, ""))
        if since is None:
            labels = {INVALID_SINCE: clock.now().date().isoformat()}
            patch = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version, "labels": labels}}
            await self._client.patch("secrets", meta.name, patch, meta.namespace)
        elif since < clock.now() - KEPT:
            await delete_seen(self._client, "secrets", meta)


def _day(text: str) -> datetime | None:
    """The beginning of a day; None of what names none."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        return None


def build(ctx: Context) -> Controller:
    """The controller."""
    return LegacyTokenCleaner(ctx)
